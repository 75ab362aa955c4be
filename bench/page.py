"""The figures as a table: printed, in docs/benchmarks.md, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench import curves
from bench.machine import ROOT, Machine
from bench.row import Point, Result, Row

PAGE: Final = ROOT / "docs" / "benchmarks.md"
RESULTS: Final = ROOT / "bench" / "results.json"
BEGIN: Final = "<!-- bench: what follows is written by `make bench` -->"
END: Final = "<!-- bench: end -->"


class Plot(NamedTuple):
    """What a curve is called and shows."""

    title: str
    across: str
    up: str
    words: str


_BY_NODES: Final = "5 jobs running and 10 waiting for each node"
PLOTS: Final[Mapping[str, Plot]] = {
    "jobs": Plot(
        "Jobs simulated in a second, by the size of the month",
        "jobs",
        "jobs a CPU second",
        "on clusters in proportion, 32 to 256 GPUs",
    ),
    "nodes": Plot(
        "One decision, by the size of the cluster", "nodes", "CPU milliseconds", _BY_NODES
    ),
    "waiting": Plot(
        "One decision, by the length of the queue",
        "waiting jobs",
        "CPU milliseconds",
        "on 1,000 nodes",
    ),
    "nodes-memory": Plot("Memory, by the size of the cluster", "nodes", "MiB", _BY_NODES),
    "jobs-memory": Plot(
        "Memory of a simulation, by the size of the month",
        "jobs",
        "MiB",
        "all jobs and what is recorded of them included",
    ),
}


class Report(msgspec.Struct, kw_only=True):
    """Everything that a run has measured, and on what."""

    machine: Machine
    result: Result


def table(report: Report) -> Iterator[str]:
    """Write the report as Markdown: the budgets, then whatever else was measured, and curves."""
    machine, result = report.machine, report.result
    yield (
        f"Measured at commit {machine.commit} with `{machine.command}` on {machine.cpu},"
        f" {machine.cores} cores, {machine.memory_gib:g} GiB, {machine.system},"
        f" Python {machine.python}, numpy {machine.numpy}."
    )
    budgeted = [row for row in result.rows if row.met is not None]
    missed = [row for row in budgeted if not row.met]
    yield from ("", "### Budgets", "")
    yield f"{len(budgeted) - len(missed)} of {len(budgeted)} are met." + (
        f" Missed: {'; '.join(row.what for row in missed)}." if missed else ""
    )
    yield from ("", "| what | measured | budget | |", "|---|--:|--:|---|")
    yield from map(_line, budgeted)
    others = [row for row in result.rows if row.met is None]
    for section, rows in groupby(others, key=lambda row: row.section):
        yield from ("", f"### {section}", "", "| what | measured | |", "|---|--:|---|")
        yield from map(_line, rows)
    for remark in result.remarks:
        yield from ("", f"Left out: {remark}.")
    for failure in result.failures:
        yield from ("", f"**Failed:** {failure}.")
    drawn = list(_curves(result.points))
    if drawn:
        yield from ("", "### Growth")
    for name, _ in drawn:
        plot = PLOTS[name]
        yield from ("", f"![{plot.title}]({_image(name)})", "", f"*{plot.title}, {plot.words}.*")


def save(report: Report) -> list[Path]:
    """Write the page, its plots and the JSON."""
    written = [RESULTS, PAGE]
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), table(report)), encoding="utf-8")
    for name, points in _curves(report.result.points):
        plot = PLOTS[name]
        path = PAGE.parent / _image(name)
        path.write_text(curves.svg(plot.title, plot.across, plot.up, points), encoding="utf-8")
        written.append(path)
    return written


def filled(page: str, lines: Iterable[str]) -> str:
    """Put the lines between the marks of a page."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the table: no {BEGIN} and {END}")
    return "\n".join([before + BEGIN, *lines, END + after])


def _image(name: str) -> str:
    return f"img/bench-{name}.svg"


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
    if row.budget is None:
        return f"| {row.what} | {measured} | {row.note} |"
    budget = f"{'≥' if row.at_least else '≤'} {_amount(row.budget, row.unit)}"
    verdict = "met" if row.met else "**missed**"
    note = "; ".join(part for part in (verdict, row.note) if part)
    return f"| {row.what} | {measured} | {budget} | {note} |"


def _amount(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()
