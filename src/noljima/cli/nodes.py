"""`noljima nodes`: the machine with its GPUs, and what each of them has to do."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from noljima.cli.asking import CODES, answered, ask, at_option
from noljima.cli.columns import Column, harmless, table
from noljima.cli.printing import Form, form_option, repeated, show, watch_option
from noljima.control.messages import GpuRow, NodeRow, NodeRows, Nodes
from noljima.model.amounts import thousandths

EPILOG = f"""\
{CODES}
Examples:

\b
    noljima nodes
    noljima nodes -o wide --watch
"""


@click.command(epilog=EPILOG)
@form_option
@watch_option
@at_option
@answered
def nodes(*, form: str, watch: bool, at: Path | None) -> None:
    """Show the GPUs: what is on each, what is free, and what they measure."""
    for _ in repeated(at, watch=watch):
        answer = ask(at, Nodes(), NodeRows)
        names = [row.node for row in answer.rows]
        show(answer, form, partial(nodes_table, wide=form == Form.WIDE), names)


class _Line(NamedTuple):
    """One GPU of one node."""

    node: NodeRow
    gpu: GpuRow


def nodes_table(answer: NodeRows, *, wide: bool) -> str:
    """Write a line for each GPU, and below it what a machine says of itself."""
    lines = [_Line(node, gpu) for node in answer.rows for gpu in node.gpus]
    columns = [
        Column[_Line]("Node", lambda line: line.node.node),
        Column[_Line]("GPU", lambda line: str(line.gpu.number), right=True),
        Column[_Line]("Type", lambda line: line.gpu.name or line.node.gpu_type or "-"),
        Column[_Line]("Free", lambda line: thousandths(line.gpu.free_milli), right=True),
        Column[_Line]("Busy", lambda line: _share(line.gpu.utilisation), right=True),
        Column[_Line]("Memory", lambda line: _memory(line.gpu), right=True),
        Column[_Line]("Power", lambda line: _unit(line.gpu.power_w, "W"), right=True),
        Column[_Line]("Temp.", lambda line: _unit(line.gpu.temperature_c, "°C"), right=True),
        Column[_Line]("UUID", lambda line: line.gpu.uuid or "-", wide=True),
        Column[_Line]("Jobs", lambda line: ", ".join(line.gpu.jobs) or "-", cut=True),
        Column[_Line]("Out", lambda line: line.gpu.out or "-", cut=True),
    ]
    parts = [table(lines, columns, wide=wide)] if lines else ["No GPUs."]
    parts += [f"{harmless(node.node)}: {harmless(w)}" for node in answer.rows for w in node.words]
    return "\n".join(parts)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _memory(gpu: GpuRow) -> str:
    if gpu.memory_mib is None:
        return "-"
    whole = f"{gpu.memory_mib / 1024:.0f} GiB"
    return whole if gpu.memory_used_mib is None else f"{gpu.memory_used_mib / 1024:.1f} of {whole}"


def _unit(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.0f} {unit}"
