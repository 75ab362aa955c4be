"""What a run has reached, what an eviction would lose of it, and how long the next will take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.estimate import Estimate
from noljima.model.job import Checkpoint
from noljima.placement.demand import Demand
from noljima.policy.ticket import Ticket
from noljima.testing.conversation import job
from noljima.testing.strategies import checkpoints


def running(checkpoint: Checkpoint, saved_s: float = 0.0, fill_s: float = 500.0) -> Ticket:
    asked = job("a", 2, checkpoint=checkpoint)
    ticket = Ticket(asked, 0, 0.0, Demand(asked.gang), Estimate.point(fill_s))
    ticket.saved_s = saved_s
    ticket.start_s = 1000.0
    ticket.restart_s = checkpoint.restart_s if saved_s > 0.0 else 0.0
    return ticket


EVERY_MINUTE = Checkpoint(interval_s=60.0, restart_s=20.0)


@pytest.mark.parametrize(
    ("checkpoint", "saved_s", "now_s", "worked_s", "loss_s"),
    [
        (Checkpoint(), 0.0, 1090.0, 90.0, 90.0),
        (Checkpoint(interval_s=0.0), 0.0, 1090.0, 90.0, 0.0),
        (EVERY_MINUTE, 0.0, 1090.0, 90.0, 30.0),
        # A restart of 20 s is lost work too, whatever is saved after it.
        (EVERY_MINUTE, 120.0, 1090.0, 190.0, 30.0),
        (EVERY_MINUTE, 120.0, 1010.0, 120.0, 10.0),
        (EVERY_MINUTE, 120.0, 1000.0, 120.0, 0.0),
        # A state that costs more to load than it spares is no use.
        (Checkpoint(interval_s=0.0, restart_s=100.0), 0.0, 1090.0, 90.0, 90.0),
    ],
)
def test_an_eviction_loses_what_was_held_and_not_saved(
    checkpoint: Checkpoint, saved_s: float, now_s: float, worked_s: float, loss_s: float
) -> None:
    ticket = running(checkpoint, saved_s)

    assert ticket.worked_s(now_s) == worked_s
    assert ticket.loss_s(now_s) == loss_s


def test_the_next_run_takes_what_is_left_and_the_restart() -> None:
    assert running(EVERY_MINUTE).remaining_s() == 500.0
    assert running(EVERY_MINUTE, saved_s=120.0).remaining_s() == 380.0 + 20.0
    assert running(EVERY_MINUTE, saved_s=900.0).remaining_s() == 20.0


@given(checkpoint=checkpoints(), ran_s=st.floats(0.0, 1e6), saves=st.integers(0, 3))
def test_nobody_loses_more_than_the_run_or_less_than_nothing(
    checkpoint: Checkpoint, ran_s: float, saves: int
) -> None:
    ticket = running(checkpoint, checkpoint.saved_of(50.0 * saves))

    assert -1e-6 <= ticket.loss_s(1000.0 + ran_s) <= ran_s + 1e-6


def test_attained_time_counts_all_runs_lost_work_included() -> None:
    ticket = running(Checkpoint())
    ticket.end_run(1030.0)

    assert ticket.attained_s(2000.0) == 30.0

    ticket.start_s = 2000.0

    assert ticket.attained_s(2005.0) == 35.0
