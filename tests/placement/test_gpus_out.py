"""Single GPUs that take nothing new: on a node whose other GPUs go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.model.node import Node
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, NodeId, Resources, gang_of
from noljima.placement.demand import Demand
from noljima.placement.grid import Grid
from noljima.placement.pool import Pool
from noljima.placement.refusal import Refusal
from noljima.placement.strategies import strategy_of
from noljima.placement.strategies.catalogue import NAMES

HERE = NodeId("here")


def node(gpus: int = 4, *out: int) -> Node:
    return Node(id=HERE, gpus=gpus, gpus_out=out)


def grid(gpus: int = 4, *out: int, strategy: str = "pack") -> Grid:
    made = Grid(strategy_of(strategy))
    made.set_node(node(gpus, *out))
    return made


def demand(workers: int, milli: int = GPU) -> Demand:
    return Demand(gang_of(workers, Resources(gpu_milli=milli)))


def gpus_of(placed: Placement | Refusal) -> set[int]:
    assert isinstance(placed, Placement)
    return {gpu for worker in placed.workers for gpu in worker.gpus}


@pytest.mark.parametrize("strategy", NAMES)
def test_whole_workers_go_to_the_other_gpus(strategy: str) -> None:
    assert gpus_of(grid(4, 1, strategy=strategy).take(demand(3))) == {0, 2, 3}


@pytest.mark.parametrize("strategy", NAMES)
def test_fractions_go_to_the_other_gpus(strategy: str) -> None:
    placed = grid(3, 0, 2, strategy=strategy).take(demand(2, 500))

    assert gpus_of(placed) == {1}


def test_a_gang_that_would_need_it_is_refused_for_good() -> None:
    here = grid(4, 1)

    assert isinstance(here.take(demand(4)), Refusal)
    assert here.ever_fits(demand(4)) is not None
    assert here.ever_fits(demand(3)) is None


def test_it_counts_as_no_capacity() -> None:
    here = grid(4, 1, 3)

    assert here.gpu_milli_total == here.gpu_milli_free == 2 * GPU


def test_a_pool_has_fewer_gpus_for_it() -> None:
    pool = Pool()
    pool.set_node(node(4, 1, 3))

    assert pool.gpu_milli_total == 2 * GPU


def test_what_runs_on_it_goes_on_and_gives_back_nothing() -> None:
    here = grid()
    held = Placement((Assignment(HERE, (2,)),))
    here.hold(demand(1), held)
    here.set_node(node(4, 2))
    here.give_back(demand(1), held)

    assert here == grid(4, 2)
    assert gpus_of(here.take(demand(3))) == {0, 1, 3}


def test_it_comes_back() -> None:
    here = grid(4, 2)
    here.set_node(node())

    assert here == grid()


@pytest.mark.parametrize("out", [(4,), (-1,), (1, 1), (2, 1)])
def test_a_node_has_the_gpus_that_are_out(out: tuple[int, ...]) -> None:
    with pytest.raises(InvalidFieldError, match="gpus_out"):
        node(4, *out)


@given(changes=st.lists(st.tuples(st.sets(st.integers(0, 7)), st.integers(1, 3)), max_size=12))
def test_no_gpu_is_lost_whatever_goes_out_and_in(changes: list[tuple[set[int], int]]) -> None:
    here = grid(8)
    held: list[tuple[Demand, Placement]] = []
    for out, workers in changes:
        here.set_node(node(8, *sorted(out)))
        placed = here.take(demand(workers))
        if isinstance(placed, Placement):
            assert gpus_of(placed).isdisjoint(out)
            held.append((demand(workers), placed))
    for what, where in held:
        here.give_back(what, where)
    here.set_node(node(8))

    assert here == grid(8)
