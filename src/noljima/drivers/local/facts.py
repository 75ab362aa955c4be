"""What happens on this machine that the engine need not know, and people and health want to."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from noljima.drivers.local.endings import Ending
from noljima.model.resources import JobId


class Ended(msgspec.Struct, frozen=True):
    """An attempt has ended, and why; told before the engine's event is."""

    job: JobId
    attempt: int
    ending: Ending


class Unkillable(msgspec.Struct, frozen=True):
    """Processes of an attempt were killed and do not go: its GPUs stay with it until they do."""

    job: JobId
    attempt: int
    gpus: tuple[int, ...]
    left: tuple[tuple[int, str, str], ...]
    """Number, name and state of each."""


class GpuOut(msgspec.Struct, frozen=True):
    """A GPU takes nothing new."""

    gpu: int
    reason: str


class GpuBack(msgspec.Struct, frozen=True):
    """A GPU takes work again."""

    gpu: int


class XidSeen(msgspec.Struct, frozen=True):
    """A GPU's driver has reported an error."""

    gpu: int
    number: int
    jobs: tuple[JobId, ...]
    """Those that run on it."""


class Stranger(msgspec.Struct, frozen=True):
    """An attempt runs that nobody knows of: it is ended, and its GPUs are not used before."""

    job: JobId
    attempt: int
    gpus: tuple[int, ...]


Fact = Ended | Unkillable | GpuOut | GpuBack | XidSeen | Stranger

Told = Callable[[Fact], None]


def unheard(fact: Fact) -> None:
    """Tell nobody."""
