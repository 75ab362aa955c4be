"""How well the start times that a run promised were kept: a sink, figures, a curve and a file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event
from noljima.report import atomic
from noljima.report.record import Flags, Floats, RunRecord

if TYPE_CHECKING:
    from noljima.engine.promises import Settled  # see `record`

WINDOW: Final = 500
"""So many promises in a row make one share of those that were kept."""
HEADER: Final = ("job", "made_s", "about_s", "first_by_s", "by_s", "start_s", "moves", "kept")


class Hearer:
    """A sink that takes down what becomes of the promises of a run."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._settled: list[Settled] = []

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - the engine has it
        """Take down what has been settled in this moment."""
        if self._engine.promises is not None:
            self._settled += self._engine.promises.take_settled()

    def entered(self, record: RunRecord) -> RunRecord:
        """Return the record with the promises, in the order in which they were made."""
        if self._engine.promises is None:
            return record
        made = sorted(self._settled, key=lambda each: each.made_s)
        return replace(record, promises=tuple(made))


def figures(promises: Sequence[Settled]) -> dict[str, float]:
    """Compute every figure on promises, by JSON key; a figure of none at all is NaN."""
    kept = np.array([each.kept for each in promises], dtype=np.bool_)
    made_s = np.array([each.made_s for each in promises])
    wait_s = np.array([each.start_s for each in promises]) - made_s
    width_s = np.array([each.first_by_s for each in promises]) - made_s
    off_s = np.abs([each.start_s - each.about_s for each in promises])
    first_kept = np.array([each.first_kept for each in promises], dtype=np.bool_)
    moves = np.array([each.moves for each in promises], dtype=np.float64)
    return {
        "promises.made": len(promises),
        "promises.kept": int(kept.sum()),
        "promises.share_kept": _mean(kept),
        "promises.first_kept": _mean(first_kept),
        "promises.lowest_window": float(window_shares(kept).min()) if len(kept) else math.nan,
        "promises.median_error_s": _median(off_s),
        "promises.median_wait_s": _median(wait_s),
        "promises.median_width_s": _median(width_s),
        "promises.moves_mean": _mean(moves),
    }


def window_shares(kept: Flags) -> Floats:
    """Return the share kept of each `WINDOW` promises in a row; of fewer, of all."""
    count = min(WINDOW, len(kept))
    sums = np.concatenate(([0], np.cumsum(kept)))
    shares: Floats = (sums[count:] - sums[: len(sums) - count]) / count
    return shares


def kept_by(promises: Sequence[Settled], times_s: Floats) -> Floats:
    """Return at each time the share kept of the last `WINDOW` promises made by then.

    NaN before there were so many; where there never are, of all that were made by then.
    """
    count = min(WINDOW, len(promises))
    if not count:
        return np.full(len(times_s), np.nan)
    shares = window_shares(np.array([each.kept for each in promises], dtype=np.bool_))
    made_s = np.array([each.made_s for each in promises])
    last = np.searchsorted(made_s, times_s, side="right") - count
    return np.where(last >= 0, shares[np.clip(last, 0, len(shares) - 1)], np.nan)


def write(path: Path, record: RunRecord) -> None:
    """Write a row for each promise, in the order in which they were made."""
    atomic.write_text(path, text(record.promises or ()))


def text(promises: Sequence[Settled]) -> str:
    """Return the promises as CSV text; times are seconds of the trace."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(HEADER)
    for each in promises:
        times_s = (each.made_s, each.about_s, each.first_by_s, each.by_s, each.start_s)
        row = [each.job, *(round(time_s, 3) for time_s in times_s), each.moves, int(each.kept)]
        writer.writerow(row)
    return lines.getvalue()


def _mean(values: Flags | Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else math.nan
