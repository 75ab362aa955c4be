"""How fast a state writes, starts and verifies, and how large it is: `python -m bench.durable`.

How fast it writes depends on the disk, and on who else uses it: the first line says how long it
takes to see a small write onto it. What needs no disk is given in CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from noljima.app import EngineSpec, build_engine
from noljima.engine import Engine
from noljima.model.events import NodeSeen, Submitted, Ticked
from noljima.model.job import Job
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId, Resources, gang_of
from noljima.runtime import snapshot
from noljima.store import books, checking, database
from noljima.store.folder import folder_of
from noljima.store.records import JobRecord
from noljima.store.resuming import resume
from noljima.store.state import State
from noljima.store.writes import PutItem, PutRecord
from noljima.testing.day import SHAPE, Told, day, engine_of, header

_SPEC_BYTES = 1500
"""What a job's command, folder and environment take, about."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.durable", description=__doc__)
    parser.add_argument("--rows", type=int, default=3000, help="batches for each figure")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        _disk(Path(place))
        _appends(Path(place), given.rows)
        _day(Path(place), given.rows)
        _verification(Path(place), given.rows * 30)
        _replay(Path(place))
    _engine(1000)
    return 0


def _say(what: str, figure: str) -> None:
    print(f"{what:58} {figure}", flush=True)


def _timed(action: Callable[[], object]) -> float:
    """Return how long it takes."""
    began_s = time.perf_counter()
    action()
    return time.perf_counter() - began_s


def _worked(action: Callable[[], object]) -> float:
    """Return how much CPU time it takes."""
    began_s = time.process_time()
    action()
    return time.process_time() - began_s


def _disk(place: Path) -> None:
    descriptor = os.open(place / "probe", os.O_RDWR | os.O_CREAT)

    def sync() -> None:
        os.pwrite(descriptor, b"x" * 512, 0)
        os.fdatasync(descriptor)

    times = sorted(_timed(sync) for _ in range(200))
    os.close(descriptor)
    _say("sync of 512 bytes in place, median", f"{times[100] * 1e3:.2f} ms")


def _submission(number: int) -> Told:
    job = Job(
        id=JobId(f"j{number}"),
        gang=gang_of(1, Resources(gpu_milli=1000)),
        user="kim",
        name="train",
        limit_s=3600.0,
    )
    record = JobRecord(job=job.id, user="kim", name="train", state="queued", submitted_s=1.0)
    writes = (PutItem("specs", job.id, b"x" * _SPEC_BYTES), PutRecord(record))
    return Told((Submitted(at_s=float(number), job=job),), (), writes)


