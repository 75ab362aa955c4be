"""What `/proc` says of processes: of any of them, at any moment, and never believed to be whole.

A process can end between two reads, so that everything here may come back as nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Container, Iterable, Mapping
from typing import Final, NamedTuple

PROC: Final = "/proc"
_LAST: Final = 21
"""The last field of `stat` after the name that is needed: the resident pages."""


class Stat(NamedTuple):
    """A process at one moment. Its number and the tick it began at name it for ever in a boot."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    cpu_ticks: int
    """Its own, and those of the children that it has buried."""
    threads: int
    began_ticks: int
    resident_pages: int


def parse_stat(text: bytes) -> Stat | None:
    """Read one `stat` line; None where it is none.

    The name stands in brackets and may hold brackets and blanks itself: the last one closes it.
    """
    pid, opening, rest = text.partition(b" (")
    name, closing, fields = rest.rpartition(b") ")
    words = fields.split()
    if not opening or not closing or len(words) <= _LAST:
        return None
    try:
        return Stat(
            pid=int(pid),
            name=name.decode("utf-8", "replace"),
            state=words[0].decode("ascii"),
            parent=int(words[1]),
            group=int(words[2]),
            session=int(words[3]),
            cpu_ticks=sum(int(words[field]) for field in range(11, 15)),
            threads=int(words[17]),
            began_ticks=int(words[19]),
            resident_pages=int(words[_LAST]),
        )
    except ValueError:
        return None


def read(path: str) -> bytes:
    """Return what a small file holds; nothing where it is not there or not for us."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read() or b""
    except OSError:
        return b""


def stat_of(pid: int) -> Stat | None:
    """Look at one process; None where there is none."""
    return parse_stat(read(f"{PROC}/{pid}/stat"))


def table() -> dict[int, Stat]:
    """Look at every process of the machine."""
    found = {}
    for name in os.listdir(PROC):
        if name.isdecimal():
            stat = stat_of(int(name))
            if stat is not None:
                found[stat.pid] = stat
    return found


def below(roots: Container[int], processes: Mapping[int, Stat]) -> list[Stat]:
    """Return all processes that descend from the roots, parents first, without the roots."""
    children: dict[int, list[Stat]] = {}
    for stat in processes.values():
        children.setdefault(stat.parent, []).append(stat)
    found: list[Stat] = []
    layer = [stat for pid in children if pid in roots for stat in children[pid]]
    layer = [stat for stat in layer if stat.pid not in roots]
    seen = {stat.pid for stat in layer}
    while layer:
        found += layer
        layer = [child for stat in layer for child in children.get(stat.pid, ())]
        # Two reads of a table that changes in between can make a ring of parents.
        layer = [stat for stat in layer if stat.pid not in seen and stat.pid not in roots]
        seen.update(stat.pid for stat in layer)
    return found


def parse_caught(status: bytes) -> int:
    """Return the mask of the signals that a process handles itself; 0 where that is not told."""
    for line in status.splitlines():
        if line.startswith(b"SigCgt:"):
            try:
                return int(line[7:], 16)
            except ValueError:
                return 0
    return 0


def handles(pid: int, number: int) -> bool:
    """Say whether a process has a handler of its own for a signal."""
    return bool(parse_caught(read(f"{PROC}/{pid}/status")) >> (number - 1) & 1)


def marked(pid: int, mark: bytes) -> bool:
    """Say whether a process was started with `mark` among its environment's entries."""
    return mark in read(f"{PROC}/{pid}/environ").split(b"\0")


def same(stat: Stat) -> bool:
    """Say whether this very process is still there, dead or alive."""
    now = stat_of(stat.pid)
    return now is not None and now.began_ticks == stat.began_ticks


def send(stat: Stat, number: int) -> bool:
    """Send a signal to this very process and never to another that has got its number since.

    Says whether it was there. A process that is not ours to signal counts as there.
    """
    try:
        fd = os.pidfd_open(stat.pid)
    except OSError:
        return False
    try:
        if not same(stat):
            return False
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    finally:
        os.close(fd)
    return True


def listeners(roots: Iterable[int], number: int, processes: Mapping[int, Stat]) -> list[Stat]:
    """Return the first of each branch below the roots, roots included, that handles a signal.

    A shell that knows nothing of the signal is passed over, the program that it runs is found, and
    what that program has started itself is left to it.
    """
    children: dict[int, list[int]] = {}
    for stat in processes.values():
        children.setdefault(stat.parent, []).append(stat.pid)
    found, seen = [], set()
    waiting = [pid for pid in roots if pid in processes]
    while waiting:
        pid = waiting.pop()
        if pid in seen:
            continue
        seen.add(pid)
        if handles(pid, number):
            found.append(processes[pid])
        else:
            waiting += children.get(pid, ())
    return found


def boot() -> str:
    """Return what names this start of the machine: process numbers mean nothing beyond it."""
    return read("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()
