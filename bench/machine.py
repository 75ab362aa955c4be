"""What was measured, and on what."""

from __future__ import annotations

import os
import platform
import resource
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
    command: str


def describe(command: str) -> Machine:
    """Describe this machine and this checkout."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "src", "bench/*.py")
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages * page_bytes / 2**30, 1),
        system=f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        python=platform.python_version(),
        numpy=np.__version__,
        commit=f"{commit} and changes" if changed else commit,
        command=command,
    )


def rss_gib() -> float:
    """Return the largest resident set that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


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
