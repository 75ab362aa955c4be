"""Seeds and histories that once failed, each a row with what was wrong; they stay for good.

A new row takes the policy, the shape and the seed from the failing test. What was wrong is told in
the words of the day on which it was found.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest

from noljima.drivers.sim import SimulatedJob
from noljima.model.node import Node
from noljima.model.resources import GPU, Gang, NodeId, Resources, TaskGroup
from noljima.prediction.sources import source_of
from noljima.testing.conversation import job
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.references import Easy, Request
from noljima.testing.scenario import Scenario, lateness_s, play


class Row(NamedTuple):
    """One scenario that failed, and why."""

    policy: str
    shape: Shape
    seed: int
    estimates: str
    was_wrong: str


MIXED: Final = Shape(evictable=Evictable.SOME, urgent_share=0.1)
MEDDLED: Final = Shape(grace_s=4.0, actions_share=0.2)
TROUBLE: Final = Shape(gpus_per_node=4, gpus_max=16, jobs_max=20, node_faults_mean_s=100.0)
TWICE: Final = "the strict queue started a job twice that was withdrawn and came back"
NO_TIME: Final = "a reservation of no length held its GPUs for ever, and nobody else had one"
ON_LOST: Final = "a job started on a node that was lost in the same moment, and ran on it unseen"

ROWS: Final = [
    Row("fair", TROUBLE, 21, "noisy:1", TWICE),
    Row("fair", TROUBLE, 42, "noisy:1", TWICE),
    Row("efficient", TROUBLE, 14, "noisy:1", TWICE),
    Row("efficient", TROUBLE, 28, "noisy:1", TWICE),
    Row("fair", MEDDLED, 6, "limit", TWICE),
    Row("fair", MEDDLED, 7, "limit", TWICE),
    Row("conservative", MIXED, 123, "noisy:1", NO_TIME),
    Row("pod-by-pod", TROUBLE, 5, "noisy:1", ON_LOST),
    Row("pod-by-pod", TROUBLE, 13, "noisy:1", ON_LOST),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.policy}-{row.seed}")
def test_what_once_failed_stays_mended(row: Row) -> None:
    scenario = draw(row.seed, row.shape)
    record = play(scenario, row.policy, source_of(row.estimates, row.seed))
    ended = record.end_s().keys() | record.refused().keys()

    assert row.shape.actions_share or ended == {entry.job.id for entry in scenario.jobs}


def late_on_nodes(scenario: Scenario, policy: str, estimates: str) -> dict[str, float]:
    record = play(scenario, policy, source_of(estimates))
    strict_s = play(scenario, "fifo", source_of("true")).last_start_s()
    return lateness_s(scenario, record, {str(name): at_s for name, at_s in strict_s.items()})


@pytest.mark.parametrize("seed", [6, 18, 24, 152])
@pytest.mark.parametrize("policy", ["fair", "efficient"])
def test_a_job_is_adopted_only_where_all_its_workers_find_their_claims(
    policy: str, seed: int
) -> None:
    """Once, two workers on one node were adopted for a claim to one place on each of two."""
    odd = Shape(gpus_per_node=4, gpus_max=16, jobs_max=14, worker_gpus=(1, 2, 3))

    assert late_on_nodes(draw(seed, odd), policy, "true") == {}


def pair_of_groups(name: str, submit_s: float, run_s: float, *gpus: int) -> SimulatedJob:
    groups = (TaskGroup(workers=1, each=Resources(gpu_milli=count * GPU)) for count in gpus)
    return SimulatedJob(job(name, gang=Gang(tuple(groups))), submit_s, run_s)


def test_a_gang_of_two_sizes_is_adopted_only_where_each_size_is_where_it_should_be() -> None:
    """Once, a gang of 3 + 2 GPUs was adopted on the same two nodes the other way round."""
    jobs = (
        pair_of_groups("j0", 0.0, 5.0, 3, 2),
        pair_of_groups("j1", 3.0, 3.0, 2),
        pair_of_groups("j2", 3.0, 34.0, 3, 2),
        pair_of_groups("j3", 3.0, 35.0, 2),
        pair_of_groups("j4", 3.0, 3.0, 3, 2),
        pair_of_groups("j5", 3.0, 3.0, 3, 2),
    )
    nodes = tuple(Node(id=NodeId(f"n{number}"), gpus=4) for number in range(3))

    assert late_on_nodes(Scenario(gpus=12, nodes=nodes, jobs=jobs), "fair", "true") == {}


def test_the_reference_decides_between_two_ends_of_one_moment() -> None:
    """Once, `references.Easy` freed an expected end and the next one before it decided."""
    requests = [
        Request("expected", 0.0, 1, 2.0, estimate_s=2.0),
        Request("early", 0.0, 1, 2.0, estimate_s=3.0),
        Request("head", 0.0, 2, 1.0, estimate_s=1.0),
        Request("fills", 0.0, 1, 1.0, estimate_s=1.0),
    ]

    assert Easy(2, requests).starts == {"expected": 0.0, "early": 0.0, "fills": 2.0, "head": 3.0}
