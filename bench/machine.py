"""What was measured, and on what."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import msgspec
import numpy as np

ROOT = Path(__file__).parents[1]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Provenance of a set of figures."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    numpy: str
    commit: str
    date: str
    command: str


def describe(*, date: str | None, command: str) -> Machine:
    """Describe this machine and this checkout; without a date, that of the commit is taken."""
    dirty = "" if not _git("status", "--porcelain", "--untracked-files=no") else ", changed since"
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages * page_bytes / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        numpy=np.__version__,
        commit=f"{_git('rev-parse', '--short', 'HEAD') or 'unknown'}{dirty}",
        date=date or _git("log", "-1", "--format=%cs") or "unknown",
        command=command,
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(*arguments: str) -> str:
    """Ask git; an empty answer where there is none, as in an unpacked archive."""
    try:
        asked = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", *arguments],  # noqa: S607 - whichever git the user has
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return asked.stdout.strip()
