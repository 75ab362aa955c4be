"""Tables for a terminal or a pipe, without rich: light commands have no time to import it.

What jobs and users say of themselves is made harmless here: no name moves a cursor, turns a line
around or makes a column crooked.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

Row = TypeVar("Row")

_GAP: Final = "  "
_LEAST: Final = 12
"""A column that is cut keeps so much."""
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_COLOURS: Final = {
    "running": "32",
    "starting": "36",
    "stopping": "33",
    "queued": "",
    "held": "33",
    "infeasible": "31",
    "failed": "31",
    "succeeded": "32",
    "cancelled": "33",
}


class Column(NamedTuple, Generic[Row]):
    """One column of a table."""

    head: str
    write: Callable[[Row], str]
    right: bool = False
    wide: bool = False
    """Shown only where width is no matter."""
    cut: bool = False
    """Cut where the terminal is too narrow."""


def table(rows: Iterable[Row], columns: Sequence[Column[Row]], *, wide: bool = False) -> str:
    """Return a table: cut to fit a terminal, and uncut in a pipe or where `wide` is asked for."""
    shown = [column for column in columns if wide or not column.wide]
    cells = [[harmless(column.write(row)) for column in shown] for row in rows]
    lines = [[column.head for column in shown], *cells]
    widths = [max(map(width_of, column)) for column in zip(*lines, strict=True)]
    if not wide:
        widths = _fitted(widths, shown, terminal_width())
    return "\n".join(
        _line(cells_of, shown, widths, head=not place) for place, cells_of in enumerate(lines)
    )


def harmless(words: str) -> str:
    """Write what a terminal would obey, or nobody would see, so that it can be seen."""
    return _UNSEEN.sub(lambda found: _escape(found[0]), words)


def _escape(letter: str) -> str:
    number = ord(letter)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def width_of(words: str) -> int:
    """Count the cells that words take in a terminal: two for East Asian characters."""
    if words.isascii():
        return len(words)
    return sum(_cells(letter) for letter in words)


def terminal_width() -> int | None:
    """Return how wide the terminal is; None where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def coloured() -> bool:
    """Say whether colours are wanted: on a terminal, and not with NO_COLOR."""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "") != "dumb"
    )


def cut(words: str, width: int) -> str:
    """Cut words to so many cells, with an ellipsis where something is missing."""
    if width_of(words) <= width:
        return words
    kept, used = [], 0
    for letter in words:
        used += _cells(letter)
        if used > width - 1:
            break
        kept.append(letter)
    return "".join(kept) + "…"


def padded(words: str, width: int, *, right: bool = False) -> str:
    """Fill words up to so many cells."""
    blank = " " * (width - width_of(words))
    return blank + words if right else words + blank


def _cells(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _fitted(widths: list[int], columns: Sequence[Column[Row]], available: int | None) -> list[int]:
    """Take from the columns that may be cut, the last first, until the table fits."""
    if available is None:
        return widths
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - available
    for place in reversed(range(len(columns))):
        if excess > 0 and columns[place].cut:
            taken = min(excess, max(0, widths[place] - _LEAST))
            widths[place] -= taken
            excess -= taken
    return widths


def _line(
    cells: Sequence[str], columns: Sequence[Column[Row]], widths: Sequence[int], *, head: bool
) -> str:
    colour = coloured()
    parts = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        part = padded(cut(cell, width), width, right=column.right)
        if colour and head:
            part = f"\x1b[1m{part}\x1b[0m"
        elif colour and column.head == "State" and _COLOURS.get(cell):
            part = f"\x1b[{_COLOURS[cell]}m{part}\x1b[0m"
        parts.append(part)
    return _GAP.join(parts).rstrip()
