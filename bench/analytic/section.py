"""A part of the report: a table for people, and figures by name for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple


class Section(NamedTuple):
    """A titled table with its figures."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    figures: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the table with its columns aligned."""
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            [
                self.title,
                *(_aligned(line, widths) for line in lines),
                *(f"  {name}: {value:.4g}" for name, value in self.figures.items()),
                *(f"  {note}" for note in self.notes),
            ]
        )


def percent(share: float) -> str:
    """Return a share as a percentage with a decimal."""
    return f"{100 * share:.1f} %"


def off(predicted: float, measured: float) -> str:
    """Return how far a prediction is off, with its sign."""
    return f"{100 * (predicted / measured - 1):+.1f} %"


def mean_error(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the mean absolute relative error of (predicted, measured) pairs."""
    return fmean(abs(predicted / measured - 1.0) for predicted, measured in pairs)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(line, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "  " + "  ".join(cells).rstrip()
