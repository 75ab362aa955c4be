"""Every driver of ours passes the one suite for drivers, and drivers that are wrong do not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from noljima.drivers.local.clock import Clock
from noljima.drivers.local.driver import ProcessDriver
from noljima.drivers.local.endings import read_running
from noljima.drivers.local.gpus import VirtualGpus
from noljima.drivers.local.shim import proc
from noljima.drivers.local.spec import RunSpec
from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.drivers.sim.faults import Faults
from noljima.model.commands import Command, Start
from noljima.model.events import (
    Event,
    Finished,
    OfRun,
    Outcome,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.node import Node
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import JobId, NodeId
from noljima.runtime.ports import Driver
from noljima.testing.conformance import (
    Ability,
    Does,
    DriverConformance,
    DriverUnderTest,
    Part,
    Stage,
    Story,
    part,
    played,
)
from noljima.testing.conformance_books import Books, NonconformityError
from noljima.testing.workshop import HERE, Workshop

_FOR_EVER_S = 1e6


class SimulatedStage:
    """A simulation that is open; there is nothing to count in it."""

    def __init__(self, driver: Driver, alive: int | None = None) -> None:
        self.driver = driver
        self._alive = alive

    def alive(self, job: JobId) -> int | None:  # noqa: ARG002 - nothing is there
        return self._alive

    def begun(self, job: JobId, attempt: int) -> int | None:  # noqa: ARG002 - nothing is there
        return None

    async def restart(self, unanswered: Sequence[Command], last_s: float) -> Driver:
        raise NotImplementedError(unanswered, last_s)

    def drain(self, node: NodeId, gpu: int) -> None:
        raise NotImplementedError(node, gpu)


class Simulated:
    """The simulator, in virtual time."""

    storms = 200
    cannot: Mapping[Ability, str] = {
        Ability.SINGLE_WORKERS: "a simulated job is one thing that takes so long",
        Ability.ADOPTION: "a simulated world ends with its scheduler",
        Ability.GARBAGE: "it plays a trace, and nobody else gives it commands",
        Ability.DRAIN: "its nodes come and go whole",
    }

    @asynccontextmanager
    async def stage(self, story: Story) -> AsyncIterator[Stage]:
        yield SimulatedStage(self.simulation(story))

    def simulation(self, story: Story) -> Driver:
        late = {each.job.id: 1 for each in story.parts if each.does is Does.COME_UP_LATE}
        return Simulation(
            [Node(id=NodeId(f"n{n}"), gpus=story.gpus) for n in range(story.nodes)],
            [self.job(each) for each in story.parts],
            grace_s=0.5,
            faults=Faults(start_failures=late),
        )

    def job(self, each: Part) -> SimulatedJob:
        lasts = each.does in {Does.WAIT, Does.STAY}
        outcome = Outcome.FAILED if each.does is Does.FAIL else Outcome.SUCCEEDED
        return SimulatedJob(each.job, 0.0, _FOR_EVER_S if lasts else each.run_s, outcome)


class TestTheSimulator(DriverConformance):
    """The suite, for the simulator."""

    @pytest.fixture
    def subject(self) -> DriverUnderTest:
        return Simulated()


Bend = Callable[[tuple[Event, ...]], tuple[Event, ...]]


class Bent:
    """A driver that tells something else than what happened."""

    def __init__(self, driver: Driver, bend: Bend) -> None:
        self._driver = driver
        self._bend = bend

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        return self._bend(await self._driver.wait(until_s))

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        await self._driver.do(at_s, commands)


class Wrong(Simulated):
    """The simulator with a fault."""

    def __init__(self, bend: Bend, alive: int | None = None) -> None:
        self._bend = bend
        self._alive = alive

    @asynccontextmanager
    async def stage(self, story: Story) -> AsyncIterator[Stage]:
        yield SimulatedStage(Bent(self.simulation(story), self._bend), self._alive)


def late(events: tuple[Event, ...]) -> tuple[Event, ...]:
    return tuple(replace(e, at_s=e.at_s - 1) if isinstance(e, Finished) else e for e in events)


def twice(events: tuple[Event, ...]) -> tuple[Event, ...]:
    return tuple(e for event in events for e in [event] * (1 + isinstance(event, Finished)))


def both_ways(events: tuple[Event, ...]) -> tuple[Event, ...]:
    def failed(event: OfRun) -> Event:
        return StartFailed(at_s=event.at_s, job=event.job, attempt=event.attempt)

    return tuple(e for v in events for e in ([v, failed(v)] if isinstance(v, Started) else [v]))


def of_nobody(events: tuple[Event, ...]) -> tuple[Event, ...]:
    return tuple(replace(e, attempt=7) if isinstance(e, Started) else e for e in events)


def silent(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """Say nothing of the end of one job."""
    kept = [e for e in events if not (isinstance(e, Finished) and e.job == "b")]
    return tuple(kept) or tuple(Ticked(at_s=e.at_s) for e in events)


@pytest.mark.parametrize(
    ("bend", "alive", "words"),
    [
        (late, None, "time goes back"),
        (twice, None, "comes after the end of its run"),
        (both_ways, None, "a start is answered twice"),
        (of_nobody, None, "is of a run that nobody has started"),
        (silent, None, "never told how these ended|nothing happens any more"),
        (lambda events: events, 1, "and 1 of its workers are there"),
    ],
    ids=["late", "twice", "both ways", "of nobody", "silent", "left behind"],
)
def test_a_driver_that_is_wrong_does_not_pass(bend: Bend, alive: int | None, words: str) -> None:
    parts = (part("a", Does.SUCCEED, 2), part("b", Does.SUCCEED, 4), part("c", Does.FAIL, 4))
    with pytest.raises(NonconformityError, match=words):
        played(Wrong(bend, alive), Story(parts=parts))


def test_half_a_gang_is_not_told_to_have_started() -> None:
    parts = (part("gang", Does.WAIT, workers=2),)
    with pytest.raises(NonconformityError, match="and only 1 of its workers are there"):
        played(Wrong(lambda events: events, alive=1), Story(parts=parts))


def test_a_gpu_is_not_given_to_two() -> None:
    books = Books()
    one, other = (
        Start(JobId(name), Placement((Assignment(NodeId("n"), (3,)),))) for name in ("one", "other")
    )
    books.commanded([one])
    with pytest.raises(NonconformityError, match=r"GPU 3 of n is given to \('other', 1\) and held"):
        books.commanded([other])
    books.told([Finished(at_s=1.0, job=JobId("one"), attempt=1)])
    books.commanded([other])


_BEGIN = 'echo >> "{state}/begun-$NOLJIMA_JOB_ID-$NOLJIMA_ATTEMPT-$RANK"; '
_PROGRAMS: Mapping[Does, str] = {
    Does.SUCCEED: "sleep {run_s}; exit 0",
    Does.FAIL: "sleep {run_s}; exit 3",
    Does.WAIT: "exec sleep 1000",
    Does.STAY: "trap '' TERM USR1 INT; while :; do sleep 0.05; done",
    Does.LOSE_A_WORKER: 'sleep {run_s}; [ "$RANK" = 1 ] && exit 3; exec sleep 1000',
    Does.COME_UP_LATE: "sleep {run_s}; exit 0",
}


class MachineStage:
    """A machine with a workshop's jobs."""

    def __init__(self, workshop: Workshop, story: Story) -> None:
        self._workshop = workshop
        self._story = story
        self._late = {each.job.id for each in story.parts if each.does is Does.COME_UP_LATE}
        for each in story.parts:
            self._prepare(each)
        self.driver = self._made()

    def alive(self, job: JobId) -> int:
        """Count the ranks of a job that are there: by their environment, and by their numbers.

        A process that is just becoming another program has no environment for a moment, and what a
        worker has left behind is in nobody's list.
        """
        mark = b"NOLJIMA_JOB_ID=" + os.fsencode(job)
        found = (proc.read(f"/proc/{s.pid}/environ").split(b"\0") for s in self._workshop.alive())
        ranks = {e for words in found if mark in words for e in words if e[:5] == b"RANK="}
        return max(len(ranks), self._listed(job))

    def _listed(self, job: JobId) -> int:
        """Count the workers that a shim has listed and that are there."""
        folders = self._workshop.folders
        lists = (read_running(folders.of(job, number)) for number in folders.attempts(job))
        workers = [worker for running in lists if running for worker in running.workers]
        stats = [(proc.stat_of(pid), began_ticks) for pid, began_ticks in workers]
        return sum(s is not None and s.began_ticks == b and s.state not in "ZX" for s, b in stats)

    def begun(self, job: JobId, attempt: int) -> int:
        path = self._workshop.state / f"begun-{job}-{attempt}-0"
        return len(path.read_text().splitlines()) if path.exists() else 0

    async def restart(self, unanswered: Sequence[Command], last_s: float) -> Driver:
        await self.driver.close()
        self.driver = self._made(Clock(last_s))
        await self.driver.open()
        await self.driver.adopt(unanswered)
        return self.driver

    def drain(self, node: NodeId, gpu: int) -> None:
        assert node == HERE
        self.driver.drain(gpu, "an operator wants it")

    def submit(self, each: Part) -> None:
        self.driver.happened(lambda at_s: Submitted(at_s=at_s, job=each.job))

    def _made(self, clock: Clock | None = None) -> ProcessDriver:
        made = self._workshop.driver(VirtualGpus(self._story.gpus), clock)
        made._specs = self._spec
        return made

    def _spec(self, job: JobId) -> RunSpec:
        if job in self._late:
            self._late.discard(job)
            raise LookupError(f"job {job} is not to be found yet")
        return self._workshop.specs[job]

    def _prepare(self, each: Part) -> None:
        text = (_BEGIN + _PROGRAMS[each.does]).format(state=self._workshop.state, run_s=each.run_s)
        self._workshop.shell(
            text,
            each.job.id,
            each.job.gang.workers,
            gang=each.job.gang,
            limit_s=each.job.limit_s,
            checkpoint_grace_s=0.2,
            stop_grace_s=0.2,
        )


