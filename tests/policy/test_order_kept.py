"""T3, the order guarantee: nobody starts later than first come, first served would have let them.

On pools the strict queue is `references.strict_starts`, which shares no code with the scheduler; on
nodes it is the `fifo` policy, which is compared with that reference below. What counts is the last
start of each job, and the lateness allowed is exactly none.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.drivers.sim import SimulatedJob
from noljima.model.job import Checkpoint
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId, Resources, gang_of
from noljima.prediction.source import Source
from noljima.prediction.sources import source_of
from noljima.testing.conversation import job
from noljima.testing.draws import Shape, draw
from noljima.testing.references import Request, strict_starts
from noljima.testing.scenario import Scenario, lateness_s, play
from noljima.testing.sources import Fickle
from noljima.testing.strategies import ESTIMATES, scenarios

POLICIES = ("fair", "efficient")
NODES_OF_4 = Shape(gpus_per_node=4, gpus_max=20, jobs_max=20)
ODD_WORKERS = Shape(gpus_per_node=4, gpus_max=16, jobs_max=14, worker_gpus=(1, 2, 3))
WHOLE_NODES = Shape(gpus_per_node=8, gpus_max=48, jobs_max=20, worker_gpus=(8,))
CROWDED = Shape(gpus_max=4, jobs_max=40, gap_s_max=4)
BIG = Shape(gpus_max=64, jobs_max=80, gap_s_max=8, run_s_max=200)


def strictly(scenario: Scenario) -> Mapping[str, float]:
    if not scenario.nodes:
        return strict_starts(scenario.gpu_milli, scenario.requests())
    starts = play(scenario, "fifo", source_of("true")).last_start_s()
    return {str(name): start_s for name, start_s in starts.items()}


def late_s(scenario: Scenario, policy: str, source: Source) -> dict[str, float]:
    record = play(scenario, policy, source)
    return lateness_s(scenario, record, strictly(scenario))


# --- The reference ---


def test_the_strict_queue_lets_nobody_pass() -> None:
    requests = [
        Request("a", 0.0, 3, 10.0),
        Request("b", 0.0, 4, 10.0),
        Request("c", 1.0, 1, 1.0),
        Request("too large", 1.0, 5, 1.0),
        Request("urgent", 2.0, 1, 5.0, rank=0),
    ]

    assert strict_starts(4, requests) == {"a": 0.0, "urgent": 2.0, "b": 10.0, "c": 20.0}


def test_the_strict_queue_runs_jobs_of_no_length_in_one_moment() -> None:
    requests = [Request(name, 5.0, 4, 0.0) for name in "abc"]

    assert strict_starts(4, requests) == {"a": 5.0, "b": 5.0, "c": 5.0}


@given(scenario=scenarios(urgent=True, evictable=None))
def test_the_fifo_policy_is_the_strict_queue(scenario: Scenario) -> None:
    record = play(scenario, "fifo", source_of("limit"))

    assert record.last_start_s() == strict_starts(scenario.gpu_milli, scenario.requests())


@pytest.mark.parametrize("seed", range(20))
def test_the_fifo_policy_on_whole_nodes_is_the_strict_queue_of_nodes(seed: int) -> None:
    scenario = draw(seed, WHOLE_NODES)
    record = play(scenario, "fifo", source_of("limit"))

    assert record.last_start_s() == strict_starts(scenario.gpu_milli, scenario.requests())


# --- The guarantee ---


@pytest.mark.parametrize("policy", POLICIES)
@given(scenario=scenarios(), estimates=st.sampled_from(ESTIMATES))
def test_nobody_starts_late_whatever_the_estimates(
    policy: str, scenario: Scenario, estimates: str
) -> None:
    assert late_s(scenario, policy, source_of(estimates, seed=1)) == {}


@pytest.mark.parametrize("policy", POLICIES)
@given(scenario=scenarios(urgent=True), seed=st.integers(0, 9))
def test_nobody_starts_late_where_urgent_jobs_go_first_in_the_strict_queue_too(
    policy: str, scenario: Scenario, seed: int
) -> None:
    assert late_s(scenario, policy, source_of("random", seed)) == {}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("estimates", ESTIMATES)
@pytest.mark.parametrize("shape", [CROWDED, BIG], ids=["crowded", "big"])
def test_nobody_starts_late_in_long_histories(policy: str, estimates: str, shape: Shape) -> None:
    for seed in range(5):
        assert late_s(draw(seed, shape), policy, source_of(estimates, seed)) == {}, seed


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("estimates", ["adversarial", "noisy:1"])
@pytest.mark.parametrize(
    "shape", [NODES_OF_4, ODD_WORKERS, WHOLE_NODES], ids=["parts", "odd", "whole nodes"]
)
def test_nobody_starts_late_on_nodes(policy: str, estimates: str, shape: Shape) -> None:
    for seed in range(6):
        assert late_s(draw(seed, shape), policy, source_of(estimates, seed)) == {}, seed


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("estimates", ESTIMATES)
@pytest.mark.parametrize("shape", [CROWDED, BIG, NODES_OF_4, ODD_WORKERS, WHOLE_NODES])
def test_nobody_starts_late_in_very_many_histories(
    policy: str, estimates: str, shape: Shape
) -> None:
    for seed in range(1000, 1100):
        assert late_s(draw(seed, shape), policy, source_of(estimates, seed)) == {}, seed


@pytest.mark.parametrize("policy", POLICIES)
@given(scenario=scenarios())
def test_nobody_starts_late_with_a_source_that_talks_nonsense(
    policy: str, scenario: Scenario
) -> None:
    assert late_s(scenario, policy, Fickle()) == {}


# --- Where it is won ---


def test_a_guest_that_outlives_its_estimate_gives_way_at_the_moment_promised() -> None:
    entries = (
        SimulatedJob(job("runs", 3, limit_s=50.0), 0.0, 50.0),
        SimulatedJob(job("head", 4, limit_s=50.0), 1.0, 50.0),
        SimulatedJob(job("guest", 1, limit_s=10_000.0), 2.0, 9000.0),
    )
    record = play(Scenario(gpus=4, jobs=entries), "fair", source_of("adversarial"))

    assert record.last_start_s() == {"runs": 0.0, "head": 50.0, "guest": 100.0}
    assert record.evictions() == {"guest": 1}


def test_a_gang_of_whole_nodes_finds_them_cleared_of_guests() -> None:
    nodes = tuple(Node(id=NodeId(f"n{number}"), gpus=8) for number in range(2))
    both = gang_of(2, Resources(gpu_milli=8000))
    entries = (
        SimulatedJob(job("first", 8), 0.0, 30.0),
        SimulatedJob(job("gang", 0, gang=both), 1.0, 10.0),
        *(SimulatedJob(job(f"guest{n}", 1, limit_s=900.0), 2.0, 900.0) for n in range(8)),
    )
    record = play(Scenario(gpus=16, nodes=nodes, jobs=entries), "fair", source_of("limit"))

    assert record.last_start_s()[JobId("gang")] == 30.0
    assert record.evictions() == {f"guest{number}": 1 for number in range(8)}


def test_a_job_with_saved_work_still_ends_by_its_place_in_the_strict_queue() -> None:
    saves = Checkpoint(interval_s=5.0, restart_s=8.0)
    entries = (
        SimulatedJob(job("runs", 3), 0.0, 20.0),
        SimulatedJob(job("head", 4), 1.0, 20.0),
        SimulatedJob(job("guest", 1, checkpoint=saves), 1.0, 60.0),
    )
    scenario = Scenario(gpus=4, jobs=entries)
    record = play(scenario, "fair", source_of("limit"))
    guest_s = strict_starts(scenario.gpu_milli, scenario.requests())["guest"]

    assert record.evictions() == {"guest": 1}
    assert record.end_s()[entries[2].job.id] <= guest_s + 60.0
