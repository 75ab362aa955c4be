"""The engine under any history: a driver that tells everything there is, in any order, and twice.

The machine keeps its own books from what it told and what the engine said. At the end the whole
history is replayed to a new engine, which has to say the same.
"""

from __future__ import annotations

import unittest
from typing import ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    rule,
)

from noljima.engine import Engine
from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    NodeLost,
    NodeSeen,
    Outcome,
    Released,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.job import Checkpoint, Job, Priority
from noljima.model.node import Node
from noljima.model.placements import Placement
from noljima.model.resources import GPU, JobId, NodeId, Resources, gang_of
from noljima.placement.grid import Grid
from noljima.placement.pool import Pool
from noljima.policy.preemptive import PreemptivePolicy
from noljima.policy.presets import policy_of
from noljima.prediction.sources import source_of
from noljima.testing.rehearsal import Batch, replay

NODES = tuple(NodeId(name) for name in "xyz")


class Books:
    """What an onlooker knows of one job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.workers = job.gang.workers
        self.gpus_each = job.gang.gpu_milli // GPU // self.workers
        # One of: waiting, held, up, going, over.
        self.phase = "waiting"
        self.cancelled = False
        self.placement = Placement()
        self.told_up = False
        self.started_s = 0.0
        self.saved_s = 0.0

    @property
    def holds(self) -> bool:
        return self.phase in ("up", "going")

    def start(self, placement: Placement, now_s: float) -> None:
        self.phase, self.placement = "up", placement
        self.started_s, self.told_up = now_s, False

    def stop(self) -> None:
        self.phase = "over" if self.cancelled else "waiting"


class AnyHistory(RuleBasedStateMachine):
    """Draw a history; keep the books a second time, apart from the engine's own."""

    policy: ClassVar = "fair"
    nodes: ClassVar = False
    """Whether the cluster has nodes, or is a pool."""
    jobs: Bundle[JobId] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.engine = self.new_engine()
        self.history: list[Batch] = []
        self.batch: list[Event] = []
        self.books: dict[JobId, Books] = {}
        # Of nodes that take new jobs.
        self.gpus: dict[NodeId, int] = {}
        self.now_s = 0.0

    def new_engine(self) -> Engine:
        space = Grid() if self.nodes else Pool()
        return Engine(policy_of(self.policy), source_of("noisy:1"), space)

    @initialize(gpus=st.integers(1, 8), more=st.integers(0, 4))
    def begin(self, gpus: int, more: int) -> None:
        self.take_in_node(NODES[0], gpus, drained=False)
        self.take_in_node(NODES[1], more, drained=False)

    @initialize(target=jobs, gpus=st.integers(1, 3))
    def begin_with_a_job(self, gpus: int) -> JobId:
        job = Job(id=JobId("first"), gang=gang_of(1, Resources(gpu_milli=gpus * GPU)))
        self.books[job.id] = Books(job)
        self.tell(Submitted(at_s=self.now_s, job=job, oracle_s=10.0))
        return job.id

    # --- What users do ---

    @rule(
        target=jobs,
        gpus=st.integers(0, 6),
        workers=st.integers(1, 2),
        run_s=st.sampled_from([0.0, 1.0, 5.0, 30.0]),
        limit_s=st.sampled_from([None, 5.0, 60.0]),
        evictable=st.sampled_from([None, True, True, False]),
        urgent=st.booleans(),
        interval_s=st.sampled_from([None, 0.0, 2.0]),
        held=st.sampled_from([False, False, False, True]),
    )
    def submit(
        self,
        gpus: int,
        workers: int,
        run_s: float,
        limit_s: float | None,
        *,
        evictable: bool | None,
        urgent: bool,
        interval_s: float | None,
        held: bool,
    ) -> JobId:
        job = Job(
            id=JobId(f"j{len(self.books)}"),
            gang=gang_of(workers, Resources(gpu_milli=gpus * GPU)),
            limit_s=limit_s,
            evictable=evictable,
            priority=Priority.URGENT if urgent else Priority.NORMAL,
            checkpoint=Checkpoint(interval_s=interval_s, restart_s=1.0),
        )
        self.books[job.id] = Books(job)
        if held:
            self.books[job.id].phase = "held"
        self.tell(Submitted(at_s=self.now_s, job=job, oracle_s=run_s, held=held))
        return job.id

    @rule(job=jobs)
    def submit_again(self, job: JobId) -> None:
        if self.books[job].phase != "over":
            self.tell(Submitted(at_s=self.now_s, job=self.books[job].job, oracle_s=7.0))

    @rule(job=jobs)
    def cancel(self, job: JobId) -> None:
        self.alone()
        self.tell(Cancelled(at_s=self.now_s, job=job))
        books = self.books[job]
        if books.holds:
            books.cancelled = True
        else:
            books.phase = "over"

    @rule(job=jobs)
    def hold(self, job: JobId) -> None:
        self.alone()
        self.tell(Held(at_s=self.now_s, job=job))
        if self.books[job].phase == "waiting" and self.ever_fits(job):
            self.books[job].phase = "held"

    @rule(job=jobs)
    def release(self, job: JobId) -> None:
        self.alone()
        self.tell(Released(at_s=self.now_s, job=job))
        if self.books[job].phase == "held":
            self.books[job].phase = "waiting"

    # --- What the world does; half of it comes late or twice ---

    @rule(job=jobs)
    def started(self, job: JobId) -> None:
        self.alone(job)
        self.tell(Started(at_s=self.now_s, job=job))
        books = self.books[job]
        if books.phase == "up" and not books.told_up:
            books.told_up, books.started_s = True, self.now_s

    @rule(job=jobs)
    def start_failed(self, job: JobId) -> None:
        self.alone(job)
        self.tell(StartFailed(at_s=self.now_s, job=job, reason="a pod did not come up"))
        if self.books[job].holds:
            self.books[job].stop()

    @rule(job=jobs)
    def evicted(self, job: JobId) -> None:
        self.alone(job)
        books = self.books[job]
        saved_s = books.saved_s
        if books.holds and books.job.checkpoint.interval_s is not None:
            saved_s += max(self.now_s - books.started_s - 1.0, 0.0)
        self.tell(Evicted(at_s=self.now_s, job=job, saved_s=saved_s))
        if books.holds:
            books.saved_s = saved_s
            books.stop()

    @rule(job=jobs, outcome=st.sampled_from(Outcome))
    def finished(self, job: JobId, outcome: Outcome) -> None:
        ends = [e.job for e in self.batch if isinstance(e, Evicted | StartFailed)]
        if job in ends:
            self.hand_over()  # No run ends in two ways at once.
        self.alone(job)
        self.tell(Finished(at_s=self.now_s, job=job, outcome=outcome))
        if self.books[job].holds:
            self.books[job].phase = "over"

    @rule(name=st.sampled_from(["", "nobody", "j99"]))
    def strangers(self, name: str) -> None:
        job = JobId(name)
        for kind in (Started, StartFailed, Evicted, Finished, Cancelled, Held, Released):
            self.tell(kind(at_s=self.now_s, job=job))

    @rule(node=st.sampled_from(NODES), gpus=st.integers(0, 8), drained=st.booleans())
    def see(self, node: NodeId, gpus: int, *, drained: bool) -> None:
        self.take_in_node(node, gpus, drained=drained)

    @rule(node=st.sampled_from(NODES))
    def lose(self, node: NodeId) -> None:
        self.hand_over()
        self.gpus.pop(node, None)
        self.tell(NodeLost(at_s=self.now_s, node=node))
        for job, books in self.books.items():
            if books.holds and any(worker.node == node for worker in books.placement.workers):
                self.tell(Evicted(at_s=self.now_s, job=job, saved_s=books.saved_s))
                books.stop()
        self.hand_over()

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 4.0, 30.0, 90_000.0]))
    def pass_time(self, seconds: float) -> None:
        self.hand_over()
        until_s = self.now_s + seconds
        # As a driver does: wake the engine where it asked for it.
        while self.now_s < self.engine.wake_s < until_s:
            self.now_s = self.engine.wake_s
            self.tell(Ticked(at_s=self.now_s))
            self.hand_over()
        self.now_s = until_s

    # --- The books ---

    def alone(self, job: JobId | None = None) -> None:
        """Let an event come first in its batch if a plan before it could change what it means."""
        holds = job is not None and self.books[job].holds
        if self.engine.policy.each_event and not holds:
            self.hand_over()

    def tell(self, event: Event) -> None:
        self.batch.append(event)

    def take_in_node(self, node: NodeId, gpus: int, *, drained: bool) -> None:
        self.hand_over()
        if drained:
            self.gpus.pop(node, None)
        else:
            self.gpus[node] = gpus
        self.tell(NodeSeen(at_s=self.now_s, node=Node(id=node, gpus=gpus, drained=drained)))
        self.hand_over()

    @rule()
    def hand_over(self) -> None:
        if not self.batch:
            return
        batch, self.batch = tuple(self.batch), []
        commands = tuple(self.engine.handle(*batch))
        self.history.append((batch, commands))
        for command in commands:
            self.take_in(command)
        self.engine.validate()
        self.compare()

    def take_in(self, command: Command) -> None:
        books = self.books[command.job]
        match command:
            case Start():
                assert books.phase == "waiting", (command, books.phase)
                books.start(command.placement, self.now_s)
                self.check_room(books)
            case Evict():
                assert books.phase == "up", (command, books.phase)
                anybody = isinstance(self.engine.policy, PreemptivePolicy)
                assert anybody or books.job.evictable is not False
                books.phase = "going"
            case Stop():
                # It may have ended by itself since, in the same batch.
                assert books.cancelled, (command, books.phase)
                books.phase = "going" if books.holds else "over"
            case Refuse():
                assert not books.holds, (command, books.phase)

    def check_room(self, started: Books) -> None:
        """Check that what has just started took only what was there."""
        if not started.gpus_each:
            return
        holders = [books for books in self.books.values() if books.holds]
        if not self.nodes:
            total = sum(books.workers * books.gpus_each for books in holders)
            assert total <= sum(self.gpus.values())
            return
        # A node may have lost a GPU that somebody still runs on: each GPU counts for itself.
        assert len(started.placement.workers) == started.workers
        taken = [
            (w.node, gpu) for books in holders for w in books.placement.workers for gpu in w.gpus
        ]
        for worker in started.placement.workers:
            assert len(worker.gpus) == started.gpus_each
            for gpu in worker.gpus:
                assert gpu < self.gpus[worker.node]
                assert taken.count((worker.node, gpu)) == 1

    def compare(self) -> None:
        phases = {job: books.phase for job, books in self.books.items()}
        running = {job for job, books in self.books.items() if books.holds}

        assert set(self.engine.state.running) == running, phases
        assert set(self.engine.tickets) == {j for j, phase in phases.items() if phase != "over"}
        if not running:
            waiting = [job for job, phase in phases.items() if phase == "waiting"]
            assert not [job for job in waiting if self.ever_fits(job)], phases

    def ever_fits(self, job: JobId) -> bool:
        books = self.books[job]
        if not self.nodes:
            return books.workers * books.gpus_each <= sum(self.gpus.values())
        if not books.gpus_each:
            return bool(self.gpus)
        return sum(gpus // books.gpus_each for gpus in self.gpus.values()) >= books.workers

    def teardown(self) -> None:
        self.hand_over()
        said = replay(self.new_engine(), self.history)

        assert said == [commands for _, commands in self.history]


def machine(policy: str, *, nodes: bool = False) -> type[unittest.TestCase]:
    """Build the test of one policy."""
    fields = {"policy": policy, "nodes": nodes}
    kind = type(f"AnyHistoryOf_{policy}", (AnyHistory,), fields)
    case: type[unittest.TestCase] = kind.TestCase  # type: ignore[attr-defined]  # made on access
    case.settings = settings(stateful_step_count=40)  # type: ignore[attr-defined]
    return case


TestFair = machine("fair")
TestFairOnNodes = machine("fair", nodes=True)
TestEfficient = machine("efficient")
TestShare = machine("share")
TestEasy = machine("easy")
TestEasyOnNodes = machine("easy", nodes=True)
TestConservative = machine("conservative")
TestSlowdown = machine("slowdown")
TestSlowdownOnNodes = machine("slowdown", nodes=True)
TestFifo = machine("fifo")
TestPreemptive = machine("tiresias")