def _state_folder() -> Path:
    """Make a folder, not below pytest's own, which other users cannot go through."""
    state = Path(tempfile.mkdtemp(prefix="noljima-test-", dir="/tmp"))
    state.chmod(0o711)
    return state


class Workstation:
    """Real processes of this machine, on virtual GPUs."""

    storms = 2
    cannot: Mapping[Ability, str] = {Ability.SEVERAL_NODES: "it is one machine"}

    def __init__(self, *, cgroups: bool) -> None:
        self._cgroups = cgroups

    @asynccontextmanager
    async def stage(self, story: Story) -> AsyncIterator[Stage]:
        workshop = Workshop(_state_folder(), cgroups=self._cgroups)
        try:
            made = MachineStage(workshop, story)
            await made.driver.open()
            for each in story.parts:
                made.submit(each)
            try:
                yield made
            finally:
                await made.driver.close()
            assert workshop.left() == []
        finally:
            workshop.clear()


class TestTheWorkstation(DriverConformance):
    """The suite, for real processes, with control groups where there are any, and without."""

    @pytest.fixture(params=["cgroups", pytest.param("no cgroups", marks=pytest.mark.slow)])
    def subject(self, request: pytest.FixtureRequest) -> DriverUnderTest:
        return Workstation(cgroups=request.param == "cgroups")


def test_the_driver_on_the_page_passes_the_suite(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "drivers.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "test_page.py").write_text("\n\n".join(blocks), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own

    assert ended.returncode == 0, ended.stdout
    assert "16 passed, 4 skipped" in ended.stdout
    assert "no taking over what ran before a restart: a simulated world ends" in ended.stdout
