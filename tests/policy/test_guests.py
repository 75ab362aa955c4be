"""Main line and guests, by example: who may fill a hole, and who gives way to whom, when."""

from __future__ import annotations

import pytest

from noljima.model.job import Checkpoint, Priority
from noljima.policy.guests import GuestPolicy, GuestTerms
from noljima.policy.order import Order
from noljima.testing.conversation import Conversation, job

SAVES_ALL = Checkpoint(interval_s=0.0)


def fair(**terms: float) -> GuestPolicy:
    return GuestPolicy("fair", Order.SUBMIT, GuestTerms(**terms))  # type: ignore[arg-type]


def test_jobs_that_fit_in_order_are_no_guests() -> None:
    talk = Conversation(gpus=4)

    assert talk.submit(job("a", 2), job("b", 2)) == ["start a", "start b"]


def test_behind_a_head_that_has_to_wait_evictable_jobs_fill_every_hole() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 2))

    assert talk.submit(job("head", 3), job("g1", 1), job("large", 2), job("g2", 1)) == [
        "start g1 as guest",
        "start g2 as guest",
    ]


def test_a_guest_that_loses_nothing_gives_way_at_once() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 3, limit_s=10.0))
    talk.submit(job("head", 4), job("guest", 1, checkpoint=SAVES_ALL))

    assert talk.at(10.0).finish("runs") == ["evict guest for head"]
    assert talk.evicted("guest", saved_s=10.0) == ["start head"]


def test_nobody_is_evicted_who_is_not_in_the_way() -> None:
    talk = Conversation(gpus=6)
    talk.submit(job("runs", 3, limit_s=10.0))
    talk.submit(job("head", 5))
    talk.submit(*(job(f"g{n}", 1, checkpoint=SAVES_ALL) for n in range(3)))

    assert sorted(talk.at(10.0).finish("runs")) == ["evict g1 for head", "evict g2 for head"]


def test_a_guest_that_would_lose_much_stays_until_the_head_is_due() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("first", 1, limit_s=1.0))
    talk.submit(job("runs", 3), job("head", 4), job("guest", 1))
    talk.at(1.0).finish("first")

    # In the strict queue, too, the head now waits for `runs` alone.
    assert talk.at(50.0).tick() == []
    assert talk.at(60.0).finish("runs") == ["evict guest for head"]


def test_a_due_job_evicts_at_any_cost_even_who_stands_before_it_in_the_order() -> None:
    talk = Conversation("efficient", gpus=4)
    talk.submit(job("runs", 4, limit_s=30.0))
    talk.submit(job("long", 4, limit_s=90.0), job("short", 2, limit_s=20.0))

    assert talk.at(10.0).finish("runs") == ["start long"]
    talk = Conversation("efficient", gpus=4)
    talk.submit(job("runs", 3, limit_s=30.0))
    talk.submit(job("long", 4, limit_s=90.0), job("short", 1, limit_s=20.0))

    assert talk.at(10.0).finish("runs") == ["evict short for long"]


def test_a_due_job_is_evicted_for_nobody() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("due", 4, checkpoint=SAVES_ALL))

    assert talk.submit(job("urgent", 4, priority=Priority.URGENT)) == []


def test_whoever_is_told_to_go_makes_room_for_one_job_only() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 2, limit_s=10.0))
    talk.submit(job("head", 3), job("guest", 2, checkpoint=SAVES_ALL))
    told = talk.at(10.0).finish("runs")

    assert told == ["evict guest for head"]
    # With the guest's two GPUs the head needs one of the two that are free.
    assert talk.submit(job("small", 1), job("other", 1)) == ["start small"]
    assert talk.evicted("guest") == ["start head"]


def test_guests_that_lose_least_go_first_and_the_latest_among_equals() -> None:
    talk = Conversation(gpus=6)
    talk.submit(job("runs", 3, limit_s=10.0))
    talk.submit(
        job("head", 4),
        job("loses all", 1),
        job("loses none", 1, checkpoint=SAVES_ALL),
        job("loses none either", 1, checkpoint=SAVES_ALL),
    )

    assert talk.at(10.0).finish("runs") == ["evict loses none either for head"]


