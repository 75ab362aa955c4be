"""What is read of running jobs: worker by worker, and nothing where nothing can be."""

from __future__ import annotations

import asyncio

from noljima.drivers.local import logs
from noljima.drivers.local.endings import Running
from noljima.drivers.local.readings import RunReading, WorkerReading, _worker, by_worker
from noljima.drivers.local.shim.proc import Stat
from noljima.model.commands import Stop
from noljima.model.events import Started
from noljima.model.resources import JobId
from noljima.testing.workshop import Workshop, until

BUSY = """
import os, time
if os.environ["RANK"] == "1":
    until = time.process_time() + 0.2
    while time.process_time() < until:
        os.write(os.open("/dev/null", os.O_WRONLY), b"x" * 100_000)
        os.closerange(3, 2000)
    if not os.fork():
        os.setsid()
        os.fork()
print("up", flush=True)
time.sleep(1000)
"""


def test_workers_are_read_apart(any_workshop: Workshop) -> None:
    start = any_workshop.python(BUSY, workers=2)

    async def story() -> list[RunReading]:
        async with any_workshop.driver() as driver:
            assert driver.readings() == []
            await driver.do(0.0, [start])
            await any_workshop.until(driver, Started)
            folder = any_workshop.folder()
            await until(lambda: logs.length(folder, 1) >= 9 and logs.length(folder, 0) > 0)
            readings = driver.readings()
            await driver.do(0.0, [Stop(JobId("job"))])
            await any_workshop.end(driver)
            assert driver.readings() == []
            return readings

    (reading,) = asyncio.run(story())

    idle, busy = reading.workers
    assert (reading.job, reading.attempt) == ("job", 1)
    assert (idle.worker, idle.gpus, busy.gpus) == (0, (0,), (1,))
    assert idle.cpu_s is not None
    assert busy.cpu_s is not None
    assert busy.cpu_s >= 0.2
    assert idle.written_bytes is not None
    assert busy.written_bytes is not None
    assert busy.written_bytes > idle.written_bytes + 100_000
    assert (idle.log_bytes, busy.log_bytes) == (3.0, 9.0)
    assert (busy.sleeping or 0) + (busy.running or 0) == 3
    assert idle.memory_bytes


EARLY = """
import os, time
if os.environ["RANK"] == "0":
    time.sleep(1000)
"""


def test_a_worker_that_is_done_before_the_others_is_read_as_gone(any_workshop: Workshop) -> None:
    start = any_workshop.python(EARLY, workers=2)

    async def story() -> None:
        async with any_workshop.driver() as driver:
            await driver.do(0.0, [start])
            await any_workshop.until(driver, Started)
            await until(lambda: processes(driver.readings()[0], 1) == 0)
            assert processes(driver.readings()[0], 0) == 1
            assert driver.readings()[0].workers[1].cpu_s is None
            await driver.do(0.0, [Stop(JobId("job"))])
            await any_workshop.end(driver)

    asyncio.run(story())


def processes(reading: RunReading, worker: int) -> int | None:
    """Add up a worker's processes; None where that is not known."""
    found = reading.workers[worker]
    states = (found.running, found.sleeping, found.blocked, found.stopped)
    known = [count for count in states if count is not None]
    return sum(known) if len(known) == 4 else None


def test_nothing_is_said_of_workers_of_whom_nobody_can_be_seen() -> None:
    assert _worker(WorkerReading(worker=1), [], seen=False) == WorkerReading(worker=1)
    gone = _worker(WorkerReading(worker=1), [], seen=True)
    assert (gone.running, gone.sleeping, gone.blocked, gone.stopped) == (0, 0, 0, 0)


def test_orphans_go_to_the_worker_whose_session_they_are_in() -> None:
    def stat(pid: int, parent: int, session: int) -> Stat:
        return Stat(pid, "x", "S", parent, pid, session, 0, 1, 0, 0)

    rows = [(10, 1, 10), (20, 1, 20), (11, 10, 10), (21, 1, 20), (22, 21, 22), (9, 1, 9), (8, 2, 8)]
    processes = {pid: stat(pid, parent, session) for pid, parent, session in rows}
    running = Running(phase="running", pid=1, began_ticks=0, boot="", workers=((10, 0), (20, 0)))
    trees = by_worker(running, processes)

    assert [{stat.pid for stat in tree} for tree in trees] == [{10, 11, 9}, {20, 21, 22}]
    assert by_worker(Running(phase="ready", pid=1, began_ticks=0, boot=""), processes) == []
