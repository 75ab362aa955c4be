"""Lines and orders: who stands where, and that a job returns to its old place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.estimate import Estimate
from noljima.model.job import Priority
from noljima.placement.demand import Demand
from noljima.policy.line import KeyedLine
from noljima.policy.order import Order, key_of
from noljima.policy.ticket import Ticket
from noljima.testing.conversation import job


def ticket(number: int, gpus: int = 1, q50_s: float = 60.0, **fields: object) -> Ticket:
    asked = job(f"j{number}", gpus, **fields)
    return Ticket(asked, number, 0.0, Demand(asked.gang), Estimate.point(q50_s))


def in_order(order: Order, *tickets: Ticket) -> list[int]:
    return [t.number for t in sorted(tickets, key=lambda t: key_of(order, t))]


def test_submit_order_is_the_order_of_arrival() -> None:
    assert in_order(Order.SUBMIT, ticket(2), ticket(0, 8, 9.0), ticket(1)) == [0, 1, 2]


def test_the_shortest_goes_first_and_ties_go_by_arrival() -> None:
    tickets = ticket(0, q50_s=50.0), ticket(1, q50_s=5.0), ticket(2, q50_s=5.0)

    assert in_order(Order.SHORTEST, *tickets) == [1, 2, 0]


def test_the_least_gpu_time_goes_first() -> None:
    assert in_order(Order.SERVICE, ticket(0, 4, 30.0), ticket(1, 1, 100.0)) == [1, 0]


@pytest.mark.parametrize("order", list(Order))
def test_the_urgent_go_before_all_others_in_every_order(order: Order) -> None:
    low = ticket(0, 1, 1.0, priority=Priority.LOW)
    urgent = ticket(2, 8, 900.0, priority=Priority.URGENT)

    assert in_order(order, low, ticket(1, 4, 50.0), urgent) == [2, 1, 0]


@given(
    keys=st.lists(st.integers(0, 9), min_size=1, max_size=30),
    gone=st.lists(st.integers(0, 29), max_size=30),
)
def test_a_line_is_sorted_whoever_comes_and_goes(keys: list[int], gone: list[int]) -> None:
    line = KeyedLine()
    there: list[Ticket] = []
    for number, value in enumerate(keys):
        newcomer = ticket(number)
        newcomer.key = (1, 1, float(value), number)
        line.add(newcomer)
        there.append(newcomer)
    for index in gone:
        if index < len(there):
            line.remove(there.pop(index))

    assert list(line) == sorted(there, key=lambda t: t.key)
    assert len(line) == len(there)
    assert line.head is min(there, key=lambda t: t.key, default=None)


@given(keys=st.permutations(range(8)), who=st.integers(0, 7))
def test_a_job_that_returns_stands_where_it_stood(keys: list[int], who: int) -> None:
    line = KeyedLine()
    tickets = [ticket(number) for number in keys]
    for newcomer in tickets:
        line.add(newcomer)
    before = list(line)
    line.remove(tickets[who])
    line.add(tickets[who])

    assert list(line) == before


def test_taking_out_who_is_not_there_fails_loudly() -> None:
    line = KeyedLine()
    line.add(ticket(0))
    line.add(ticket(1))
    line.remove(line_head(line))

    with pytest.raises(AssertionError, match="j0"):
        line.remove(ticket(0))


def line_head(line: KeyedLine) -> Ticket:
    assert line.head is not None
    return line.head
