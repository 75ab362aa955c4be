"""The queue while it lives: a table that redraws itself, or one line for each change in a pipe."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from noljima.control.messages import JobRow
from noljima.model.amounts import gpus
from noljima.model.lifecycle import State

_COLOURS: Final = {
    State.RUNNING.value: "green",
    State.STARTING.value: "green",
    State.STOPPING.value: "yellow",
    State.FAILED.value: "red",
}
_PICTURE_WIDTH: Final = 120
_CLAUSES: Final = 3
_WAITING: Final = frozenset({State.QUEUED.value, State.HELD.value, State.INFEASIBLE.value})


class Board:
    """What people see of the play."""

    def __init__(self, console: Console, begin_s: float) -> None:
        self._console = console
        self._begin_s = begin_s
        self._live: Live | None = None
        self._told: dict[str, str] = {}

    def picture(self, path: Path, now_s: float, rows: Sequence[JobRow], ended: int) -> None:
        """Save the table as an SVG."""
        console = Console(record=True, width=_PICTURE_WIDTH, file=io.StringIO())
        console.print(self._table(now_s, rows, ended))
        console.save_svg(str(path), title="noljima demo")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the table on the screen."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=4, transient=True) as self._live:
            yield

    def update(self, now_s: float, rows: Sequence[JobRow], ended: Sequence[JobRow]) -> None:
        """Show how things stand."""
        if self._live is not None:
            self._live.update(self._table(now_s, rows, len(ended)))
        for row in (*rows, *ended):
            said = _said(row)
            if self._told.get(row.job) != said:
                self._told[row.job] = said
                at = f"{now_s - self._begin_s:5.1f} s"
                self._console.print(f"{at}  {row.job:>5} {row.name:<8} {said}", highlight=False)

    def _table(self, now_s: float, rows: Sequence[JobRow], ended: int) -> Group:
        table = Table(box=None, pad_edge=False, expand=True)
        for name in ("Job", "Name", "GPUs", "State", "Start (by)", "What, and why"):
            table.add_column(name, no_wrap=name != "What, and why")
        for row in rows:
            colour = _COLOURS.get(row.state, "")
            when = self._when(row) if row.state in _WAITING else self._share(row)
            words = (row.job, row.name, gpus(row.gpu_milli), row.state, when, _why(row))
            table.add_row(*(Text(each, style=colour) for each in words))
        held = sum(r.gpu_milli for r in rows if r.state not in _WAITING) // 1000
        head = f"{now_s - self._begin_s:.0f} s   {held} of 8 GPUs in use   {ended} jobs ended"
        return Group(Text(head, style="bold"), table)

    def _when(self, row: JobRow) -> str:
        if row.about_s is None:
            return ""
        about = f"{max(row.about_s - self._begin_s, 0.0):.0f} s"
        return about if row.by_s is None else f"{about} ({row.by_s - self._begin_s:.0f} s)"

    def _share(self, row: JobRow) -> str:
        return "" if row.progress is None else f"{row.progress:.0%} done"


def _said(row: JobRow) -> str:
    """Tell of a change in one line; a reason that only moves its times is no change."""
    if row.ended_s is not None:
        return f"{row.outcome}{': ' + row.words if row.words else ''}"
    if row.state in _WAITING:
        return f"waits: {row.code}"
    verdict = f", {row.verdict}" if row.verdict else ""
    return f"{row.state} on {gpus(row.gpu_milli)} {list(row.gpus)}{verdict}"


def _why(row: JobRow) -> str:
    if row.state in _WAITING:
        # The times that follow have a column of their own.
        reason = "; ".join(row.reason.split("; ")[:_CLAUSES])
        return f"{row.code}: {reason}" if row.code else reason
    return row.verdict or row.words or ("guest" if row.guest else "")


def now_s() -> float:
    """Say what time it is for people."""
    return time.clock_gettime(time.CLOCK_REALTIME)
