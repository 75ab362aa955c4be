"""What a worker uses while it does something: rates, shares and states, before noise."""

from __future__ import annotations

from typing import Final

import msgspec


class Mode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The use of one worker's machine, per second where it is a rate."""

    cores: float = 0.0
    read: float = 0.0
    written: float = 0.0
    network: float = 0.0
    pcie: float = 0.0
    nvlink: float = 0.0
    power: float = 0.0
    """The share of what full work draws above idle."""
    busy: float = 0.0
    """What the GPU calls its utilisation."""
    sm: float = 0.0
    state: str = "S"
    log: float = 0.0


TRAIN: Final = Mode(
    cores=1.4,
    read=6e6,
    network=3e6,
    pcie=3e8,
    nvlink=3e9,
    power=1.0,
    busy=0.95,
    sm=0.6,
    state="R",
    log=40.0,
)
LIGHT: Final = Mode(
    cores=0.4, read=2e5, pcie=2e7, power=0.06, busy=0.15, sm=0.04, state="R", log=5.0
)
"""A small model that leaves most of its GPU alone."""
EVALUATE: Final = Mode(
    cores=1.1, read=4e6, pcie=1e8, power=0.7, busy=0.8, sm=0.5, state="R", log=2.0
)
COMPILE: Final = Mode(cores=5.0, read=1e4, written=2e4, power=0.03, state="R", log=1.0)
PREPARE: Final = Mode(cores=7.0, read=3e7, written=1e7, power=0.02, state="R", log=1.0)
CPU_ONLY: Final = Mode(cores=1.0, state="R")
SAVE: Final = Mode(cores=0.3, written=3e8, power=0.03, state="D", log=1.0)
DOWNLOAD: Final = Mode(cores=0.08, written=8e6, network=9e6, power=0.02, log=1.0)
TRICKLE: Final = Mode(cores=0.004, written=1.5e4, network=2e4, power=0.02)
STORAGE: Final = Mode(cores=0.001, power=0.02, state="D")
"""Waits in the kernel for a file system that does not answer."""
SPIN: Final = Mode(cores=1.0, power=0.14, busy=1.0, sm=0.06, state="R")
"""A collective that waits for somebody: CPU and GPU call themselves busy."""
SLEEP: Final = Mode(cores=0.003, network=150.0, written=60.0, power=0.02)
"""Nothing but heartbeats of helper threads."""
CHATTER: Final = Mode(cores=0.004, network=400.0, written=120.0, power=0.02, log=6.0)
"""The same, with a thread that says every minute that it is still there."""
FROZEN: Final = Mode(state="T", power=0.02)
GONE: Final = Mode(state="")
