"""The orders that are fixed by a key."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from noljima.policy.ticket import Key, Ticket


class Order(StrEnum):
    """What puts one waiting job before another, within a priority class."""

    SUBMIT = "submit"
    SHORTEST = "shortest"
    SERVICE = "service"


def key_of(order: Order, ticket: Ticket) -> Key:
    """Return the ticket's place in this order."""
    match order:
        case Order.SUBMIT:
            value = 0.0
        case Order.SHORTEST:
            value = ticket.estimate.q50_s
        case Order.SERVICE:
            value = ticket.estimate.q50_s * ticket.gpu_milli
        case _:
            assert_never(order)
    # Lane 1: lane 0 is for those whose age has brought them to the front.
    return (int(ticket.job.priority), 1, value, ticket.number)
