"""The figures as a table: printed, in docs/benchmarks.md, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from bench import curves
from bench.machine import ROOT, Machine
from bench.row import Point, Row

PAGE: Final = ROOT / "docs" / "benchmarks.md"
IMAGES: Final = ROOT / "docs" / "img"
RESULTS: Final = ROOT / "bench" / "results.json"
BEGIN: Final = "<!-- bench: what follows is written by `make bench` -->"
END: Final = "<!-- bench: end -->"
_UP: Final = "CPU milliseconds"
PLOTS: Final = {
    "nodes": (
        "One decision, by the size of the cluster",
        "nodes",
        "5 jobs running and 10 waiting for each node",
    ),
    "waiting": ("One decision, by the length of the queue", "waiting jobs", "on 1,000 nodes"),
}


class Report(msgspec.Struct, kw_only=True):
    """Everything that a run has measured."""

    machine: Machine
    rows: list[Row]
    points: list[Point]
    remarks: list[str]


def table(report: Report) -> Iterator[str]:
    """Write the report as Markdown."""
    machine = report.machine
    yield (
        f"Measured on {machine.date} at commit {machine.commit}, with `{machine.command}`, on"
        f" {machine.cpu}, {machine.cores} cores, {machine.memory_gib:g} GiB, {machine.system};"
        f" Python {machine.python}, numpy {machine.numpy}."
    )
    budgeted = [row for row in report.rows if row.met is not None]
    missed = [row for row in budgeted if not row.met]
    yield ""
    yield f"{len(budgeted) - len(missed)} of {len(budgeted)} budgets are met." + (
        f" Missed: {'; '.join(row.what for row in missed)}." if missed else ""
    )
    for section, rows in groupby(report.rows, key=lambda row: row.section):
        yield ""
        yield f"### {section}"
        yield ""
        yield "| what | measured | budget | |"
        yield "|---|---:|---:|---|"
        for row in rows:
            yield _line(row)
    for remark in report.remarks:
        yield ""
        yield f"Left out: {remark}."
    for name, _ in _curves(report.points):
        title, _, words = PLOTS[name]
        yield ""
        yield f"![{title}](img/bench-{name}.svg)"
        yield ""
        yield f"{title}, {words}."


def save(report: Report) -> list[Path]:
    """Write the page, its plots and the JSON."""
    written = [RESULTS, PAGE]
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, *table(report), END + after]), encoding="utf-8")
    for name, points in _curves(report.points):
        title, across, words = PLOTS[name]
        path = IMAGES / f"bench-{name}.svg"
        path.write_text(curves.svg(f"{title}, {words}", across, _UP, points), encoding="utf-8")
        written.append(path)
    return written


def _curves(points: Sequence[Point]) -> Iterator[tuple[str, list[Point]]]:
    for name in PLOTS:
        chosen = [point for point in points if point.curve == name]
        if chosen:
            yield name, chosen


def _line(row: Row) -> str:
    measured = _amount(row.value, row.unit)
    if len(row.values) > 1:
        low, high = min(row.values), max(row.values)
        measured += f" ({_amount(low, '')} to {_amount(high, '')}, {len(row.values)} runs)"
    budget, verdict = "", ""
    if row.budget is not None:
        budget = f"{'≥' if row.at_least else '≤'} {_amount(row.budget, row.unit)}"
        verdict = "met" if row.met else "**missed**"
    note = "; ".join(part for part in (verdict, row.note) if part)
    return f"| {row.what} | {measured} | {budget} | {note} |"


def _amount(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()
