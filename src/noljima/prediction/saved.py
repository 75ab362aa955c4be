"""A history as bytes and back: what it knows is a value, with a version and a digest.

The first line tells what it is, its version and the SHA-256 of the rest; the rest is MessagePack.
Nothing in it is executed when it is read, and what does not match its digest is refused.
"""

from __future__ import annotations

import hashlib
import math
from typing import Final, NoReturn

import msgspec

from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import JobId
from noljima.prediction.experts import WeightsState
from noljima.prediction.parts import Parts
from noljima.prediction.points import POINT_EXPERTS, PointsState
from noljima.prediction.rings import RingsState

VERSION: Final = 1
_MAGIC: Final = b"noljima-history"
_HEAD_BYTES_MAX: Final = 200

SavedShape = tuple[str, str, str, int, float | None]


class PendingState(msgspec.Struct, frozen=True):
    """What was said of a job that has not ended."""

    job: JobId
    shape: SavedShape
    quantiles_s: tuple[float, float, float]
    expert_log_s: list[tuple[float, float, float]]
    features: list[list[float]]


class HistoryState(msgspec.Struct, frozen=True):
    """Everything that a history knows."""

    parts: Parts
    now_s: float
    levels: tuple[float, float, float]
    rings: RingsState
    weights: WeightsState
    points: dict[str, PointsState]
    errors: dict[str, RingsState]
    pending: list[PendingState]
    running: list[tuple[JobId, float]]
    """Jobs that run, those of a kind in the order in which they started, and when that was."""

    def __post_init__(self) -> None:
        """Refuse parts that do not belong together."""
        count = len(self.parts.experts)
        points = [name for name in self.parts.experts if name in POINT_EXPERTS]
        weights = [self.weights.everybody, *self.weights.users.values()]
        pending = {told.job for told in self.pending}
        fits = (
            list(self.points) == points == list(self.errors)
            and all(len(row) == count and all(map(math.isfinite, row)) for row in weights)
            and all(len(told.expert_log_s) == count for told in self.pending)
            and all(len(told.features) == len(points) for told in self.pending)
            and all(job in pending for job, _ in self.running)
            and all(map(math.isfinite, (self.now_s, *self.levels)))
        )
        if not fits:
            raise InvalidFieldError("history", "state", "has parts that do not belong together")


def packed(state: HistoryState) -> bytes:
    """Write a state; the same state always gives the same bytes."""
    payload = msgspec.msgpack.encode(state)
    digest = hashlib.sha256(payload).hexdigest()
    return b"%s %d %s\n%s" % (_MAGIC, VERSION, digest.encode(), payload)


def unpacked(data: bytes) -> HistoryState:
    """Read a state, or refuse in words what is none, is damaged or is of another version."""
    head, newline, payload = data[:_HEAD_BYTES_MAX].partition(b"\n")
    words = head.split(b" ")
    if words[0] != _MAGIC:
        _refuse("is no history that was saved")
    if not newline or len(words) != 3:
        _refuse("is damaged in its first line")
    if words[1] != b"%d" % VERSION:
        version = words[1].decode("ascii", "replace")
        _refuse(f"is of version {version!r}; this program reads version {VERSION}")
    payload = data[len(head) + 1 :]
    if hashlib.sha256(payload).hexdigest().encode() != words[2]:
        _refuse("is damaged: what it holds does not match its digest")
    try:
        return msgspec.msgpack.decode(payload, type=HistoryState)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        _refuse(f"cannot be read: {error}")


def _refuse(words: str) -> NoReturn:
    raise InvalidFieldError("history", "state", words)
