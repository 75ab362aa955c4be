"""Let a monitor watch a made-up job, and note what it says."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from noljima.config import HealthSettings
from noljima.health import Monitor
from noljima.health.facts import (
    METRICS,
    Began,
    Erred,
    Fact,
    Pause,
    Paused,
    Progressed,
    Resumed,
    Sampled,
    Swept,
)
from noljima.health.findings import ENDS, Rung, Verdict
from noljima.model.resources import JobId
from noljima.testing.hangs.modes import Mode
from noljima.testing.hangs.script import Script, Stretch

JOB = JobId("job")
_STATES = {"R": "running", "S": "sleeping", "D": "blocked", "T": "stopped"}
_COUNTERS = ("read", "written", "network", "pcie", "nvlink", "log")


class Outcome(msgspec.Struct, kw_only=True):
    """What was said of one job."""

    script: str
    stuck_s: float | None = None
    """When it got stuck, in the time that really passed."""
    worst: Rung = Rung.OK
    """The highest rung told before it was stuck, or at all where it never was."""
    found: Rung = Rung.OK
    """The highest rung told after it was stuck."""
    found_s: float | None = None
    """How long after it was stuck it was first told to be stalled."""
    ended_s: float | None = None
    """How long after it was stuck, or after its begin, it was ended."""
    false_end: bool = False
    verdicts: list[Verdict] = msgspec.field(default_factory=list)


def play(script: Script, settings: HealthSettings | None = None) -> Outcome:
    """Watch the job until the monitor ends it, or to the end of its script."""
    monitor = Monitor(settings)
    outcome = Outcome(script=script.name)
    for passed_s, stuck, facts in told(script):
        if stuck and outcome.stuck_s is None:
            outcome.stuck_s = passed_s
        for finding in monitor.observe(*facts):
            if isinstance(finding, Verdict):
                _note(outcome, finding, passed_s)
        if outcome.ended_s is not None:
            break
    return outcome


def _note(outcome: Outcome, verdict: Verdict, passed_s: float) -> None:
    outcome.verdicts.append(verdict)
    stuck_s = outcome.stuck_s
    if stuck_s is None:
        outcome.worst = max(outcome.worst, verdict.rung, key=lambda rung: rung.height)
    else:
        outcome.found = max(outcome.found, verdict.rung, key=lambda rung: rung.height)
        if outcome.found_s is None and verdict.rung.height >= Rung.STALLED.height:
            outcome.found_s = passed_s - stuck_s
    if not ENDS.isdisjoint(verdict.acts):
        outcome.ended_s = passed_s - (stuck_s or 0.0)
        outcome.false_end = stuck_s is None


def told(script: Script) -> Iterator[tuple[float, bool, list[Fact]]]:
    """Give what is told of the job, round by round, with the time that really passed."""
    job = _Life(script)
    yield 0.0, False, [job.began()]
    for stretch in script.stretches:
        facts = job.enter(stretch)
        rounds = max(round(stretch.seconds / script.tick_s), 1)
        for _ in range(rounds):
            job.live(stretch)
            if not stretch.unseen:
                facts += job.seen(stretch)
            yield job.passed_s, stretch.stuck, facts
            facts = []
        if stretch.pause is not None and stretch.pause is not Pause.STOPPING:
            yield job.passed_s, stretch.stuck, [Resumed(at_s=job.at_s, job=JOB)]


class _Life:
    """A job as it lives: its counters and its steps."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._random = np.random.Generator(np.random.PCG64(script.seed))
        self._counters = [dict.fromkeys(("cpu", *_COUNTERS), 0.0) for _ in range(script.workers)]
        self._steps = 0.0
        self._jumped_s = 0.0
        self.passed_s = 0.0

    @property
    def at_s(self) -> float:
        """What the clock of the machine shows."""
        return max(1e6 + self.passed_s + self._jumped_s, 0.0)

    def began(self) -> Began:
        script = self._script
        return Began(
            at_s=self.at_s,
            job=JOB,
            user="somebody",
            workers=script.workers,
            gpus_measured=script.gpus,
            checkpoint=script.checkpoint,
        )

    def enter(self, stretch: Stretch) -> list[Fact]:
        """Begin a stretch, and tell what is told once."""
        self._jumped_s += stretch.jump_s
        self._steps = 0.0 if stretch.new_epoch else max(self._steps - stretch.back_steps, 0.0)
        facts: list[Fact] = []
        if stretch.pause is not None:
            facts.append(Paused(at_s=self.at_s, job=JOB, why=stretch.pause))
        if stretch.trouble is not None:
            facts.append(Erred(at_s=self.at_s, job=JOB, trouble=stretch.trouble, line="an error"))
        return facts

    def live(self, stretch: Stretch) -> None:
        """Let one round pass."""
        script = self._script
        self.passed_s += script.tick_s
        if stretch.step_s:
            self._steps += script.tick_s / stretch.step_s * self._noise(0.1)
        for number, counters in enumerate(self._counters):
            mode = _mode(stretch, number)
            counters["cpu"] += mode.cores * script.tick_s * self._noise(0.3)
            for name in _COUNTERS:
                rate = getattr(mode, name)
                if rate:
                    scale = script.scale if rate > 1e5 else 1.0
                    counters[name] += rate * scale * script.tick_s * self._noise(0.5)

    def seen(self, stretch: Stretch) -> list[Fact]:
        """Tell what a sampler sees at the end of a round."""
        facts: list[Fact] = []
        if self._script.reports:
            facts.append(self._progressed(stretch))
        facts += [self._sampled(number, stretch) for number in range(self._script.workers)]
        facts.append(Swept(at_s=self.at_s))
        return facts

    def _progressed(self, stretch: Stretch) -> Progressed:
        loss = stretch.loss
        if loss is None:
            loss = 3.0 / (1.0 + self._steps**0.3) * self._noise(0.01)
        return Progressed(
            at_s=self.at_s,
            job=JOB,
            step=float(int(self._steps)),
            total=self._script.total,
            epoch=self._script.epoch,
            phase=stretch.phase,
            loss=loss,
        )

    def _sampled(self, number: int, stretch: Stretch) -> Sampled:
        script, counters = self._script, self._counters[number]
        mode = _mode(stretch, number)
        power = script.idle_w + mode.power * script.working_w
        values: dict[str, object] = {
            "cpu_s": counters["cpu"],
            "read_bytes": counters["read"],
            "written_bytes": counters["written"],
            "network_bytes": counters["network"],
            "log_bytes": counters["log"] if script.logs else 0.0,
            **{name: int(mode.state == state) for state, name in _STATES.items()},
        }
        if script.gpus:
            values |= {
                "pcie_bytes": counters["pcie"],
                "nvlink_bytes": counters["nvlink"],
                "gpu_w": max(power + 2.0 * float(self._random.standard_normal()), 0.0),
                "gpu_idle_w": script.idle_w,
                "gpu_utilisation": mode.busy,
                "gpu_sm_activity": mode.sm,
            }
        for name in (*script.never, *stretch.missing):
            values.pop(name, None)
        if script.lost_share and self._random.random() < script.lost_share:
            values.pop(METRICS[int(self._random.integers(len(METRICS)))], None)
        return Sampled(at_s=self.at_s, job=JOB, worker=number, **values)  # type: ignore[arg-type]

    def _noise(self, spread: float) -> float:
        return float(np.exp(spread * self._random.standard_normal()))


def _mode(stretch: Stretch, worker: int) -> Mode:
    return stretch.modes[min(worker, len(stretch.modes) - 1)]
