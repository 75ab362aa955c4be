"""Runs side by side in a terminal, or in a file where there is no terminal.

A few policies read best as columns, so that every figure has its line; where that is too wide for
the terminal the policies are rows and only the main figures are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from noljima.report import wording
from noljima.report.catalogue import FIGURES, Better, Figure, Value, best, written

Figures = Mapping[str, Value]

MAIN_KEYS: Final = (
    "mean_wait_s",
    "mean_bounded_slowdown",
    "max_wait_s",
    "order_violations",
    "idle_gpu_hours_while_waiting",
    "utilisation",
    "max_bounded_slowdown",
    "p95_wait_s",
    "evictions",
)
"""The figures of the narrow form; the first matter most."""
_WIDTH_MAX: Final = 10_000
_HARD_SPACE: Final = "\N{NO-BREAK SPACE}"
_NAMES: Final = ("policy", "estimates")


class Comparison:
    """A rich renderable: the runs' figures, the best of each in bold."""

    def __init__(self, runs: Sequence[Figures]) -> None:
        self._runs = runs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Choose what reads best on this console."""
        if not console.is_terminal:
            # One segment a line, as wide as it is: a pipe has no width to fit into.
            yield Text(plain(self._runs), no_wrap=True, overflow="ignore")
            return
        table = _policies_as_columns(self._runs)
        # Where even that is too wide, the figures that matter least are left out first.
        for shown in range(len(MAIN_KEYS), 0, -1):
            if _width(console, options, table) <= options.max_width:
                break
            table = _policies_as_rows(self._runs, MAIN_KEYS[:shown])
        yield table


def comparison(figures: Sequence[Figures]) -> Comparison:
    """Return a rich renderable that compares runs side by side."""
    return Comparison(figures)


def show(figures: Sequence[Figures], console: Console) -> None:
    """Print the comparison; into a file or a pipe it goes uncut."""
    console.print(Comparison(figures), soft_wrap=not console.is_terminal)


def plain(figures: Sequence[Figures]) -> str:
    """Return the comparison as aligned ASCII text, an asterisk at the best of each figure."""
    return aligned([[figure.label, *cells] for figure, cells in _lines(figures, mark="*")])


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as ASCII text, the first column to the left and the others right."""
    lines = [[wording.ascii_only(cell) for cell in line] for line in lines]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(_padded(cell, width, left=place == 0) for place, (cell, width) in row).rstrip()
        for row in (enumerate(zip(line, widths, strict=True)) for line in lines)
    )


def _padded(cell: str, width: int, *, left: bool) -> str:
    blank = " " * (width - cell_len(cell))
    return cell + blank if left else blank + cell


def _lines(runs: Sequence[Figures], *, mark: str) -> Iterable[tuple[Figure, list[str]]]:
    """Yield each figure that any run knows, with its cells; the best get the mark behind."""
    for figure in FIGURES:
        values = [run.get(figure.key) for run in runs]
        if all(value is None for value in values):
            continue
        tops = best(figure, values)
        blank = " " * len(mark) if figure.better is not Better.NEITHER else ""
        yield (
            figure,
            [
                written(figure, value) + (mark if top else blank)
                for value, top in zip(values, tops, strict=True)
            ],
        )


def _policies_as_columns(runs: Sequence[Figures]) -> Table:
    table = _table()
    table.add_column("", no_wrap=True)
    for run in runs:
        table.add_column(_name(run, "\n"), justify="right", no_wrap=True)
    for figure, cells in _lines(runs, mark=""):
        if figure.key not in _NAMES:
            tops = best(figure, [run.get(figure.key) for run in runs])
            table.add_row(figure.label, *map(_cell, cells, tops))
    return table


def _policies_as_rows(runs: Sequence[Figures], keys: Sequence[str]) -> Table:
    known = [figure for figure, _ in _lines(runs, mark="") if figure.key in keys]
    table = _table()
    table.add_column("Policy", no_wrap=True)
    for figure in known:
        header = figure.label.replace(" %", _HARD_SPACE + "%").replace(" ", "\n")
        table.add_column(header, justify="right", no_wrap=True)
    tops = [best(figure, [run.get(figure.key) for run in runs]) for figure in known]
    for row, run in enumerate(runs):
        cells = [written(figure, run.get(figure.key)) for figure in known]
        table.add_row(_name(run, " / "), *map(_cell, cells, [top[row] for top in tops]))
    return table


def _table() -> Table:
    # The box has a blank between columns; with one of padding they stand two apart.
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def _width(console: Console, options: ConsoleOptions, table: Table) -> int:
    return Measurement.get(console, options.update(max_width=_WIDTH_MAX), table).maximum


def _name(run: Figures, between: str) -> Text:
    """Name a run by its policy and estimates; as Text, so that no markup in a name is obeyed."""
    policy, estimates = (str(run.get(key) or "") for key in _NAMES)
    return Text(f"{policy}{between}{estimates}" if estimates else policy)


def _cell(words: str, top: bool) -> Text:  # noqa: FBT001 - mapped over cells and marks
    return Text(words, style="bold" if top else "")
