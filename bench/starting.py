"""What the program costs before it does anything: to start, and to have installed."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import msgspec

from bench.row import Result, Row

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How often each is started."""

    runs: int = 15


def measure(plan: Plan) -> Result:
    """Measure starts of the command line, imports, and the size of what is installed."""
    commands = {
        "`noljima --help`": ["-m", "noljima", "--help"],
        "`noljima policies`": ["-m", "noljima", "policies"],
        "`noljima simulate --help`": ["-m", "noljima", "simulate", "--help"],
    }
    imports = {"`import noljima.engine`": "noljima.engine", "`import noljima.app`": "noljima.app"}
    rows = [_row(what, arguments, plan.runs, 150.0) for what, arguments in commands.items()]
    rows += [
        _row(what, ["-c", f"import {module}"], plan.runs, None) for what, module in imports.items()
    ]
    rows.append(_row("an empty Python, for comparison", ["-c", ""], plan.runs, None))
    names = _needed("noljima", set())
    megabytes = sum(_bytes(name) for name in names) / 1e6
    section = "Install"
    rows += [
        Row(
            section=section,
            what="distributions, Noljima among them",
            values=(float(len(names)),),
            unit="",
            note=", ".join(sorted(names)),
            budget=30.0,
        ),
        Row(section=section, what="on disk", values=(megabytes,), unit="MB", budget=100.0),
    ]
    return Result(rows=rows)


def _row(what: str, arguments: list[str], runs: int, budget: float | None) -> Row:
    times = tuple(_cpu_ms(arguments) for _ in range(runs))
    return Row(section="Start", what=what, values=times, unit="ms", budget=budget)


def _cpu_ms(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)  # noqa: S603 - ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _needed(name: str, seen: set[str]) -> set[str]:
    """Return a distribution and all that it needs here, extras left out."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return seen
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # for another platform or an older Python
        return seen
    seen.add(key)
    for requirement in requirements:
        match = _NAME.match(requirement)
        if match is not None and "extra ==" not in requirement:
            _needed(match.group(), seen)
    return seen


def _bytes(name: str) -> int:
    """Add up the files of a distribution; of one that is edited in place, its sources."""
    if name == "noljima":
        import noljima  # noqa: PLC0415 - only to find its files

        files = list(Path(noljima.__file__).parent.rglob("*"))
    else:
        files = [Path(str(file.locate())) for file in metadata.files(name) or []]
    return sum(f.stat().st_size for f in files if f.is_file() and f.suffix != ".pyc")
