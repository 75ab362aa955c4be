"""What the workers of running jobs have used and do, read from `/proc`; None is "not read".

Counters are totals of a worker with all that it has started, the ended among them as far as the
kernel keeps count of those.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from noljima.drivers.local import logs
from noljima.drivers.local.attempt import Attempt
from noljima.drivers.local.endings import Running, read_running
from noljima.drivers.local.shim import proc
from noljima.drivers.local.shim.proc import Stat
from noljima.model.resources import JobId

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_DEAD: Final = "ZX"
_STATES: Final = {"R": "running", "S": "sleeping", "I": "sleeping", "D": "blocked"} | dict.fromkeys(
    "Tt", "stopped"
)


class WorkerReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One worker with all its processes."""

    worker: int
    gpus: tuple[int, ...] = ()
    cpu_s: float | None = None
    read_bytes: float | None = None
    """Read by any means, from the cache and through pipes too."""
    written_bytes: float | None = None
    log_bytes: float | None = None
    memory_bytes: float | None = None
    """Resident, what processes share counted for each."""
    threads: int | None = None
    # Processes by state; zombies are not counted.
    running: int | None = None
    sleeping: int | None = None
    blocked: int | None = None
    stopped: int | None = None


class RunReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A running job."""

    job: JobId
    attempt: int
    began_s: float
    workers: tuple[WorkerReading, ...]


def read_runs(attempts: Iterable[Attempt]) -> list[RunReading]:
    """Read all jobs that run; leave out those that are still being started."""
    processes = proc.table()
    found = []
    for attempt in attempts:
        running = read_running(attempt.folder)
        if running is not None and running.began_s:
            found.append(_run(attempt, running, processes))
    return found


def _run(attempt: Attempt, running: Running, processes: Mapping[int, Stat]) -> RunReading:
    trees = by_worker(running, processes)
    places = attempt.start.placement.workers
    seen = any(stat.state not in _DEAD for tree in trees for stat in tree)
    written: Counter[int] = Counter()
    for part in logs.parts(attempt.folder):
        written[part.worker] = max(written[part.worker], part.end)
    known = [
        WorkerReading(
            worker=worker,
            gpus=places[worker].gpus if worker < len(places) else (),
            log_bytes=float(written[worker]),
        )
        for worker in range(len(trees))
    ]
    return RunReading(
        job=attempt.start.job,
        attempt=attempt.start.attempt,
        began_s=running.began_s,
        workers=tuple(
            _worker(each, tree, seen=seen) for each, tree in zip(known, trees, strict=True)
        ),
    )


def by_worker(running: Running, processes: Mapping[int, Stat]) -> list[list[Stat]]:
    """Divide what runs below a shim among the workers.

    What has lost its parent stands below the shim itself: it belongs to the worker whose session
    it is in, else to the one that its environment names, else to the first.
    """
    roots = {pid: rank for rank, (pid, _) in enumerate(running.workers)}
    trees: list[list[Stat]] = [[] for _ in running.workers]
    if not trees:
        return []
    owner: dict[int, int] = {}
    for stat in proc.below({running.pid}, processes):
        rank = roots.get(stat.pid)
        if rank is None:
            rank = owner.get(stat.parent)
        if rank is None:
            rank = roots.get(stat.session)
        if rank is None:
            rank = _named(stat.pid, len(trees))
        owner[stat.pid] = rank
        trees[rank].append(stat)
    return trees


def _named(pid: int, workers: int) -> int:
    for entry in proc.read(f"{proc.PROC}/{pid}/environ").split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name == b"NOLJIMA_WORKER" and value.isdigit() and int(value) < workers:
            return int(value)
    return 0


def _worker(known: WorkerReading, tree: Sequence[Stat], *, seen: bool) -> WorkerReading:
    """Add what its processes have used and do; `seen` is whether any of its gang can be seen."""
    alive = [stat for stat in tree if stat.state not in _DEAD]
    if not alive:
        # Where others can be seen it is gone; where nobody can, it may only be out of sight.
        none = 0 if seen else None
        return replace(known, running=none, sleeping=none, blocked=none, stopped=none)
    states = Counter(_STATES.get(stat.state, "sleeping") for stat in alive)
    moved = [parse_io(proc.read(f"{proc.PROC}/{stat.pid}/io")) for stat in alive]
    return replace(
        known,
        cpu_s=sum(stat.cpu_ticks for stat in tree) / _TICKS,
        read_bytes=_total(pair and pair[0] for pair in moved),
        written_bytes=_total(pair and pair[1] for pair in moved),
        memory_bytes=float(sum(stat.resident_pages for stat in alive) * _PAGE),
        threads=sum(stat.threads for stat in alive),
        running=states["running"],
        sleeping=states["sleeping"],
        blocked=states["blocked"],
        stopped=states["stopped"],
    )


def parse_io(text: bytes) -> tuple[int, int] | None:
    """Read `/proc/PID/io`: bytes read and written; None where it is not for us to see."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(b": ")
        if value.isdigit():
            found[name] = int(value)
    try:
        return found[b"rchar"], found[b"wchar"]
    except KeyError:
        return None


def _total(amounts: Iterable[int | None]) -> float | None:
    """Add up what could be read; nothing of nothing is not zero."""
    known = [amount for amount in amounts if amount is not None]
    return float(sum(known)) if known else None
