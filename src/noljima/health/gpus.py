"""Whether a worker's GPUs work, wait, or are idle.

GPU utilisation alone says little: a collective that waits for a dead peer keeps it at 100 %. What
tells is power, against what the GPUs draw when idle and against what this very worker drew while
its steps came.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from noljima.health.facts import Sampled

NEAR_IDLE: Final = 0.2
"""Up to this share of the idle draw above it, GPUs are idle."""
NEAR_IDLE_OF_WORK: Final = 0.3
"""And up to this share of what their work takes above it, where that is less."""
AT_WORK: Final = 0.35
"""From this share on they work."""
SM_BY_POWER: Final = 0.3
"""With this share of their multiprocessors busy they work, whatever they draw."""
SM_ALONE: Final = 0.1
"""The same where power cannot be read."""
SM_IDLE: Final = 0.01
IDLE_BUSY: Final = 0.02
SPIN_BUSY: Final = 0.9


class Gpu(StrEnum):
    """What a worker's GPUs do."""

    WORKING = "working"
    SPINNING = "spinning"
    """A kernel is on them, and waits."""
    BUSY = "busy"
    """Nobody can say which of the two: utilisation is all there is."""
    IDLE = "idle"
    UNKNOWN = "unknown"


def gpu_of(now: Sampled, working_w: float) -> Gpu:
    """Say what the GPUs do; `working_w` is what their work takes above the idle draw, or 0."""
    if now.gpu_w is not None and now.gpu_idle_w is not None:
        return _by_power(now, max(now.gpu_w - now.gpu_idle_w, 0.0), now.gpu_idle_w, working_w)
    if now.gpu_sm_activity is not None:
        return _by_multiprocessors(now.gpu_sm_activity, now.gpu_utilisation)
    if now.gpu_utilisation is None:
        return Gpu.UNKNOWN
    return Gpu.IDLE if now.gpu_utilisation <= IDLE_BUSY else Gpu.BUSY


def _by_power(now: Sampled, above_w: float, idle_w: float, working_w: float) -> Gpu:
    busy = now.gpu_utilisation
    if now.gpu_sm_activity is not None and now.gpu_sm_activity >= SM_BY_POWER:
        return Gpu.WORKING
    near_w = NEAR_IDLE * idle_w
    if working_w:
        near_w = min(near_w, NEAR_IDLE_OF_WORK * working_w)
    if above_w <= near_w:
        return Gpu.SPINNING if busy is not None and busy >= 0.5 else Gpu.IDLE
    # An open context alone draws more than an idle GPU; nothing runs where nothing is busy.
    if busy is not None and busy <= IDLE_BUSY and above_w <= idle_w:
        return Gpu.IDLE
    if not working_w or above_w >= AT_WORK * working_w:
        return Gpu.WORKING
    return Gpu.SPINNING if busy is not None and busy >= SPIN_BUSY else Gpu.UNKNOWN


def _by_multiprocessors(share: float, busy: float | None) -> Gpu:
    if share >= SM_ALONE:
        return Gpu.WORKING
    if share > SM_IDLE:
        return Gpu.UNKNOWN
    if busy is None or busy <= IDLE_BUSY:
        return Gpu.IDLE
    return Gpu.SPINNING if busy >= SPIN_BUSY else Gpu.UNKNOWN
