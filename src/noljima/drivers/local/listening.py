"""How a scheduler is alone on its state folder, and how shims reach it there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path

from noljima.drivers.local.shim import folder as files


class AlreadyRunningError(Exception):
    """Another scheduler uses the same state folder."""


def lock(path: Path) -> int:
    """Be the only scheduler on this state folder."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise AlreadyRunningError(f"another scheduler uses {path.parent}") from None
    return fd


def listen(state: Path) -> socket.socket:
    """Listen for shims, in the place of whoever listened before."""
    path = state / files.SOCKET
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.setblocking(False)  # noqa: FBT003 - the socket's own word for it
    # Through a descriptor: the path itself may be longer than a socket's address.
    folder = os.open(state, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listening.bind(f"/proc/self/fd/{folder}/{files.SOCKET}")
    finally:
        os.close(folder)
    path.chmod(0o600)
    return listening
