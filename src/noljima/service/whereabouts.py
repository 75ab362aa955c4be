"""Where the processes of a job that seems to be stuck wait, as far as the kernel tells."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from noljima.drivers.local.endings import read_running
from noljima.drivers.local.shim import proc

PROCESSES_MAX: Final = 8
_PLACE_MAX: Final = 40


def of_run(folder: Path) -> str:
    """Say in one line in which state each process of a run is, and in what it waits."""
    running = read_running(folder)
    if running is None:
        return ""
    found = proc.below({running.pid}, proc.table())
    words = [_of_process(stat) for stat in found[:PROCESSES_MAX]]
    if len(found) > PROCESSES_MAX:
        words.append(f"and {len(found) - PROCESSES_MAX} more")
    return f"its processes: {', '.join(words)}" if words else ""


def _of_process(stat: proc.Stat) -> str:
    place = proc.read(f"{proc.PROC}/{stat.pid}/wchan").decode("ascii", "replace").strip("\0\n ")
    name = "".join(c if c.isprintable() else "?" for c in stat.name)
    waits = f" in {place[:_PLACE_MAX]}" if place not in {"", "0"} else ""
    return f"{stat.pid} {name} {stat.state}{waits}"
