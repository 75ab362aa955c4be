"""Simulated jobs that tell of their steps: as often as asked, the same from a seed, to the end."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.drivers.sim.stepping import Stepping, Steps
from noljima.engine import Engine
from noljima.model.commands import Command, Evict, Start
from noljima.model.events import Event, Finished, Progressed
from noljima.model.job import Checkpoint
from noljima.model.node import Node
from noljima.model.phase import Phase
from noljima.model.placements import IN_POOL
from noljima.model.resources import JobId, NodeId
from noljima.placement.pool import Pool
from noljima.policy.presets import policy_of
from noljima.prediction.sources import source_of
from noljima.testing.conversation import job
from noljima.testing.rehearsal import complete, rehearse

A = JobId("a")
NODE = Node(id=NodeId("n"), gpus=4)
HONEST = Stepping(every_s=10.0, early_share=0.0)


def steps(run_s: float, stepping: Stepping = HONEST, name: str = "a") -> Steps:
    return Steps(stepping, JobId(name), run_s)


def world(run_s: float, stepping: Stepping | None = HONEST, **fields: object) -> Simulation:
    entry = SimulatedJob(job("a", 1, limit_s=None, **fields), 5.0, run_s)
    return Simulation([NODE], [entry], stepping=stepping)


def until(sim: Simulation, kind: type[Event] = Finished) -> list[Event]:
    """Start the job, and return what happens until it ends."""
    happened: list[Event] = []
    complete(sim.wait(None))
    complete(sim.wait(None))
    complete(sim.do(sim.now_s, [Start(A, IN_POOL)]))
    while not happened or not isinstance(happened[-1], kind):
        happened += complete(sim.wait(None))
    return happened


class After:
    """A sink that looks at what is believed of each job after some time of running."""

    def __init__(self, engine: Engine, truth_s: Mapping[JobId, float], after_s: float) -> None:
        self._engine = engine
        self._truth_s = truth_s
        self._after_s = after_s
        self.errors: list[float] = []

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002
        for event in events:
            ticket = self._engine.tickets.get(event.job) if type(event) is Progressed else None
            if ticket is not None:
                worked_s = ticket.worked_s(event.at_s)
                if self._after_s <= worked_s < self._after_s + HONEST.every_s:
                    rest_s = self._truth_s[ticket.job.id] - worked_s
                    believed_s = ticket.estimate.q50_s - worked_s
                    self.errors.append(abs(believed_s - rest_s) / rest_s)


# --- The way of a job ---


@given(run_s=st.floats(0.01, 1e6), seed=st.integers(0, 2**32), noise=st.floats(0.0, 1.0))
def test_steps_only_go_forward_and_are_all_done_at_the_end(
    run_s: float, seed: int, noise: float
) -> None:
    way = steps(run_s, Stepping(every_s=1.0, noise=noise, early_share=0.0, seed=seed))
    done = [way.at(run_s * part / 20)[0] for part in range(21)]

    assert all(0.0 <= one <= next_ for one, next_ in itertools.pairwise(done))
    assert done[0] == 0.0
    assert way.at(run_s * 1.001 + 1e-3)[0] == way.total


def test_a_seed_gives_each_job_its_own_way_and_always_the_same() -> None:
    def way(seed: int, name: str) -> list[tuple[float, Phase]]:
        one = steps(1000.0, Stepping(every_s=1.0, seed=seed), name)
        return [one.at(100.0 * part) for part in range(10)]

    assert way(1, "a") == way(1, "a")
    assert way(1, "a") != way(2, "a")
    assert way(1, "a") != way(1, "b")


def test_jobs_start_up_before_they_step_and_stop_stepping_to_evaluate() -> None:
    ways = [steps(2000.0, name=f"j{number}") for number in range(50)]
    seen = [[way.at(float(second)) for second in range(2000)] for way in ways]
    evaluating_s = [sum(phase is Phase.EVALUATE for _, phase in one) for one in seen]

    assert all(one[4][0] == 0.0 for one in seen)
    assert all(one[250][0] > 0.0 for one in seen)
    assert max(evaluating_s) <= 200
    assert sum(seconds > 10 for seconds in evaluating_s) > 30


def test_some_jobs_end_before_the_steps_that_they_have_told_of() -> None:
    stepping = Stepping(every_s=1.0, early_share=0.3)
    ways = [steps(1000.0, stepping, f"j{number}") for number in range(400)]
    early = sum(way.at(1001.0)[0] < 0.95 * way.total for way in ways)

    assert 80 < early < 160


# --- What the simulated world tells ---


def test_a_job_tells_of_its_progress_as_often_as_asked_and_not_after_its_end() -> None:
    happened = until(world(45.0))
    told = [event for event in happened if isinstance(event, Progressed)]

    assert [event.at_s for event in told] == [15.0, 25.0, 35.0, 45.0]
    assert {event.attempt for event in told} == {1}
    assert happened[-1].at_s == 50.0
    assert all(one.step <= next_.step for one, next_ in itertools.pairwise(told))


def test_a_job_tells_nothing_where_nobody_asked() -> None:
    assert not [event for event in until(world(45.0, None)) if isinstance(event, Progressed)]


def test_a_job_that_goes_on_from_a_saved_state_counts_on() -> None:
    sim = world(1000.0, checkpoint=Checkpoint(interval_s=0.0))
    complete(sim.wait(None))
    complete(sim.wait(None))
    complete(sim.do(5.0, [Start(A, IN_POOL)]))
    told: list[Event] = []
    while sim.now_s < 500.0:
        told += complete(sim.wait(None))
    complete(sim.do(sim.now_s, [Evict(A, A)]))
    complete(sim.wait(None))
    complete(sim.do(sim.now_s, [Start(A, IN_POOL, attempt=2)]))
    complete(sim.wait(None))
    (next_,) = complete(sim.wait(None))
    last = [event for event in told if isinstance(event, Progressed)][-1]

    assert isinstance(next_, Progressed)
    assert next_.attempt == 2
    assert last.step < next_.step < last.step + 0.1 * next_.total  # type: ignore[operator]


@pytest.mark.parametrize("policy", ["fair", "easy-sjbf"])
def test_remaining_times_of_noisy_but_steady_steps_are_known_within_minutes(policy: str) -> None:
    entries = [
        SimulatedJob(job(f"j{number}", 1, limit_s=86_400.0), 50.0 * number, 3000.0 + 40.0 * number)
        for number in range(40)
    ]
    engine = Engine(policy_of(policy), source_of("history"), Pool())
    look = After(engine, {entry.job.id: entry.run_s for entry in entries}, 600.0)
    sim = Simulation([Node(id=NodeId("pool"), gpus=64)], entries, stepping=HONEST)
    rehearse(engine, sim, [look])

    assert len(look.errors) == 40
    assert fmean(look.errors) < 0.05
