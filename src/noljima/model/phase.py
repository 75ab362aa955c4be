"""What a running job says that it is doing: only training brings its steps forward."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """What the time of a running job goes to."""

    TRAIN = "train"
    EVALUATE = "evaluate"
    CHECKPOINT = "checkpoint"
