"""Which real nodes the strict queue's nodes stand for: trades that keep every anchored job."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from noljima.model.node import Node
from noljima.model.resources import NodeId
from noljima.policy.claims import Claims

W, X, Y, Z = (NodeId(name) for name in "wxyz")


def claims(*nodes: NodeId, other: tuple[NodeId, ...] = ()) -> Claims:
    known = Claims()
    for node in nodes:
        known.set_node(Node(id=node, gpus=4))
    for node in other:
        known.set_node(Node(id=node, gpus=8))
    return known


def test_at_first_every_node_stands_for_itself() -> None:
    assert claims(X, Y).real([Y, X, Y]) == [Y, X, Y]


def test_nodes_that_are_alike_trade_names() -> None:
    known = claims(X, Y, Z)

    assert known.adopt([X, X], [Z, Z])
    assert known.real([X, Y, Z]) == [Z, Y, X]


def test_nodes_that_differ_do_not() -> None:
    known = claims(X, other=(Y,))

    assert not known.adopt([X], [Y])
    assert known.real([X, Y]) == [X, Y]


def test_a_node_of_which_a_gpu_is_out_does_not_trade_with_a_whole_one() -> None:
    known = claims(X, Z)
    known.set_node(Node(id=Y, gpus=4, gpus_out=(1,)))

    assert not known.adopt([X], [Y])
    assert known.adopt([X], [Z])

    known.set_node(Node(id=Y, gpus=4))

    assert known.adopt([X], [Y])


def test_a_node_with_an_anchored_job_keeps_its_name_until_the_job_has_gone() -> None:
    known = claims(X, Y)
    known.anchor([X])

    assert not known.adopt([X], [Y])

    known.raise_anchor([X])

    assert known.adopt([X], [Y])


def test_a_lost_node_trades_with_nobody() -> None:
    known = claims(X, Y)
    known.remove_node(Y)

    assert not known.adopt([X], [Y])


def test_two_workers_on_one_node_are_no_claim_to_one_place_on_each_of_two() -> None:
    known = claims(X, Y, Z)

    assert not known.adopt([X, Y], [Y, Y])
    assert known.real([X, Y, Z]) == [X, Y, Z]


def test_workers_of_two_sizes_are_told_apart() -> None:
    known = claims(X, Y)

    assert known.adopt([X, Y], [Y, X])
    assert not known.adopt([X, Y], [Y, X], groups=[0, 1])
    assert known.adopt([X, Y], [X, Y], groups=[0, 1])


nodes = st.sampled_from([W, X, Y, Z])
moves = st.lists(
    st.tuples(st.lists(nodes, min_size=1, max_size=3), st.lists(nodes, min_size=1, max_size=3)),
    max_size=8,
)


@given(moves=moves)
def test_whoever_is_adopted_has_its_places_and_whoever_is_anchored_keeps_them(
    moves: list[tuple[list[NodeId], list[NodeId]]],
) -> None:
    known = claims(W, X, Y, Z)
    kept: list[tuple[list[NodeId], Counter[NodeId]]] = []
    for claim, places in moves:
        if len(claim) == len(places) and known.adopt(claim, places):
            known.anchor(claim)
            kept.append((claim, Counter(places)))

    assert sorted(known.real([W, X, Y, Z])) == [W, X, Y, Z]
    for claim, wanted in kept:
        assert Counter(known.real(claim)) == wanted
