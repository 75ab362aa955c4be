"""A number of GPUs becomes a gang: what fits a node stays on one, the rest is cut evenly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import GPU
from noljima.workload.shape import shape


def workers_and_gpus(gpus: int, gpus_per_node: int | None) -> tuple[int, int]:
    group = shape(gpus, gpus_per_node).groups[0]
    return group.workers, group.each.gpu_milli // GPU


@pytest.mark.parametrize(
    ("gpus", "gpus_per_node", "expected"),
    [
        (8, None, (8, 1)),  # a pool only counts
        (1, 8, (1, 1)),
        (4, 8, (1, 4)),  # side by side on one node
        (7, 8, (1, 7)),
        (8, 8, (1, 8)),
        (32, 8, (4, 8)),  # whole nodes
        (12, 8, (2, 6)),
        (20, 8, (4, 5)),
        (11, 8, (11, 1)),  # prime
        (9, 4, (3, 3)),
        (3, 1, (3, 1)),
    ],
)
def test_a_request_is_cut_into_the_fewest_equal_workers(
    gpus: int, gpus_per_node: int | None, expected: tuple[int, int]
) -> None:
    assert workers_and_gpus(gpus, gpus_per_node) == expected


def test_equal_requests_share_one_gang() -> None:
    assert shape(24, 8) is shape(24, 8)


@pytest.mark.parametrize(("gpus", "gpus_per_node"), [(0, 8), (-1, None), (1_000_001, 8), (8, 0)])
def test_requests_of_nothing_and_without_end_are_refused(
    gpus: int, gpus_per_node: int | None
) -> None:
    with pytest.raises(InvalidFieldError, match="is outside 1 to 1,000,000"):
        shape(gpus, gpus_per_node)


@given(gpus=st.integers(1, 1_000_000), gpus_per_node=st.integers(1, 64))
def test_no_gpu_is_added_or_lost_and_no_fewer_workers_would_do(
    gpus: int, gpus_per_node: int
) -> None:
    workers, each = workers_and_gpus(gpus, gpus_per_node)

    assert workers * each == gpus
    assert each <= gpus_per_node
    assert not any(gpus % wider == 0 for wider in range(each + 1, min(gpus, gpus_per_node) + 1))
