"""The policies by name, each call a new one: a policy remembers, so two engines never share one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from noljima.policy.guests import GuestPolicy
from noljima.policy.order import Order
from noljima.policy.queueing import QueuePolicy
from noljima.policy.state import Policy

DAY_S: Final = 86_400.0

MAKERS: Final[Mapping[str, Callable[[], Policy]]] = {
    "fifo": lambda: QueuePolicy("fifo", Order.SUBMIT),
    "sjf": lambda: QueuePolicy("sjf", Order.SHORTEST),
    "easy": lambda: QueuePolicy("easy", Order.SUBMIT, backfill=True),
    "easy-sjbf": lambda: QueuePolicy("easy-sjbf", Order.SUBMIT, backfill=True, shortest_fill=True),
    "fair": lambda: GuestPolicy("fair", Order.SUBMIT),
    "efficient": lambda: GuestPolicy("efficient", Order.SHORTEST, age_cap_s=DAY_S),
}

GUESTS: Final = ("fair", "efficient")
"""Those that run guests and keep the strict queue beside them."""


def make(name: str) -> Policy:
    """Return a new policy of this name."""
    return MAKERS[name]()
