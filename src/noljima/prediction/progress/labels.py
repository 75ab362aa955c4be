"""What the words beside a progress bar say that it counts."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final, NamedTuple


class Role(Enum):
    """What a bar is about."""

    TRAIN = auto()
    EVALUATE = auto()
    OTHER = auto()
    """Work that comes before, after or beside: downloads, data preparation, saving."""
    UNKNOWN = auto()


class Label(NamedTuple):
    """The words beside a bar, understood."""

    role: Role
    epoch: int | None = None
    """The number of the epoch, as printed: the first may be 0 or 1."""
    epochs: int | None = None
    over_epochs: bool = False
    """Whether the bar counts epochs."""


# Words stand alone: "val" in "val_loader" and not in "interval".
_BEGIN: Final = r"(?<![a-z])"
_END: Final = r"(?![a-z])"
_EVALUATE: Final = re.compile(
    rf"{_BEGIN}(?:eval\w*?|valid\w*?|val|test(?:s|ing)?|sanity|predict\w*?|infer\w*?|dev|scoring)"
    rf"{_END}"
)
_OTHER: Final = re.compile(
    rf"{_BEGIN}(?:download\w*?|load(?:ing)?|fetch\w*?|map|filter|token\w*?|pre-?process\w*?"
    r"|prepar\w*?|generating|cach\w*?|extract\w*?|unpack\w*?|upload\w*?|sav(?:e|ing)|writing"
    r"|building|reading|resolving|shards?|convert\w*?|casting|collat\w*?|warm-?up|compil\w*?"
    rf"|checkpoints?){_END}"
)
_TRAIN: Final = re.compile(
    rf"{_BEGIN}(?:train(?:ing)?|fit(?:ting)?|steps?|iter\w*?|batch\w*?){_END}"
)
_EPOCH: Final = re.compile(
    rf"{_BEGIN}epoch[\s:#\[(]{{0,4}}(?P<epoch>\d{{1,9}})(?:\s?(?:/|of)\s?(?P<epochs>\d{{1,9}}))?"
)
_EPOCHS: Final = re.compile(rf"{_BEGIN}epochs?{_END}")
_LABEL_MAX: Final = 120


@lru_cache(maxsize=256)
def understood(words: str) -> Label:
    """Say what a bar with these words beside it counts."""
    words = words[-_LABEL_MAX:].lower()
    if _EVALUATE.search(words):
        return Label(Role.EVALUATE)
    numbered = _EPOCH.search(words)
    if numbered is not None:
        epochs = None if numbered["epochs"] is None else int(numbered["epochs"])
        return Label(Role.TRAIN, int(numbered["epoch"]), epochs)
    if _OTHER.search(words):
        return Label(Role.OTHER)
    if _EPOCHS.search(words):
        return Label(Role.TRAIN, over_epochs=True)
    return Label(Role.TRAIN if _TRAIN.search(words) else Role.UNKNOWN)
