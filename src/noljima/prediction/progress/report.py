"""What a job writes of itself into the file that `NOLJIMA_PROGRESS` names: lines of JSON.

`noljima.progress` writes such a file and docs/progress.md says what may stand in it. Whoever writes
it is not trusted: the numbers are checked here, once, and only the end of a long file is read.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from noljima.model.bounds import STEPS_MAX, InvalidFieldError
from noljima.model.phase import Phase
from noljima.prediction.progress.observation import Observation

LINE_BYTES_MAX: Final = 4096
TAIL_BYTES_MAX: Final = 65_536
"""How much of the end of a file is looked at: a job may add lines instead of replacing one."""
_EPOCHS_MAX: Final = 1e9
_UNIT_MAX: Final = 32
_PHASE_MAX: Final = 64
_TRAINING: Final = frozenset(("", "train", "training", "step", "steps"))

# Nesting has an end, and names of fields are decoded by other means than msgspec's own errors tell.
_UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """A line as it may stand there; fields of other names are passed over."""

    step: float
    total: float | None = None
    epoch: float | None = None
    epochs: float | None = None
    phase: str = Phase.TRAIN.value
    loss: float | Literal["nan", "inf", "-inf"] | None = None
    """JSON has no number for these three, and that a loss is one of them is worth knowing."""
    unit: str = ""
    step_s: float | None = None


_decode = msgspec.json.Decoder(_Report).decode


def parse(line: bytes | str) -> Observation:
    """Read one line; raise `InvalidFieldError` where it says what no progress can be.

    A step beyond the total is no mistake: the job goes on longer than it had said.
    """
    if len(line) > LINE_BYTES_MAX:
        raise InvalidFieldError("progress", line[:40], f"is longer than {LINE_BYTES_MAX:,} bytes")
    try:
        report = _decode(line)
    except _UNDECODABLE as error:
        raise InvalidFieldError("progress", line, f"is no report: {error}") from None
    if len(report.unit) > _UNIT_MAX:
        raise InvalidFieldError("progress unit", report.unit, f"is over {_UNIT_MAX} characters")
    if len(report.phase) > _PHASE_MAX:
        limit = f"is over {_PHASE_MAX} characters"
        raise InvalidFieldError("progress phase", report.phase, limit)
    if report.epochs is not None and report.epoch is None:
        raise InvalidFieldError("progress epochs", report.epochs, "says nothing without epoch")
    observation = Observation(
        step=_number("step", report.step, 0.0, STEPS_MAX),
        total=_optional("total", report.total, 0.0, STEPS_MAX) or None,
        epoch=_optional("epoch", report.epoch, 0.0, _EPOCHS_MAX),
        epochs=_optional("epochs", report.epochs, 0.0, _EPOCHS_MAX) or None,
        phase=_phase(report.phase),
        unit=report.unit,
        step_s=_optional("step_s", report.step_s, 0.0, 1e9) or None,
        loss=None if report.loss is None else float(report.loss),
    )
    place = observation.place()
    if place is not None:
        _number("step in all", place[0], 0.0, STEPS_MAX)
        _optional("total in all", place[1], 0.0, STEPS_MAX)
    return observation


def latest(content: bytes) -> Observation | None:
    """Return the last report of a file, replaced or added to; None where there is none.

    Half a line at the end is what a job is just writing: then the one before counts.
    """
    for line in reversed(content[-TAIL_BYTES_MAX:].splitlines()):
        if line.strip():
            try:
                return parse(line)
            except InvalidFieldError:
                continue
    return None


def _phase(word: str) -> Phase:
    """Return what a word stands for; one that is not known is something that the steps wait for."""
    word = word.strip().lower()
    if word in _TRAINING:
        return Phase.TRAIN
    return Phase.CHECKPOINT if word == Phase.CHECKPOINT else Phase.EVALUATE


def _optional(field: str, value: float | None, low: float, high: float) -> float | None:
    return None if value is None else _number(field, value, low, high)


def _number(field: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:  # also false for NaN
        raise InvalidFieldError(f"progress {field}", value, f"is outside {low:g} to {high:g}")
    return value