def test_a_job_that_was_evicted_as_often_as_allowed_is_no_guest_any_more() -> None:
    talk = Conversation(fair(evictions_max=1), gpus=4)
    talk.submit(job("runs", 3, limit_s=10.0))
    talk.submit(job("head", 4), job("guest", 1, checkpoint=SAVES_ALL))
    talk.at(10.0).finish("runs")
    talk.evicted("guest", saved_s=10.0)
    talk.submit(job("next", 4))

    assert talk.at(20.0).finish("head") == ["start guest"]
    assert not talk.ticket("guest").guest


def test_once_too_much_was_lost_only_due_jobs_evict() -> None:
    talk = Conversation(fair(lost_share_max=0.0, loss_per_wait=1000.0), gpus=4)
    talk.engine.state.lost_milli_s = 1.0
    talk.engine.state.held_milli_s = 1000.0
    talk.submit(job("runs", 3, limit_s=10.0))
    talk.submit(job("second", 3, limit_s=90.0), job("head", 4), job("guest", 1))

    assert talk.at(10.0).finish("runs") == ["start second"]
    assert talk.at(60.0).finish("second") == ["evict guest for head"]


def test_a_job_that_cannot_be_evicted_fills_a_hole_only_behind_the_reservation() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 3, limit_s=50.0))
    stays = {"evictable": False}

    assert talk.submit(job("head", 4), job("long", 1, limit_s=51.0, **stays)) == []
    assert talk.submit(job("short", 1, limit_s=50.0, **stays)) == ["start short"]


def test_a_job_that_cannot_be_evicted_is_not() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 3, limit_s=50.0))
    talk.submit(job("head", 4), job("stays", 1, limit_s=50.0, evictable=False))

    assert talk.at(10.0).finish("runs") == []
    assert talk.at(50.0).finish("stays") == ["start head"]


@pytest.mark.parametrize("gpus", [1, 7, 8, 16])
def test_whole_node_jobs_are_not_evictable_unless_somebody_says_so(gpus: int) -> None:
    talk = Conversation(gpus=16)
    talk.submit(job("silent", gpus, evictable=None), job("willing", gpus, evictable=True))

    assert talk.ticket("silent").evictable is (gpus < 8)
    assert talk.ticket("willing").evictable is True


def test_an_evicted_job_goes_back_to_its_old_place() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 3, limit_s=10.0))
    talk.submit(job("head", 4), job("guest", 1, checkpoint=SAVES_ALL), job("later", 1))
    talk.at(10.0).finish("runs")
    talk.evicted("guest")
    line = [ticket.job.id for ticket in talk.engine.state.line]

    assert line == ["guest", "later"]


def test_an_urgent_job_takes_the_place_of_guests() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 3, limit_s=90.0))
    talk.submit(job("head", 4), job("guest", 1, checkpoint=SAVES_ALL))

    assert talk.submit(job("urgent", 1, priority=Priority.URGENT)) == ["evict guest for urgent"]


def test_guests_of_the_same_plan_are_no_reason_to_keep_the_head_waiting() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 2, limit_s=10.0))
    long = job("long", 1, limit_s=100.0, evictable=False)

    # With the guest gone the head can start when `runs` ends, and `long` would delay it.
    assert talk.submit(job("head", 4), job("guest", 1), long) == ["start guest as guest"]
    assert talk.engine.reservation is not None
    assert talk.engine.reservation.start_s == 10.0


def test_who_cannot_be_evicted_may_stand_where_otherwise_only_guests_would() -> None:
    talk = Conversation(gpus=6)
    talk.submit(job("runs", 4, limit_s=10.0))
    long = job("long", 1, limit_s=100.0, evictable=False)

    assert talk.submit(job("head", 5), job("guest", 1), long) == [
        "start guest as guest",
        "start long",
    ]
    assert talk.engine.reservation is not None
    assert talk.engine.reservation.start_s == 10.0


def test_what_the_head_does_not_need_of_the_free_gpus_stays_for_guests_while_others_leave() -> None:
    talk = Conversation(gpus=8)
    talk.submit(job("stays", 3, limit_s=1000.0), job("runs", 2, limit_s=10.0))
    talk.submit(job("head", 4), job("guest", 3, checkpoint=SAVES_ALL))

    # Two GPUs are free and three are being cleared: the head needs one of the free ones.
    assert talk.at(10.0).finish("runs") == ["evict guest for head"]
    assert talk.submit(job("large", 2), job("small", 1)) == ["start small as guest"]
    assert talk.evicted("guest", saved_s=10.0) == ["start head"]
