"""Stories that a driver is judged by: what jobs do, and how they are played or talked through.

The suite is in `conformance`. Here is what a driver has to describe of itself for it, `Playing`,
which runs a story under the real engine and loop, and `Talk`, which has no engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Final, Protocol

import msgspec
import pytest

from noljima import app
from noljima.app import EngineSpec
from noljima.model.commands import Command, Start
from noljima.model.events import (
    Cancelled,
    Event,
    Finished,
    NodeSeen,
    OfRun,
    Started,
)
from noljima.model.job import Job
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, JobId, NodeId, Resources, gang_of
from noljima.runtime.loop import run
from noljima.runtime.ports import Driver, Sink
from noljima.testing.conformance_books import ENDS, Books, NonconformityError, Observed, Run
from noljima.testing.rehearsal import Record, Validation
from noljima.testing.watches import Ledger, Lifecycle, SavedWork

PATIENCE_S: Final = 60.0
SPEC: Final = EngineSpec(policy="fair", estimates="limit", space=app.GRID)
_LIMIT_S: Final = 1000.0


class Does(StrEnum):
    """What a job does that a driver is asked to run."""

    SUCCEED = "succeed"
    """Each worker ends by itself after `run_s`, well."""
    FAIL = "fail"
    """The same, but badly."""
    WAIT = "wait"
    """Runs until it is told to end, and ends then."""
    STAY = "stay"
    """Runs until it is killed: it passes over whatever asks it to end."""
    LOSE_A_WORKER = "lose a worker"
    """One worker fails after `run_s`; the others would run on for ever."""
    COME_UP_LATE = "come up late"
    """Its first start fails; from the second on it succeeds as above."""


class Ability(StrEnum):
    """What a driver may be unable to do."""

    SEVERAL_NODES = "several nodes"
    SINGLE_WORKERS = "workers that fail one by one"
    ADOPTION = "taking over what ran before a restart"
    GARBAGE = "refusing starts that make no sense"
    DRAIN = "taking out single GPUs"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A job of a story, and what it does."""

    job: Job
    does: Does
    run_s: float


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver is to be made for: nodes that are alike, and all jobs, handed in at once."""

    parts: tuple[Part, ...] = ()
    nodes: int = 1
    gpus: int = 4
    """Of each node."""


class Stage(Protocol):
    """A driver that is open, and what can be asked of its world."""

    @property
    def driver(self) -> Driver:
        """The driver, which tells of the nodes and of every job of the story as it begins."""
        ...

    def alive(self, job: JobId) -> int | None:
        """Count the workers of a job that are there now; None where there is nothing to count."""
        ...

    def begun(self, job: JobId, attempt: int) -> int | None:
        """Count how often the first worker of an attempt was begun; None where nobody can say."""
        ...

    async def restart(self, unanswered: Sequence[Command], last_s: float) -> Driver:
        """Close the driver and return a new one that takes over, as a restarted scheduler would.

        These commands were written down and not answered, and nothing was told after `last_s`.
        Without ADOPTION never called.
        """
        ...

    def drain(self, node: NodeId, gpu: int) -> None:
        """Let a GPU take nothing new; without DRAIN never called."""
        ...


class DriverUnderTest(Protocol):
    """A driver as the suite sees it."""

    @property
    def cannot(self) -> Mapping[Ability, str]:
        """What it cannot do, and why."""
        ...

    @property
    def storms(self) -> int:
        """How many drawn stories it has time for."""
        ...

    def stage(self, story: Story) -> AbstractAsyncContextManager[Stage]:
        """Make a driver for a story, open it, and leave nothing of it behind."""
        ...


def part(
    name: str, does: Does, gpus: int = 1, *, workers: int = 1, run_s: float = 0.1, **fields: object
) -> Part:
    """Describe a job of a story; it is not evictable unless it says so."""
    given: dict[str, object] = {
        "id": JobId(name),
        "gang": gang_of(workers, Resources(gpu_milli=gpus * GPU)),
        "limit_s": _LIMIT_S,
        "evictable": False,
    }
    job = Job(**(given | fields))  # type: ignore[arg-type]  # each field is checked when built
    return Part(job=job, does=does, run_s=run_s)


class Playing:
    """A story while it goes on: under the real engine, with all books."""

    def __init__(self, stage: Stage, story: Story, *, doubled: bool = False) -> None:
        self.stage = stage
        self.story = story
        self.record = Record()
        self.books = Books(doubled=doubled)
        self.engine = app.build_engine(SPEC)
        self.begun: dict[Run, int | None] = {}
        """How often each attempt was begun, once the story is over."""
        self._open = {each.job.id for each in story.parts}
        self._witness = Witness(stage, story)
        self._on: list[tuple[type[OfRun], str, int, Callable[[], None]]] = []
        self.observed = Observed(
            stage.driver, self.books, look=self._look, over=self._over, doubled=doubled
        )

    def when(
        self, kind: type[OfRun], job: str, then: Callable[[], None], *, attempt: int = 1
    ) -> None:
        """Do something once, when this is first told of an attempt of a job."""
        self._on.append((kind, job, attempt, then))

    def cancel(self, job: str) -> None:
        """Have a job cancelled by its owner."""
        self._open.discard(JobId(job))
        self.observed.put_in(lambda at_s: Cancelled(at_s=at_s, job=JobId(job)))

    async def play(self) -> None:
        """Let it go on until all jobs have ended and all starts were answered."""
        sinks: list[Sink] = [
            Validation(self.engine),
            Ledger(),
            Lifecycle(self.engine),
            SavedWork(),
        ]
        async with asyncio.timeout(PATIENCE_S):
            await run(self.engine, self.observed, self.record, sinks)
        self.books.close()
        if self._open:
            raise NonconformityError(f"nothing happens any more, and these are open: {self._open}")
        self.begun = {each: self.stage.begun(*each) for each in self.books.answers}

    def _over(self) -> bool:
        return not self._open and not self.books.unanswered()

    def _look(self, event: Event) -> None:
        self._witness.look(event, self.books)
        if isinstance(event, Finished):
            self._open.discard(event.job)
        for awaited in list(self._on):
            kind, job, attempt, then = awaited
            if isinstance(event, kind) and (event.job, event.attempt or attempt) == (job, attempt):
                self._on.remove(awaited)
                then()


class Witness:
    """Compares what is told with what is there at that moment."""

    def __init__(self, stage: Stage, story: Story) -> None:
        self._stage = stage
        self._workers = {each.job.id: each.job.gang.workers for each in story.parts}
        self._lasting = {p.job.id for p in story.parts if p.does in {Does.WAIT, Does.STAY}}

    def look(self, event: Event, books: Books) -> None:
        """Refuse an end that leaves workers behind, and a start without all of them."""
        there = self._stage.alive(event.job) if isinstance(event, OfRun) else None
        if there is None or not isinstance(event, OfRun):
            return
        if isinstance(event, ENDS) and there:
            raise NonconformityError(f"{event}, and {there} of its workers are there")
        lasts = event.job in self._lasting and books.stays((event.job, event.attempt))
        if isinstance(event, Started) and lasts and there < self._workers[event.job]:
            raise NonconformityError(f"{event}, and only {there} of its workers are there")


class Talk:
    """Commands and answers without an engine: for what an engine would never say."""

    def __init__(self, stage: Stage, story: Story) -> None:
        self.stage = stage
        self.books = Books()
        self.driver = stage.driver
        self.told: list[Event] = []
        self._witness = Witness(stage, story)

    async def begin(self) -> None:
        """Hear of the node."""
        await self.until(NodeSeen)

    @property
    def node(self) -> NodeId:
        """The first node."""
        return next(event.node.id for event in self.told if isinstance(event, NodeSeen))

    def start(self, job: str, *gpus: int, attempt: int = 1, node: str = "") -> Start:
        """Build a start with a worker for each GPU."""
        where = NodeId(node) or self.node
        places = tuple(Assignment(where, (gpu,)) for gpu in gpus)
        return Start(JobId(job), Placement(places), attempt=attempt)

    async def do(self, *commands: Command) -> None:
        """Give commands."""
        self.books.commanded(commands)
        await self.driver.do(self.told[-1].at_s, commands)

    async def until(self, kind: type[Event], job: str = "") -> Event:
        """Wait until something was told, and return it."""
        while True:
            for event in self.told:
                if job not in {"", getattr(event, "job", "")}:
                    continue
                if isinstance(event, kind):
                    return event
                if issubclass(kind, ENDS) and isinstance(event, ENDS):
                    raise NonconformityError(f"{event}, where it should be a {kind.__name__}")
            await self.listen()

    async def listen(self) -> None:
        """Hear what is told next."""
        async with asyncio.timeout(PATIENCE_S):
            events = await self.driver.wait(None)
        if not events:
            raise NonconformityError("nothing happens any more, and something is still to come")
        self.books.told(events)
        self.told += events
        for event in events:
            self._witness.look(event, self.books)

    async def restart(self) -> None:
        """Have another driver take over what was not answered; it may tell of starts again."""
        self.books.allow_repeats()
        self.driver = await self.stage.restart(self.books.unanswered(), self.told[-1].at_s)


Prepare = Callable[[Playing], None]


def played(
    subject: DriverUnderTest,
    story: Story,
    prepare: Prepare = lambda _: None,
    *,
    doubled: bool = False,
) -> Playing:
    """Play a story to its end, and return what happened."""

    async def tale() -> Playing:
        async with subject.stage(story) as stage:
            playing = Playing(stage, story, doubled=doubled)
            prepare(playing)
            await playing.play()
            return playing

    return asyncio.run(tale())


def talked(subject: DriverUnderTest, story: Story, tale: Callable[[Talk], Awaitable[None]]) -> Talk:
    """Talk with a driver, and return what was said."""

    async def whole() -> Talk:
        async with subject.stage(story) as stage:
            talk = Talk(stage, story)
            await talk.begin()
            await tale(talk)
            talk.books.close()
            return talk

    return asyncio.run(whole())


def able(subject: DriverUnderTest, *abilities: Ability) -> None:
    """Skip the present test where the driver has said that it cannot do this."""
    for ability in abilities:
        if ability in subject.cannot:
            pytest.skip(f"no {ability}: {subject.cannot[ability]}")
