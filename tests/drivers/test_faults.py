"""Faults drawn from a seed: the same every time, as often as asked, never two at once on a node."""

from __future__ import annotations

import itertools

import pytest

from noljima.drivers.sim.faults import node_faults, start_failures
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId

NODES = [Node(id=NodeId(f"n{number}"), gpus=8) for number in range(50)]
JOBS = [JobId(f"j{number}") for number in range(2000)]
DAY_S = 86_400.0


def faults(seed: int = 1, mean_s: float = DAY_S) -> list[tuple[float, str]]:
    drawn = node_faults(NODES, mean_s=mean_s, repair_s=600.0, span=(100.0, 10 * DAY_S), seed=seed)
    return [(fault.at_s, fault.node) for fault in drawn]


def test_a_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert faults(1) == faults(1)
    assert faults(1) != faults(2)


def test_they_come_in_order_of_time_and_within_the_span() -> None:
    times_s = [at_s for at_s, _ in faults()]

    assert times_s == sorted(times_s)
    assert times_s[0] >= 100.0
    assert times_s[-1] <= 10 * DAY_S


def test_each_node_fails_about_as_often_as_asked() -> None:
    assert 8.5 < len(faults()) / len(NODES) < 11.0


def test_a_node_does_not_fail_while_it_is_repaired() -> None:
    drawn = faults(mean_s=900.0)
    for node in NODES:
        times_s = [at_s for at_s, name in drawn if name == node.id]

        # Times are rounded to whole seconds.
        assert all(next_s - at_s >= 599.0 for at_s, next_s in itertools.pairwise(times_s))


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_each_attempt_fails_as_often_as_asked(share: float) -> None:
    failures = start_failures(JOBS, share=share, seed=1)
    attempts = len(JOBS) + sum(failures.values())

    assert abs(sum(failures.values()) / attempts - share) < 0.02
    assert failures == start_failures(JOBS, share=share, seed=1)
    assert all(count > 0 for count in failures.values())
