"""Commands that people type all day import nothing that is slow to import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from noljima.control.messages import (
    Accepted,
    Bars,
    Detail,
    Gantt,
    History,
    JobRow,
    JobRows,
    Jobs,
    LogPart,
    Logs,
    NodeRows,
    Nodes,
    Question,
    Show,
    Submit,
)
from noljima.testing.desk import Desk, Script

OpenDesk = Callable[[Mapping[type[Question], Script]], Desk]
HEAVY = {"numpy", "rich", "asyncio", "yaml", "textual", "noljima.engine", "noljima.workload"}
ROW = JobRow(job="1", state="queued", submitted_s=0.0)
SCRIPT: Mapping[type[Question], Script] = {
    Jobs: JobRows(now_s=0.0, rows=(ROW,)),
    History: JobRows(now_s=0.0, rows=(ROW,)),
    Show: Detail(now_s=0.0, row=ROW),
    Logs: [LogPart(content=b"x")],
    Nodes: NodeRows(now_s=0.0, rows=()),
    Gantt: Bars(now_s=0.0, gpus=1),
    Submit: Accepted(now_s=0.0, rows=(ROW,)),
}


@pytest.mark.parametrize(
    "arguments",
    [
        ("queue",),
        ("ps",),
        ("history",),
        ("why", "1"),
        ("show", "1"),
        ("logs", "1"),
        ("nodes",),
        ("gantt",),
        ("submit", "--yes", "--", "x"),
        ("submit", "--help"),
        ("top", "--help"),
        ("completion", "zsh"),
    ],
    ids=" ".join,
)
def test_what_is_typed_all_day_loads_nothing_heavy(
    desk: OpenDesk, arguments: tuple[str, ...]
) -> None:
    desk(SCRIPT)
    script = (
        "import sys\nfrom noljima import cli\n"
        "try:\n    cli.main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print('loaded:', *sys.modules)\n"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    loaded = set(done.stdout.rpartition("loaded:")[2].split())

    assert "click" in loaded
    assert not loaded & HEAVY
