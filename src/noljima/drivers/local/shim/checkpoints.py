"""When a job last saved its state, as far as the job has said so.

It says so by touching the file that `NOLJIMA_CHECKPOINT` names once a checkpoint is complete, or by
a line of its progress file with the second at which it was: `{"checkpoint_at_s": 1767225600.0}`.
Who says neither has saved nothing.
"""

from __future__ import annotations

import json
import os
import stat
from typing import Final, NamedTuple

from noljima.drivers.local.shim import folder as files

TAIL: Final = 1 << 16
"""So much of the end of a progress file is looked at."""
_KEY: Final = "checkpoint_at_s"


def tail(path: str, size: int = TAIL) -> bytes:
    """Return the end of a job's file; nothing where it is none: a link, a pipe, a device."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return b""
        return os.pread(fd, size, max(found.st_size - size, 0))
    except OSError:
        return b""
    finally:
        os.close(fd)


def touched_s(folder: str) -> float | None:
    """Return when the checkpoint mark was last touched, in seconds of the wall clock."""
    try:
        found = os.lstat(f"{folder}/{files.JOB}/{files.CHECKPOINT}")
    except OSError:
        return None
    return found.st_mtime if stat.S_ISREG(found.st_mode) else None


def told_s(progress: bytes) -> float | None:
    """Return the last checkpoint that a progress file tells of."""
    for line in reversed(progress.splitlines()):
        if _KEY.encode() not in line:
            continue
        try:
            said = json.loads(line)[_KEY]
        except (ValueError, TypeError, KeyError, IndexError, RecursionError):
            continue
        if type(said) in (int, float) and 0.0 < said < 1e10:
            return float(said)
    return None


def last_s(folder: str) -> float | None:
    """Return when a job last saved its state by its own word; None where it never said so."""
    told = told_s(tail(f"{folder}/{files.JOB}/{files.PROGRESS}"))
    said = [moment for moment in (touched_s(folder), told) if moment is not None]
    return max(said, default=None)


class Past(NamedTuple):
    """What an attempt began with, and how long it went on."""

    began_s: float
    """By the wall clock."""
    ran_s: float
    saved_s: float
    """What earlier attempts had saved."""
    restart_s: float
    """What loading that cost this one."""


def saved_s(last: float | None, past: Past) -> float:
    """Return the work, from the job's beginning, that its next start resumes from.

    A checkpoint from before this attempt, or from after its end, is one of a clock that was set,
    and is taken to be what it can be.
    """
    if last is None or last <= past.began_s:
        return past.saved_s
    restart_s = past.restart_s if past.saved_s > 0.0 else 0.0
    return past.saved_s + max(min(last - past.began_s, past.ran_s) - restart_s, 0.0)
