"""Reading traces and clusters for a command, with a word on what was skipped or mended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from noljima.model.amounts import several
from noljima.workload.reader import read_trace
from noljima.workload.trace import Problem, Trace


def read(path: Path, *, gpus_per_node: int | None, strict: bool) -> Trace:
    """Read a trace, and say on standard error which of its rows are not as they stand there."""
    trace = read_trace(path, gpus_per_node=gpus_per_node, strict=strict)
    warn(trace.name, "skipped", trace.problems, trace.problem_count)
    warn(trace.name, "mended", trace.notes, trace.note_count)
    return trace


def warn(name: str, kind: str, kept: Sequence[Problem], count: int) -> None:
    """Say on standard error which rows of a file were skipped or mended."""
    if count:
        first = kept[0]
        click.echo(
            f"noljima: {name}: {several(count, 'row')} {kind}; "
            f"the first is line {first.line}: {first.words}",
            err=True,
        )
