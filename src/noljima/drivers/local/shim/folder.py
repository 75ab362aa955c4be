"""The folder of one attempt: what is in it, and who may run it.

    orders.json     what to run, written before anything is started
    claim           who runs it; made once, never changed, locked as long as that process lives
    state.json      how far it is
    request.json    how it is to be ended, where somebody wants that
    exit.json       how it ended; there once nothing is left of it
    exit.room       the room on the disk for that, taken at the beginning
    worker-N.*.log  what the workers wrote
    job/            the job's own: its progress, its checkpoint mark, its script

Everything but `job/` belongs to who runs the scheduler, so that no job can put a link in its place.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import Any, Final

from noljima.drivers.local.shim import proc

ORDERS: Final = "orders.json"
CLAIM: Final = "claim"
STATE: Final = "state.json"
REQUEST: Final = "request.json"
EXIT: Final = "exit.json"
ROOM: Final = "exit.room"
TROUBLE: Final = "shim.err"
JOB: Final = "job"
PROGRESS: Final = "progress"
CHECKPOINT: Final = "checkpoint"
SCRIPT: Final = "script"
SOCKET: Final = "events"
"""The datagram socket of the scheduler, two folders above: `state/runs/JOB/ATTEMPT`."""

_SIZE_MAX: Final = 1 << 22
_ROOM_SIZE: Final = 8192


def write(path: str, content: bytes, *, mode: int = 0o600, sync: bool = False) -> None:
    """Put a file in place whole: nobody ever reads half of it."""
    beside = f"{path}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(beside, flags, mode)
    try:
        while content:
            content = content[os.write(fd, content) :]
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(beside, path)
    if sync:
        settle(os.path.dirname(path))


def settle(path: str) -> None:
    """See a file's content, or a folder's names, onto the disk."""
    with contextlib.suppress(OSError):  # Pruned by then, or a file system that cannot.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def load(path: str) -> dict[str, Any] | None:
    """Read an object that `dump` has written; None where it is missing or cut short."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = json.loads(os.read(fd, _SIZE_MAX))
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        os.close(fd)
    return found if isinstance(found, dict) else None


def dump(path: str, content: dict[str, Any], *, sync: bool = False) -> None:
    """Write a small file that `load` reads."""
    write(path, json.dumps(content).encode(), sync=sync)


def take_room(folder: str) -> None:
    """Take the room on the disk that `end` will need: it may be full by then."""
    write(f"{folder}/{ROOM}", b" " * _ROOM_SIZE)


def end(folder: str, ending: dict[str, Any]) -> None:
    """Put the end in place, in the room that was taken for it."""
    content = json.dumps(ending).encode()
    path, room = f"{folder}/{EXIT}", f"{folder}/{ROOM}"
    if len(content) > _ROOM_SIZE:
        write(path, content)
        return
    try:
        fd = os.open(room, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        write(path, content)
        return
    try:
        # Blanks after it mean nothing in JSON.
        os.pwrite(fd, content.ljust(_ROOM_SIZE), 0)
    finally:
        os.close(fd)
    os.replace(room, path)


def claim(folder: str, content: dict[str, Any]) -> int | None:
    """Become the one that this attempt belongs to; None where somebody already is.

    The claim appears whole and already locked. The descriptor that is returned holds the lock.
    """
    path, beside = f"{folder}/{CLAIM}", f"{folder}/{CLAIM}.{os.getpid()}"
    fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(content).encode())
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.link(beside, path)
    except FileExistsError:
        os.close(fd)
        return None
    except OSError:
        os.close(fd)
        raise
    finally:
        os.unlink(beside)
    return fd


def claimant() -> dict[str, Any]:
    """Return what a claim says of the process that makes it."""
    stat = proc.stat_of(os.getpid())
    began = stat.began_ticks if stat is not None else 0
    return {"boot": proc.boot(), "pid": os.getpid(), "began_ticks": began}


def locked(path: str) -> bool:
    """Say whether whoever made a claim still lives."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
