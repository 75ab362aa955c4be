"""A control group around a job: whatever it starts is in it, and can be ended with it.

On v2 one write kills all of it. On v1 it is frozen, killed and thawed, so that nothing can start
anything in between. Both are repeated until it is empty.
"""

from __future__ import annotations

import contextlib
import os
import signal

from noljima.drivers.local.shim import proc
from noljima.drivers.local.shim.orders import Group


def put(path: str, value: str) -> None:
    """Write to a control file."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def make(group: Group) -> None:
    """Make the groups and set their limits."""
    for path in _paths(group):
        os.makedirs(path, exist_ok=True)
    for path, files in group.limits.items():
        for name, value in files.items():
            put(f"{path}/{name}", value)


def join(group: Group) -> None:
    """Move this process into the groups.

    The kernel takes some ten milliseconds for the first of a series of such moves, and forks into
    a group cost nothing: so the shim goes in once, forks all workers there, and leaves.
    """
    for path in _paths(group):
        put(f"{path}/cgroup.procs", "0")


def leave(group: Group) -> None:
    """Move this process back to where it belongs."""
    for path in group.homes:
        put(f"{path}/cgroup.procs", "0")


def members(path: str) -> list[int]:
    """Return the processes of a group."""
    return [int(word) for word in proc.read(f"{path}/cgroup.procs").split() if word.isdigit()]


def kill(group: Group) -> None:
    """Send SIGKILL to everything in it, once."""
    if group.kind == "v2" and os.path.exists(f"{group.path}/cgroup.kill"):
        with contextlib.suppress(OSError):
            put(f"{group.path}/cgroup.kill", "1")
        return
    _freeze(group, frozen=True)
    for pid in members(group.path):
        # The number cannot have been given to another: it was a member, and members are frozen.
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    _freeze(group, frozen=False)


def empty(group: Group) -> bool:
    """Say whether nothing runs in it: true also of a group that is not there."""
    return group.kind == "none" or not members(group.path)


def remove(group: Group) -> bool:
    """Take the groups away; say whether all are gone."""
    gone = True
    for path in _paths(group):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            gone = False
    return gone


def out_of_memory(group: Group) -> bool:
    """Say whether the kernel has ended a process of the job because of its memory limit."""
    for path in _paths(group):
        for name in ("memory.events", "memory.oom_control"):
            for line in proc.read(f"{path}/{name}").splitlines():
                key, _, count = line.partition(b" ")
                if key == b"oom_kill" and count.strip().isdigit() and int(count):
                    return True
    return False


def _paths(group: Group) -> list[str]:
    if group.kind == "none":
        return list(group.limits)
    return [group.path, *(path for path in group.limits if path != group.path)]


def _freeze(group: Group, *, frozen: bool) -> None:
    name, values = (
        ("cgroup.freeze", "01") if group.kind == "v2" else ("freezer.state", ("THAWED", "FROZEN"))
    )
    with contextlib.suppress(OSError):
        put(f"{group.path}/{name}", values[frozen])
