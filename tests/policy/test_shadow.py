"""The strict queue beside the real one: it starts in order, and ends jobs as reality tells it."""

from __future__ import annotations

import pytest

from noljima.model.estimate import Estimate
from noljima.model.job import Priority
from noljima.model.node import Node
from noljima.model.resources import GPU, NodeId
from noljima.placement.demand import Demand
from noljima.placement.pool import Pool
from noljima.policy.shadow import Shadow
from noljima.policy.ticket import NEVER_S, Ticket
from noljima.testing.conversation import job


def shadow(gpus: int = 4) -> Shadow:
    strict = Shadow(Pool())
    strict.set_node(Node(id=NodeId("pool"), gpus=gpus))
    return strict


def ticket(number: int, gpus: int, priority: Priority = Priority.NORMAL) -> Ticket:
    asked = job(f"j{number}", gpus, priority=priority)
    return Ticket(asked, number, 0.0, Demand(asked.gang), Estimate.point(1.0))


def end(strict: Shadow, over: Ticket, run_s: float, now_s: float) -> None:
    over.run_s = run_s
    strict.finish(over, now_s)


def numbers(started: list[Ticket]) -> list[int]:
    return [over.number for over in started]


def test_it_starts_in_order_and_lets_nobody_pass() -> None:
    strict = shadow(4)
    for number, gpus in enumerate((3, 2, 1)):
        strict.submit(ticket(number, gpus))

    assert numbers(strict.advance(5.0)) == [0]
    assert strict.space.gpu_milli_free == 1 * GPU
    assert strict.next_s == NEVER_S


def test_urgent_jobs_go_first() -> None:
    strict = shadow(4)
    strict.submit(ticket(0, 3))
    strict.submit(ticket(1, 3, Priority.URGENT))

    assert numbers(strict.advance(0.0)) == [1]


def test_a_job_that_ran_early_in_reality_still_takes_its_time_here() -> None:
    strict = shadow(4)
    first, early, last = (ticket(number, 4) for number in range(3))
    for waiting in (first, early, last):
        strict.submit(waiting)
    strict.advance(0.0)
    end(strict, early, 30.0, now_s=40.0)
    end(strict, first, 50.0, now_s=50.0)

    assert numbers(strict.advance(50.0)) == [1]
    assert strict.next_s == 80.0
    assert numbers(strict.catch_up(80.0)) == []
    assert numbers(strict.advance(80.0)) == [2]
    assert (early.due_s, last.due_s) == (50.0, 80.0)


def test_catching_up_leaves_the_present_moment_to_its_submissions() -> None:
    strict = shadow(4)
    first, small, urgent = ticket(0, 4), ticket(1, 4), ticket(2, 4, Priority.URGENT)
    strict.submit(first)
    strict.submit(small)
    strict.advance(0.0)
    end(strict, first, 10.0, now_s=10.0)

    assert numbers(strict.catch_up(10.0)) == []

    strict.submit(urgent)

    assert numbers(strict.advance(10.0)) == [2]


def test_jobs_of_no_length_pass_through_in_one_moment() -> None:
    strict = shadow(4)
    passing = [ticket(number, 4) for number in range(3)]
    for waiting in passing:
        waiting.run_s = 0.0
        strict.submit(waiting)

    assert numbers(strict.advance(7.0)) == [0, 1, 2]
    assert strict.space.gpu_milli_free == 4 * GPU


def test_a_job_that_ends_late_in_reality_is_waited_for() -> None:
    strict = shadow(4)
    late, next_ = ticket(0, 4), ticket(1, 4)
    strict.submit(late)
    strict.submit(next_)
    strict.advance(0.0)
    end(strict, late, 10.0, now_s=25.0)

    assert strict.next_s == 25.0
    assert numbers(strict.advance(25.0)) == [1]


@pytest.mark.parametrize("started", [True, False])
def test_whoever_is_withdrawn_makes_room(*, started: bool) -> None:
    strict = shadow(4)
    gone, next_ = ticket(0, 4), ticket(1, 4)
    strict.submit(gone)
    if started:
        strict.advance(0.0)
    strict.withdraw(gone)
    strict.submit(next_)

    assert numbers(strict.advance(1.0)) == [1]
    assert gone.due_s == NEVER_S


def test_whoever_returns_stands_where_they_stood() -> None:
    strict = shadow(4)
    first, held, last = ticket(0, 4), ticket(1, 2), ticket(2, 3)
    for waiting in (first, held, last):
        strict.submit(waiting)
    strict.advance(0.0)
    strict.withdraw(held)
    strict.advance(1.0)
    strict.submit(held)
    end(strict, first, 5.0, now_s=5.0)

    assert numbers(strict.advance(5.0)) == [1]


def test_whoever_returns_before_it_was_missed_is_there_once() -> None:
    strict = shadow(4)
    first, ahead, held = ticket(0, 4), ticket(1, 4), ticket(2, 2)
    for waiting in (first, ahead, held):
        strict.submit(waiting)
    strict.advance(0.0)
    strict.withdraw(held)
    strict.submit(held)
    end(strict, first, 5.0, now_s=5.0)
    strict.advance(5.0)
    end(strict, ahead, 5.0, now_s=10.0)

    assert numbers(strict.advance(10.0)) == [2]
    assert strict.space.gpu_milli_free == 2 * GPU


def test_it_tells_who_waits_who_holds_what_and_whose_end_is_known() -> None:
    strict = shadow(4)
    over, runs, waits, urgent, gone = (
        ticket(number, gpus, priority)
        for number, gpus, priority in (
            (0, 2, Priority.NORMAL),
            (1, 2, Priority.NORMAL),
            (2, 4, Priority.NORMAL),
            (3, 4, Priority.URGENT),
            (4, 1, Priority.NORMAL),
        )
    )
    strict.submit(over)
    strict.submit(runs)
    strict.advance(0.0)
    for late in (waits, urgent, gone):
        strict.submit(late)
    strict.withdraw(gone)
    end(strict, over, 10.0, now_s=4.0)

    assert strict.held.keys() == {"j0", "j1"}
    assert list(strict.ends()) == [(10.0, over)]
    assert numbers(list(strict.waiting())) == [3, 2]


def test_whoever_is_withdrawn_after_it_was_swept_out_can_return() -> None:
    strict = shadow(4)
    swept = ticket(0, 4)
    strict.submit(swept)
    strict.set_node(Node(id=NodeId("pool"), gpus=2))
    strict.sweep()
    strict.advance(1.0)
    strict.withdraw(swept)
    strict.set_node(Node(id=NodeId("pool"), gpus=4))
    strict.submit(swept)

    assert numbers(strict.advance(2.0)) == [0]
