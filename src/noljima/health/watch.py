"""All that is remembered of one running job: clock, workers, steps, log, errors, its rung.

The clock is what every silence is measured with. It runs only while the job runs and is looked at:
not while it is paused, and not over a gap between two looks that is too long to know what was then.
"""

from __future__ import annotations

from noljima.health.errors import Errors
from noljima.health.facts import Began, Pause, Progressed, Sampled
from noljima.health.findings import Act, Kind, Rung
from noljima.health.gaps import Gaps
from noljima.health.signs import Worker
from noljima.health.steps import Steps

_AT_WORK_S = 60.0
"""GPUs draw what their work takes within this time of a step."""


class Log:
    """When a job last wrote into its log, and how regularly it does."""

    __slots__ = ("broken", "clock_s", "gaps", "grown", "started")

    def __init__(self) -> None:
        self.clock_s = 0.0
        self.gaps = Gaps()
        self.started = False
        self.grown = False
        self.broken = True

    def swept(self, clock_s: float) -> None:
        """Take in whether it has grown since the last look."""
        if not self.grown:
            return
        if self.started and not self.broken:
            self.gaps.add(clock_s - self.clock_s)
        self.started, self.grown, self.broken = True, False, False
        self.clock_s = clock_s


class Standing:
    """Where a job stands on the ladder, and what has been told of that."""

    __slots__ = ("acted_s", "acts", "endable_s", "held_back", "kinds", "notified", "rung", "told")

    def __init__(self) -> None:
        self.rung = Rung.OK
        self.kinds: tuple[Kind, ...] = ()
        self.endable_s: float | None = None
        """The job's clock since when there is evidence enough for an end; None if there is none."""
        self.told = Rung.OK
        self.acts: tuple[Act, ...] = ()
        """What was asked for when it was last told of."""
        self.held_back = ""
        """What kept the last verdict from being acted on."""
        self.notified = False
        """Whether people know that something speaks against it."""
        self.acted_s: dict[Rung, float] = {}
        """The job's clock when each rung was last acted on."""


class Job:
    """One running job."""

    __slots__ = (
        "_gap_s_max",
        "began",
        "checkpoint",
        "clock_s",
        "errors",
        "hardware",
        "leaving",
        "log",
        "moved",
        "paused",
        "seen_at_s",
        "sight_s",
        "standing",
        "steps",
        "workers",
    )

    def __init__(self, began: Began, gap_s_max: float) -> None:
        self._gap_s_max = gap_s_max
        self.began = began
        self.checkpoint = began.checkpoint
        self.clock_s = 0.0
        self.sight_s = 0.0
        """How long it has been seen without a gap."""
        self.seen_at_s = began.at_s
        self.paused: Pause | None = None
        self.leaving = False
        """Whether it was told to go: nothing more is said of it."""
        self.moved = False
        """Whether it was told to leave a GPU that cannot go on."""
        self.workers: dict[int, Worker] = {}
        self.steps = Steps()
        self.log = Log()
        self.errors = Errors()
        self.hardware: tuple[float, str] | None = None
        """When a GPU of its had a fault of its own, and which."""
        self.standing = Standing()

    def looked_at(self, at_s: float) -> None:
        """Let the clock run up to a look at the job, unless the time before is not known."""
        passed_s = at_s - self.seen_at_s
        self.seen_at_s = at_s
        if 0.0 <= passed_s <= self._gap_s_max:
            self.clock_s += passed_s
            self.sight_s += passed_s
        else:
            self.sight_s = 0.0
            self.steps.interrupt()
            self.log.broken = True
        self.log.swept(self.clock_s)

    def clock_at(self, at_s: float) -> float:
        """Return what the clock showed when something happened since the last look."""
        passed_s = at_s - self.seen_at_s
        return self.clock_s + passed_s if 0.0 <= passed_s <= self._gap_s_max else self.clock_s

    def sampled(self, fact: Sampled, *, reports: bool) -> None:
        """Take in what a worker did."""
        if self.paused is not None:
            return
        worker = self.workers.get(fact.worker)
        if worker is None:
            worker = self.workers[fact.worker] = Worker()
        at_work = not reports or self.clock_s - self.steps.clock_s <= _AT_WORK_S
        grown = worker.told(
            fact,
            self.clock_at(fact.at_s),
            gpus=self.began.gpus_measured,
            at_work=at_work,
            gap_s_max=self._gap_s_max,
        )
        if grown:
            self.log.grown = True

    def progressed(self, fact: Progressed) -> None:
        """Take in what it tells of its steps; a step clears the errors before it."""
        if not 0.0 <= fact.at_s - self.seen_at_s <= self._gap_s_max:
            # The first word after a gap: the pause before it is of nobody knows what.
            self.steps.interrupt()
        if self.steps.told(fact, self.clock_at(fact.at_s)):
            self.errors.went_on()

    def pause(self, why: Pause) -> None:
        """Stop the clock."""
        self.paused = why
        self.steps.interrupt()
        self.log.broken = True
        if why is Pause.STOPPING:
            self.leaving = True
        if why is not Pause.CHECKPOINTING:
            self.standing = Standing()

    def resume(self, at_s: float) -> None:
        """Let the clock run on; after a suspension all silences begin anew."""
        if self.paused is None and not self.leaving:
            return
        anew = self.paused is not Pause.CHECKPOINTING
        self.paused = None
        self.leaving = self.moved = False
        self.seen_at_s = at_s
        self.sight_s = 0.0
        for worker in self.workers.values():
            worker.interrupt(anew=anew)
        if anew:
            self.steps.interrupt(self.clock_s)
            self.log.clock_s = self.clock_s
            self.errors = Errors()

    def life(self) -> tuple[float | None, float | None]:
        """Return the clock when any worker last showed life, and when one last moved anything."""
        alive_s: float | None = None
        moving_s: float | None = None
        for worker in self.workers.values():
            clock_s = worker.life_s
            if clock_s is not None and (alive_s is None or clock_s > alive_s):
                alive_s = clock_s
            clock_s = worker.moving_s
            if clock_s is not None and (moving_s is None or clock_s > moving_s):
                moving_s = clock_s
        return alive_s, moving_s
