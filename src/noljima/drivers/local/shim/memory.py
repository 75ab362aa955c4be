"""How much memory a job takes, where no control group counts it.

Resident pages are quickly added up, but count what processes share once for each of them. So they
only say when it is worth asking the kernel for the exact share, which takes it longer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from noljima.drivers.local.shim import proc
from noljima.drivers.local.shim.proc import Stat

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def parse_share(rollup: bytes) -> int | None:
    """Return the proportional share that `smaps_rollup` tells, in bytes."""
    for line in rollup.splitlines():
        if line.startswith(b"Pss:"):
            words = line.split()
            return int(words[1]) * 1024 if len(words) == 3 and words[1].isdigit() else None
    return None


def resident(processes: Sequence[Stat]) -> int:
    """Return at most how many bytes these processes have in memory together."""
    return sum(stat.resident_pages for stat in processes) * _PAGE


def taken(processes: Sequence[Stat]) -> int:
    """Return how many bytes these processes have in memory, what they share counted once."""
    total = 0
    for stat in processes:
        share = parse_share(proc.read(f"{proc.PROC}/{stat.pid}/smaps_rollup"))
        total += stat.resident_pages * _PAGE if share is None else share
    return total


def beyond(processes: Sequence[Stat], limit: int) -> bool:
    """Say whether these processes take more than they may."""
    return resident(processes) > limit and taken(processes) > limit
