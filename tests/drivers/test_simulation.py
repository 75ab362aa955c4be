"""The simulated world: jobs take as long as told, unless evicted, killed, or lost with a node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.drivers.sim.faults import Faults, NodeFault
from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import (
    Event,
    Evicted,
    Finished,
    NodeLost,
    NodeSeen,
    OfRun,
    Outcome,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.job import Checkpoint, Job
from noljima.model.node import Node
from noljima.model.placements import IN_POOL, Assignment, Placement
from noljima.model.resources import JobId, NodeId
from noljima.prediction.sources import source_of
from noljima.testing.conversation import job
from noljima.testing.draws import Shape, draw
from noljima.testing.rehearsal import complete
from noljima.testing.scenario import Scenario, play

NODE = Node(id=NodeId("n"), gpus=4)
ON_NODE = Placement((Assignment(NodeId("n"), (0,)),))


class World:
    """A simulation, spoken to without an event loop."""

    def __init__(
        self, *jobs: SimulatedJob, grace_s: float = 0.0, faults: Faults | None = None
    ) -> None:
        self.sim = Simulation([NODE], jobs, grace_s=grace_s, faults=faults or Faults())

    def next(self, until_s: float | None = None) -> list[Event]:
        return list(complete(self.sim.wait(until_s)))

    def do(self, *commands: Command) -> None:
        complete(self.sim.do(self.sim.now_s, commands))

    def begin(self, *names: str, placement: Placement = IN_POOL) -> None:
        """Pass over the first events, start these jobs, and see them up."""
        self.next()
        self.next()
        self.do(*(Start(JobId(name), placement) for name in names))
        self.next()


def sim_job(run_s: float = 30.0, name: str = "a", **fields: object) -> SimulatedJob:
    return SimulatedJob(job(name, 1, limit_s=None, **fields), 5.0, run_s)


def limited(limit_s: float, run_s: float, **fields: object) -> SimulatedJob:
    asked: Job = job("a", 1, limit_s=limit_s, **fields)
    return SimulatedJob(asked, 5.0, run_s)


A = JobId("a")


def test_first_the_nodes_are_seen_then_jobs_come_as_they_were_submitted() -> None:
    later = SimulatedJob(job("b"), 9.0, 1.0)
    world = World(later, sim_job())

    assert world.next() == [NodeSeen(at_s=5.0, node=NODE)]
    assert world.next() == [Submitted(at_s=5.0, job=sim_job().job, oracle_s=30.0)]
    assert world.next() == [Submitted(at_s=9.0, job=later.job, oracle_s=1.0)]


def test_a_started_job_is_up_at_once_and_ends_after_its_run_time() -> None:
    world = World(sim_job(30.0))
    world.next()
    world.next()
    world.do(Start(A, IN_POOL))

    assert world.next() == [Started(at_s=5.0, job=A, attempt=1)]
    assert world.next() == [Finished(at_s=35.0, job=A, attempt=1)]
    assert world.next() == []
    assert world.sim.open_jobs == 0


def test_a_job_ends_as_the_trace_says() -> None:
    failed = SimulatedJob(job("a"), 5.0, 3.0, Outcome.FAILED)
    world = World(failed)
    world.begin("a")

    assert world.next() == [Finished(at_s=8.0, job=A, attempt=1, outcome=Outcome.FAILED)]


def test_a_job_is_killed_at_its_limit() -> None:
    world = World(limited(limit_s=20.0, run_s=30.0))
    world.begin("a")

    assert world.next() == [Finished(at_s=25.0, job=A, attempt=1, outcome=Outcome.LIMIT)]


def test_a_job_that_takes_just_its_limit_succeeds() -> None:
    world = World(limited(limit_s=30.0, run_s=30.0))
    world.begin("a")

    assert world.next() == [Finished(at_s=35.0, job=A, attempt=1)]


@pytest.mark.parametrize(
    ("checkpoint", "saved_s", "ends_s"),
    [
        (Checkpoint(), 0.0, 15.0 + 30.0),
        (Checkpoint(interval_s=0.0), 10.0, 15.0 + 20.0),
        (Checkpoint(interval_s=4.0), 8.0, 15.0 + 22.0),
        (Checkpoint(interval_s=4.0, restart_s=3.0), 8.0, 15.0 + 3.0 + 22.0),
        (Checkpoint(interval_s=4.0, restart_s=8.0), 0.0, 15.0 + 30.0),
    ],
)
def test_an_evicted_job_goes_on_from_its_checkpoint(
    checkpoint: Checkpoint, saved_s: float, ends_s: float
) -> None:
    world = World(sim_job(30.0, checkpoint=checkpoint), sim_job(10.0, "b"))
    world.begin("a", "b")
    world.next()
    world.do(Evict(A, JobId("b")))

    assert world.next() == [Evicted(at_s=15.0, job=A, attempt=1, saved_s=saved_s)]

    world.do(Start(A, IN_POOL))
    world.next()

    assert world.next() == [Finished(at_s=ends_s, job=A, attempt=1)]


def test_every_run_is_told_of_by_its_number() -> None:
    once_failing = Faults(start_failures={A: 1})
    world = World(sim_job(), faults=once_failing)
    world.next()
    world.next()
    told: list[Event] = []
    for attempt in (1, 2, 3):
        world.do(Start(A, IN_POOL, attempt=attempt))
        told += world.next()
        if attempt == 2:
            world.do(Evict(A, A))
            told += world.next()
    told += world.next()

    assert [event.attempt for event in told if isinstance(event, OfRun)] == [1, 2, 2, 3, 3]


def test_an_eviction_while_the_state_is_loaded_loses_nothing_that_was_saved() -> None:
    saves = Checkpoint(interval_s=4.0, restart_s=3.0)
    world = World(sim_job(30.0, checkpoint=saves), sim_job(10.0, "b"))
    world.begin("a", "b")
    world.next()
    world.do(Evict(A, JobId("b")))
    world.next()
    world.do(Start(A, IN_POOL))
    world.next()
    world.next(until_s=16.0)
    world.do(Evict(A, JobId("b")))

    assert world.next() == [Evicted(at_s=16.0, job=A, attempt=1, saved_s=8.0)]


def test_going_takes_the_grace_and_the_work_done_in_it_counts() -> None:
    world = World(sim_job(30.0, checkpoint=Checkpoint(interval_s=0.0)), grace_s=7.0)
    world.begin("a")
    world.do(Evict(A, JobId("b")))

    assert world.next() == [Evicted(at_s=12.0, job=A, attempt=1, saved_s=7.0)]


def test_a_job_that_ends_within_the_grace_has_ended() -> None:
    world = World(sim_job(3.0), grace_s=7.0)
    world.begin("a")
    world.do(Evict(A, JobId("b")))

    assert world.next() == [Finished(at_s=8.0, job=A, attempt=1)]
    assert world.next() == []


@pytest.mark.parametrize("grace_s", [0.0, 7.0])
def test_a_stopped_job_ends_as_cancelled_after_the_grace(grace_s: float) -> None:
    world = World(sim_job(30.0), grace_s=grace_s)
    world.begin("a")
    world.do(Stop(A))

    assert world.next() == [
        Finished(at_s=5.0 + grace_s, job=A, attempt=1, outcome=Outcome.CANCELLED)
    ]


def test_a_run_that_is_over_makes_no_more_events() -> None:
    world = World(sim_job(30.0), sim_job(100.0, "b"))
    world.begin("a", "b")
    world.do(Evict(A, JobId("b")))
    world.next()

    # The old end of `a` would have been at 35.
    assert world.next() == [Finished(at_s=105.0, job=JobId("b"), attempt=1)]


def test_runs_that_are_over_in_thousands_do_not_go_too_deep() -> None:
    many = [sim_job(30.0 + number, f"j{number}") for number in range(3000)]
    world = World(*many, sim_job(9000.0, "last"))
    world.begin(*(f"j{number}" for number in range(3000)), "last")
    world.do(*(Evict(JobId(f"j{number}"), A) for number in range(3000)))

    assert len(world.next()) == 3000
    assert world.next() == [Finished(at_s=9005.0, job=JobId("last"), attempt=1)]


@pytest.mark.parametrize("command", [Evict(A, JobId("b")), Stop(A)])
def test_to_stop_a_job_that_has_ended_changes_nothing(command: Command) -> None:
    world = World(sim_job(3.0), sim_job(30.0, "b"))
    world.begin("a", "b")
    world.next()
    world.do(command)

    assert world.next() == [Finished(at_s=35.0, job=JobId("b"), attempt=1)]


def test_a_wake_comes_only_where_nothing_happens_before() -> None:
    world = World(sim_job(30.0))
    world.begin("a")

    assert world.next(until_s=20.0) == [Ticked(at_s=20.0)]
    assert world.next(until_s=35.0) == [Finished(at_s=35.0, job=A, attempt=1)]
    assert world.next(until_s=50.0) == []


def test_a_start_fails_as_often_as_told() -> None:
    world = World(sim_job(), faults=Faults(start_failures={A: 1}))
    world.begin("a")
    world.do(Start(A, IN_POOL))

    assert world.next() == [Started(at_s=5.0, job=A, attempt=1)]


def test_a_failed_start_says_so() -> None:
    world = World(sim_job(), faults=Faults(start_failures={A: 1}))
    world.next()
    world.next()
    world.do(Start(A, IN_POOL))

    assert world.next() == [StartFailed(at_s=5.0, job=A, attempt=1, reason="injected fault")]
    assert world.sim.open_jobs == 1


FAULT = Faults(nodes=(NodeFault(NodeId("n"), 9.0, 20.0),))


def test_a_lost_node_takes_its_jobs_along_and_comes_back() -> None:
    saves = Checkpoint(interval_s=0.0)
    world = World(sim_job(30.0, checkpoint=saves), sim_job(90.0, "b"), faults=FAULT)
    world.next()
    world.next()
    world.do(Start(A, ON_NODE), Start(JobId("b"), IN_POOL))
    world.next()

    assert world.next() == [
        NodeLost(at_s=9.0, node=NodeId("n")),
        Evicted(at_s=9.0, job=A, attempt=1, saved_s=4.0),
    ]
    assert world.next() == [NodeSeen(at_s=29.0, node=NODE)]


def test_a_start_on_a_lost_node_fails() -> None:
    world = World(sim_job(30.0), faults=FAULT)
    world.next()
    world.next()
    world.next()
    world.do(Start(A, ON_NODE))

    assert world.next() == [StartFailed(at_s=9.0, job=A, attempt=1, reason="node n is lost")]
    assert world.next() == [NodeSeen(at_s=29.0, node=NODE)]

    world.do(Start(A, ON_NODE))

    assert world.next() == [Started(at_s=29.0, job=A, attempt=1)]


def test_a_fault_of_a_node_that_is_not_there_is_passed_over() -> None:
    elsewhere = Faults(nodes=(NodeFault(NodeId("else"), 9.0, 20.0),))
    world = World(sim_job(30.0), faults=elsewhere)
    world.begin("a")

    assert world.next() == [Finished(at_s=35.0, job=A, attempt=1)]


def test_a_refused_job_is_closed_until_it_starts_after_all() -> None:
    world = World(sim_job(30.0), sim_job(50.0, "b"), faults=FAULT)
    world.next()
    world.next()
    world.do(Refuse(A, "too large"), Start(JobId("b"), IN_POOL))
    world.next()
    world.next()

    assert world.sim.open_jobs == 1
    assert world.next() == [NodeSeen(at_s=29.0, node=NODE)]

    world.do(Start(A, IN_POOL))

    assert world.sim.open_jobs == 2
    assert [type(event) for event in world.next() + world.next() + world.next()] == [
        Started,
        Finished,
        Finished,
    ]
    assert world.sim.open_jobs == 0


def test_a_world_in_which_everybody_was_refused_waits_for_the_repair() -> None:
    entries = (SimulatedJob(job("a", 4, evictable=False), 0.0, 30.0),)
    nodes = (NODE, Node(id=NodeId("m"), gpus=4))
    faults = Faults(nodes=(NodeFault(NodeId("n"), 1.0, 9.0), NodeFault(NodeId("m"), 1.0, 19.0)))
    scenario = Scenario(gpus=8, nodes=nodes, jobs=entries, faults=faults)
    record = play(scenario, "fifo", source_of("limit"))

    assert len(record.refused()) == 1
    assert record.last_start_s() == {A: 10.0}
    assert record.end_s() == {A: 40.0}


def test_a_world_without_jobs_ends_after_its_nodes() -> None:
    world = World()

    assert world.next() == [NodeSeen(at_s=0.0, node=NODE)]
    assert world.next() == []


@given(seed=st.integers(0, 100_000))
def test_every_job_runs_as_long_as_it_has_work_and_ends_once(seed: int) -> None:
    scenario = draw(seed, Shape(jobs_max=15, checkpoints=False))
    record = play(scenario, "fair", source_of("limit"))
    ends = [event for event in record.events() if isinstance(event, Finished)]
    ran_s = {e.job: e.at_s - record.last_start_s()[e.job] for e in ends}

    assert len(ends) == len(ran_s)
    for entry, request in zip(scenario.jobs, scenario.requests(), strict=True):
        if entry.job.id in ran_s:
            assert ran_s[entry.job.id] == request.run_s
