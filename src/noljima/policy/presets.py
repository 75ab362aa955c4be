"""The policies by name, as `--policy` takes them: each is a few parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from noljima.config import Settings
from noljima.model.bounds import InvalidFieldError
from noljima.policy.conservative import Conservative
from noljima.policy.guests import GuestPolicy
from noljima.policy.order import Order
from noljima.policy.podwise import PodByPod
from noljima.policy.preemptive import LeastAttained, PreemptivePolicy, ShortestRemaining
from noljima.policy.queueing import QueuePolicy
from noljima.policy.share import SharePolicy
from noljima.policy.slowdown import SlowdownPolicy
from noljima.policy.state import Policy

AGE_CAP_S: Final = 36 * 3600.0

_PRESETS: Final[Mapping[str, tuple[str, Callable[[Settings], Policy]]]] = {
    "fair": (
        "submit order, evictable guests in every hole; nobody starts later than first come",
        lambda _: GuestPolicy("fair", Order.SUBMIT),
    ),
    "efficient": (
        "shortest predicted first, with an age cap of 36 h; guests as in fair",
        lambda _: GuestPolicy("efficient", Order.SHORTEST, age_cap_s=AGE_CAP_S),
    ),
    "share": (
        "least served queue and user first (decayed usage, quotas, borrowing); guests as in fair",
        lambda settings: SharePolicy(settings.queues),
    ),
    "fifo": (
        "strict first come, first served",
        lambda _: QueuePolicy("fifo", Order.SUBMIT),
    ),
    "easy": (
        "first come, backfill behind one reservation (EASY)",
        lambda _: QueuePolicy("easy", Order.SUBMIT, backfill=True),
    ),
    "easy-sjbf": (
        "EASY that backfills the shortest job first",
        lambda _: QueuePolicy("easy-sjbf", Order.SUBMIT, backfill=True, shortest_fill=True),
    ),
    "conservative": (
        "backfill behind a reservation for every waiting job",
        lambda _: Conservative(),
    ),
    "slowdown": (
        "least slowdown first, wide jobs first come; evicts nobody, for jobs that cannot be",
        lambda _: SlowdownPolicy("slowdown"),
    ),
    "sjf": (
        "strictly shortest predicted first, no backfill",
        lambda _: QueuePolicy("sjf", Order.SHORTEST),
    ),
    "qssf": (
        "strictly least predicted GPU time first, no backfill (Helios)",
        lambda _: QueuePolicy("qssf", Order.SERVICE),
    ),
    "srtf": (
        "shortest remaining time first, evicting anybody; clairvoyant with true estimates",
        lambda _: PreemptivePolicy("srtf", ShortestRemaining()),
    ),
    "tiresias": (
        "least attained service first, evicting anybody (Tiresias, 2D-LAS)",
        lambda _: PreemptivePolicy("tiresias", LeastAttained()),
    ),
    "pod-by-pod": (
        "no gangs: each pod by itself, as Kubernetes' own scheduler does",
        lambda _: PodByPod(),
    ),
}

NAMES: Final = tuple(_PRESETS)


def describe(name: str) -> str:
    """Return the one-line description of a policy."""
    return _PRESETS[name][0]


def policy_of(name: str, settings: Settings | None = None) -> Policy:
    """Build a fresh policy of this name."""
    if name not in _PRESETS:
        raise InvalidFieldError("policy", name, f"is not one of {', '.join(NAMES)}")
    return _PRESETS[name][1](settings or Settings())