def _appends(place: Path, rows: int) -> None:
    """One submission after the other, and many at a time."""
    with State.create(place / "appends", header()) as state:

        async def alone() -> list[float]:
            times: list[float] = []
            for number in range(rows // 3):
                began_s = time.perf_counter()
                await state.append(*_submission(number))
                times.append(time.perf_counter() - began_s)
            return sorted(times)

        async def together(count: int, first: int) -> None:
            for at in range(first, first + rows, count):
                await asyncio.gather(*(state.append(*_submission(at + n)) for n in range(count)))

        began_s = time.process_time()
        times = asyncio.run(alone())
        worked_s = (time.process_time() - began_s) / len(times)
        _say("submissions one after the other", f"{len(times) / sum(times):,.0f} a second")
        _say("  CPU time of each", f"{worked_s * 1e3:.2f} ms")
        middle, late = times[len(times) // 2], times[int(len(times) * 0.99)]
        _say("  acknowledged after, median and 99 %", f"{middle * 1e3:.1f} and {late * 1e3:.1f} ms")
        for count in (10, 100):
            began_s = time.perf_counter()
            asyncio.run(together(count, count * 1_000_000))
            seconds = time.perf_counter() - began_s
            _say(f"submissions {count} at a time", f"{rows / seconds:,.0f} a second")
        asyncio.run(_sustained(state))
    size = (place / "appends" / "noljima.db").stat().st_size
    with closing(database.look(place / "appends" / "noljima.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    _say(f"size with a specification of {_SPEC_BYTES:,} bytes", f"{size / count:,.0f} bytes a job")


async def _sustained(state: State) -> None:
    """Hand in a hundred jobs a second for ten seconds, each at its own moment."""
    times: list[float] = []

    async def one(number: int) -> None:
        began_s = time.perf_counter()
        await state.append(*_submission(number))
        times.append(time.perf_counter() - began_s)

    began_s = time.perf_counter()
    tasks: list[asyncio.Task[None]] = []
    for number in range(1000):
        await asyncio.sleep(max(began_s + number / 100 - time.perf_counter(), 0.0))
        tasks.append(asyncio.create_task(one(5_000_000 + number)))
    await asyncio.gather(*tasks)
    seconds = time.perf_counter() - began_s
    times.sort()
    words = (
        f"{statistics.median(times) * 1e3:.1f}, {times[989] * 1e3:.1f}, {times[-1] * 1e3:.1f} ms"
    )
    _say(f"100 a second for 10 s (took {seconds:.1f} s): median, 99 %, max", words)


def _day(place: Path, rows: int) -> None:
    """Write mixed days: starts, ends, evictions, records and notices."""
    with State.create(place / "day", header()) as state:

        async def write() -> int:
            written = 0
            while written < rows:
                told = day(written)
                await asyncio.gather(*(state.append(*batch) for batch in told))
                written += len(told)
            return written

        written = asyncio.run(write())
    with closing(database.look(place / "day" / "noljima.db")) as connection:
        (payload,) = connection.execute("SELECT sum(length(payload)) FROM journal").fetchone()
    _say("a batch of a mixed day in the journal", f"{payload / written:,.0f} bytes")


def _verification(place: Path, rows: int) -> None:
    """How long a start takes with many rows, and with few behind the kept engine."""
    folder = place / "many"
    with State.create(folder, header()) as state:

        async def write() -> None:
            for first in range(0, rows, 1000):
                await asyncio.gather(*(state.append(*_step(first + n)) for n in range(1000)))
            await state.save_engine(engine_of(header()))

        asyncio.run(write())
        count = state.head.sequence
    size_mib = (folder / "noljima.db").stat().st_size / (1 << 20)
    places = folder_of(folder)
    seconds = _worked(lambda: checking.check(places, full=True))
    _say(f"verify all of {count:,} rows, {size_mib:,.0f} MiB", f"{count / seconds:,.0f} rows/s")
    with closing(database.look(places.database)) as connection:
        base = checking.base_of(connection, places.database)
        chain_s = _worked(lambda: list(checking.follow(connection, places.database, base)))
        tables_s = _worked(lambda: books.add_up(connection, "bench", 3))
        (kept,) = connection.execute("SELECT count(*) FROM records").fetchone()
        pages_s = _worked(lambda: connection.execute("PRAGMA integrity_check(1)").fetchall())
    _say("  of it the chain", f"{count / chain_s:,.0f} rows/s")
    _say("  of it the tables", f"{kept / tables_s:,.0f} records/s")
    _say("  of it SQLite's own check of every page", f"{size_mib / pages_s:,.0f} MiB/s")
    seconds = _worked(lambda: checking.check(places))
    _say("start with the engine kept (verified behind it)", f"{seconds * 1e3:,.0f} ms")


def _step(number: int) -> Told:
    """Return a small batch; with every fourth a job's record is new."""
    record = JobRecord(job=f"j{number // 4}", user="kim", state="running", submitted_s=1.0)
    return Told((Ticked(at_s=float(number)),), (), (PutRecord(record),))


def _replay(place: Path) -> None:
    """How fast an engine is worked out again from its first row."""
    spec = EngineSpec(policy="fair", estimates="history", space="grid")
    shape = msgspec.structs.replace(SHAPE, jobs_max=2000, gap_s_max=60)
    told = day(5, shape, spec)
    with State.create(place / "replay", header(spec)) as state:

        async def write() -> None:
            await asyncio.gather(*(state.append(*batch) for batch in told))

        asyncio.run(write())
        seconds = _worked(lambda: resume(state.folder, state.now, engine_of))
    events = sum(len(batch.events) for batch in told)
    rates = f"{len(told) / seconds:,.0f} batches/s, {events / seconds:,.0f} events/s"
    _say(f"resume without a kept engine, {len(told):,} batches", rates)


def _engine(jobs: int) -> None:
    """How long the loop stands still while its engine's state is written down."""
    spec = EngineSpec(policy="fair", estimates="history", space="grid")
    engine: Engine = build_engine(spec)
    engine.handle(NodeSeen(at_s=0.0, node=Node(id=NodeId("n"), gpus=8)))
    for number in range(jobs):
        engine.handle(*_submission(number).events)
    content = b""

    def save() -> None:
        nonlocal content
        content = snapshot.save(engine)

    _say(f"write the engine down, {jobs:,} jobs waiting", f"{_worked(save) * 1e3:,.0f} ms")
    seconds = _worked(lambda: snapshot.restore(content))
    _say("  read it back", f"{seconds * 1e3:,.0f} ms, {len(content) / 1024:,.0f} KiB")


if __name__ == "__main__":
    sys.exit(main())
