"""Plays the demonstration and tells how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from noljima.cli.endings import fail
from noljima.control.client import ControlError
from noljima.demo import ending
from noljima.demo.ending import Told
from noljima.demo.play import GPUS
from noljima.demo.running import Play, UnendedError, performed
from noljima.demo.stage import StageError
from noljima.model.amounts import several

_WIDTH: Final = 110


def run(folder: Path, picture: Path | None = None) -> int:
    """Play in a folder; return the exit code."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(f"A scheduler on {GPUS} virtual GPUs, in {folder}; it takes about 90 s.")
    try:
        told, playing, evidence = performed(folder, console, picture)
    except (StageError, ControlError) as error:
        fail(f"demo: {error}")
    except UnendedError as error:
        console.print(f"demo: {error}")
        return 1
    _tell(console, told, playing)
    for job, words in evidence.items():
        for each in words:
            console.print(f"  job {job}: {each}", highlight=False)
    left = ending.left_behind(folder)
    for what in left:
        console.print(f"left behind: {what}", highlight=False)
    wrong = _unexpected(told, playing)
    for words_of in wrong:
        console.print(f"not as it should be: {words_of}", highlight=False)
    if not left and not wrong:
        console.print("Nothing is left: no process, no control group, no file outside the folder.")
    return 1 if left or wrong else 0


def _tell(console: Console, told: Sequence[Told], playing: Play) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Job", "Name", "GPUs", "Handed in", "Strict queue", "By", "Started", "Ended"):
        table.add_column(name, justify="left" if name == "Name" else "right")
    table.add_column("How")
    for each in told:
        row = each.row
        by_s = playing.promised_s.get(row.job)
        begin_s = row.submitted_s - each.handed_s
        evicted = f", evicted {several(row.evictions, 'time')}" if row.evictions else ""
        table.add_row(
            row.job,
            row.name,
            str(row.gpu_milli // 1000),
            f"{each.handed_s:.1f} s",
            f"{each.strict_s:.1f} s",
            "" if by_s is None else f"{by_s - begin_s:.0f} s",
            "" if each.started_s is None else f"{each.started_s:.1f} s",
            f"{each.ended_s:.1f} s",
            f"{row.outcome}{evicted}",
        )
    console.print(table)
    console.print(_summary(told))


def _summary(told: Sequence[Told]) -> str:
    started = [each for each in told if each.started_s is not None]
    waits_s = [(each.started_s or 0.0) - each.handed_s for each in started]
    strict_s = [each.strict_s - each.handed_s for each in started]
    mean_s, strict_mean_s = sum(waits_s) / len(waits_s), sum(strict_s) / len(strict_s)
    late = [each for each in started if (each.sooner_s or 0.0) < -_SLACK_S]
    return (
        f"Mean wait {mean_s:.1f} s; first come, first served {strict_mean_s:.1f} s. "
        f"{len(late)} of {len(told)} jobs started more than {_SLACK_S:g} s later than in the strict"
        " queue."
    )


_SLACK_S: Final = 3.0
"""Starting a process, saving a state and meeting take time that the strict queue does not need."""
_ENDS: Final[Mapping[str, str]] = {"hang": "failed", "crash": "failed", "endless": "limit"}


def _unexpected(told: Sequence[Told], playing: Play) -> list[str]:
    """Say which jobs ended otherwise than they should."""
    wrong = []
    for each in told:
        part = playing.parts[each.row.job]
        wanted = _ENDS.get(part.submission.name, "succeeded")
        if each.row.outcome != wanted:
            words = f"job {each.row.job} ({part.what}) has {each.row.outcome or 'not ended'}"
            wrong.append(f"{words} instead of {wanted}: {each.row.words}")
    return wrong
