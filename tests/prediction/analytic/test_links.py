"""Exchanges between GPUs, by hand in the alpha-beta model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic import links
from noljima.prediction.analytic.device_table import DEVICES
from noljima.prediction.analytic.links import LINKS, Fabric, Link

# A microsecond, and a gigabyte a second.
ROUND = Link(1e-6, 2e9, 0.5, "by hand")
SLOW = Link(10e-6, 1e8, 1.0, "by hand")
FABRIC = Fabric(inside=ROUND, between=SLOW, gpus_per_node=4)


def test_a_ring_all_reduce_sends_almost_twice_the_data() -> None:
    # 2 x 3 messages of a quarter of a gigabyte each.
    assert links.all_reduce_s(1e9, 4, ROUND) == pytest.approx(6 * (1e-6 + 0.25))


def test_half_an_all_reduce_gathers_or_scatters() -> None:
    whole = links.all_reduce_s(1e6, 8, ROUND)

    assert links.reduce_scatter_s(1e6, 8, ROUND) == whole / 2
    assert links.all_gather_s(1e6, 8, ROUND) == whole / 2
    assert links.all_to_all_s(1e6, 8, ROUND) == whole / 2


def test_one_rank_exchanges_nothing() -> None:
    assert links.all_reduce_s(1e9, 1, ROUND) == 0.0


def test_a_message_takes_latency_and_size() -> None:
    assert links.send_s(1e9, ROUND) == pytest.approx(1.000001)


def test_inside_a_node_the_network_does_not_matter() -> None:
    assert FABRIC.all_reduce_s(1e6, 4) == links.all_reduce_s(1e6, 4, ROUND)


def test_over_nodes_each_local_rank_exchanges_its_part_of_the_shared_network() -> None:
    # Inside: scatter and gather. Between two nodes: a quarter each, four at once on one port.
    inside = 2 * links.reduce_scatter_s(1e6, 4, ROUND)
    between = 2 * (10e-6 + 0.25e6 / 2 / (1e8 / 4))

    assert FABRIC.all_reduce_s(1e6, 8) == pytest.approx(inside + between)


def test_ranks_that_lie_apart_leave_their_node_earlier() -> None:
    assert FABRIC.ranks_inside(4, 1) == 4
    assert FABRIC.ranks_inside(4, 2) == 2
    assert FABRIC.ranks_inside(4, 8) == 1
    assert FABRIC.all_reduce_s(1e6, 4, apart=4) > FABRIC.all_reduce_s(1e6, 4, apart=1)


def test_a_neighbour_in_the_node_is_nearer_than_one_outside() -> None:
    assert FABRIC.send_s(1e6, apart=2) == links.send_s(1e6, ROUND)
    assert FABRIC.send_s(1e6, apart=4) == links.send_s(1e6, SLOW.shared_by(4))


@given(
    size=st.floats(0, 1e12),
    ranks=st.integers(1, 10_000),
    apart=st.integers(1, 64),
    name=st.sampled_from(sorted(LINKS)),
)
def test_exchanges_take_a_finite_time_and_more_for_more(
    size: float, ranks: int, apart: int, name: str
) -> None:
    fabric = Fabric(inside=LINKS["nvlink4"], between=LINKS[name], gpus_per_node=8)
    seconds = fabric.all_reduce_s(size, ranks, apart)

    assert 0.0 <= seconds < float("inf")
    assert seconds <= fabric.all_reduce_s(2 * size + 1, ranks, apart)
    assert (seconds > 0.0) == (ranks > 1)


def test_every_link_says_where_its_figures_are_from_and_every_gpu_has_one() -> None:
    assert all(link.source and link.rate > 0.0 for link in LINKS.values())
    assert {device.link for device in DEVICES} <= set(LINKS)


def test_an_unknown_link_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidFieldError, match=r"site.network: 'token-ring' is not one of nvlink"):
        links.find("site.network", "token-ring")
