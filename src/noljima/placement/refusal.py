"""Why a gang does not fit, as a value with words."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Lack(StrEnum):
    """What there is too little of."""

    GPUS = "GPUs"
    GPU_TYPE = "GPU type"
    GPU_MEMORY = "GPU memory"
    CPU = "CPU"
    MEMORY = "memory"
    NODES = "nodes"


class Refusal(msgspec.Struct, frozen=True):
    """Why a gang does not fit into a space; `words` go unchanged to its owner."""

    lack: Lack
    fitting: int
    """Workers that would fit."""
    wanted: int
    """Workers of the gang."""
    words: str

    def __str__(self) -> str:
        """Read as the sentence."""
        return self.words
