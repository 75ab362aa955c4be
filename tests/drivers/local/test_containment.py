"""Jobs that try to leave something behind: whatever they do, nothing of them survives their end.

Each runs with control groups and without; the last of them on v1's freezer too.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from noljima.drivers.local import cgroups, logs
from noljima.drivers.local.cgroups import Cgroups
from noljima.drivers.local.facts import GpuBack, GpuOut, Unkillable
from noljima.model.commands import Start, Stop
from noljima.model.events import Event, Finished, Outcome, Started
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.testing.workshop import Workshop, until

ESCAPES = {
    "setsid": "setsid sleep 1000 & sleep 0.05",
    "nohup": "nohup sleep 1000 > /dev/null 2>&1 & sleep 0.05",
    "double fork": "(setsid sh -c 'sleep 1000 & sleep 1000' &) ; sleep 0.05",
    "ignore TERM": "(trap '' TERM HUP; setsid sh -c 'sleep 1000; sleep 1000' &); sleep 0.05",
    "closed output": "exec >&- 2>&-; setsid sleep 1000 & sleep 0.05",
    "empty environment": "setsid env -i sleep 1000 & sleep 0.05",
    "stopped": "sleep 1000 & kill -STOP $!; sleep 0.05",
    "many": "for i in 1 2 3 4 5; do setsid sh -c 'sleep 1000 & sleep 1000' & done; sleep 0.1",
}
DAEMON = """
import os, signal, time
def daemon():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(0, 3)
    os.chdir("/")
    while True:
        time.sleep(100)
for _ in range(4):
    daemon()
print("up", flush=True)
"""
ZOMBIES = """
import os, time
for _ in range(20):
    if not os.fork():
        os._exit(0)
print("up", flush=True)
"""
FORKS = """
import os, time
# Every child becomes a session of its own and has a child, and so on; a few hundred in all.
for generation in range(7):
    if not os.fork():
        os.setsid()
print("up", flush=True)
time.sleep(1000)
"""
FLOOD = """
import sys
write = sys.stdout.buffer.write
write(b"begin\\n")
for _ in range(20_000):
    write(b"x" * 999 + b"\\n")
write(b"the end\\n")
"""
SHARES = """
import os, time
taken = b"x" * (80 << 20)
for _ in range(4):
    os.fork() or time.sleep(1.2)
"""
RESPAWNS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while os.fork():
    time.sleep(1000)
# Each lives for a moment, and has by then begun the next: as long as they are killed one at a time,
# there is always one more.
while True:
    if not os.fork():
        os.setsid()
        continue
    time.sleep(0.002)
    os._exit(0)
"""


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES.keys())
def test_what_escapes_a_job_that_has_ended_is_killed(any_workshop: Workshop, text: str) -> None:
    event = any_workshop.run(any_workshop.shell(text))

    assert isinstance(event, Finished)
    assert any_workshop.alive() == []


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES.keys())
def test_what_escapes_a_job_that_fails_is_killed(any_workshop: Workshop, text: str) -> None:
    any_workshop.run(any_workshop.shell(f"{text}; exit 1", stop_grace_s=0.05))

    assert any_workshop.ending().codes == (1,)
    assert any_workshop.alive() == []


@pytest.mark.parametrize("text", [DAEMON, ZOMBIES], ids=["daemons", "zombies"])
def test_what_a_program_leaves_behind_is_killed(any_workshop: Workshop, text: str) -> None:
    event = any_workshop.run(any_workshop.python(text))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.SUCCEEDED
    assert any_workshop.alive() == []


@pytest.mark.parametrize(
    "text",
    [
        f"{DAEMON}\ntime.sleep(1000)",
        f"{ZOMBIES}\ntime.sleep(1000)",
        FORKS,
        RESPAWNS,
    ],
    ids=["daemons", "zombies", "forks", "respawns"],
)
def test_nothing_survives_a_stop(any_workshop: Workshop, text: str) -> None:
    start = any_workshop.python(text, stop_grace_s=0.05)
    event = stopped(any_workshop, start)

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.CANCELLED
    assert any_workshop.alive() == []


def stopped(workshop: Workshop, start: Start) -> Event:
    """Start a job, wait until it is up, and stop it."""

    async def story() -> Event:
        async with workshop.driver() as driver:
            await driver.do(0.0, [start])
            await workshop.until(driver, Started)
            await until(lambda: logs.length(workshop.folder(), 0) > 0)
            await driver.do(0.0, [Stop(start.job)])
            return await workshop.end(driver)

    return asyncio.run(story())


def test_whoever_pretends_to_be_the_shim_is_not_spared(any_workshop: Workshop) -> None:
    text = "import ctypes; ctypes.CDLL(None).prctl(15, b'noljima-shim', 0, 0, 0); import os;"
    text += "os.fork() or os.setsid(); print('up', flush=True); import time; time.sleep(1000)"
    event = stopped(any_workshop, any_workshop.python(text))

    assert isinstance(event, Finished)
    assert any_workshop.alive() == []


def test_a_flood_is_kept_within_bounds(workshop: Workshop) -> None:
    event = workshop.run(workshop.python(FLOOD, log_bytes=1 << 20))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.SUCCEEDED
    kept = logs.parts(workshop.folder())
    assert sum(part.end - part.start for part in kept) <= 1 << 20
    assert kept[-1].end == 20_000_000 + len("begin\nthe end\n")
    assert kept[0].path.read_bytes().startswith(b"begin\n")
    assert kept[-1].path.read_bytes().endswith(b"the end\n")


def test_output_that_nobody_ends_does_not_hold_a_job_up(any_workshop: Workshop) -> None:
    """What has escaped holds the pipe open: the job's end does not wait for the pipe's."""
    event = any_workshop.run(any_workshop.shell("echo out; setsid sleep 1000 & sleep 0.05"))

    assert isinstance(event, Finished)
    assert any_workshop.log() == "out\n"


def test_a_job_that_takes_too_much_memory_is_ended(any_workshop: Workshop) -> None:
    """By the kernel where it can limit memory here, else by the shim, which looks now and then."""
    text = "import time\ntaken = []\nfor _ in range(60):\n    taken.append(b'x' * (8 << 20))\n"
    need = gang_of(1, Resources(gpu_milli=GPU, memory_mib=128))
    start = any_workshop.python(f"{text}\ntime.sleep(1000)", gang=need)
    event = any_workshop.run(start)

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.FAILED
    assert any_workshop.ending().out_of_memory


def test_memory_that_is_shared_counts_once(workshop: Workshop) -> None:
    need = gang_of(1, Resources(gpu_milli=GPU, memory_mib=200))
    event = workshop.run(workshop.python(SHARES, gang=need))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.SUCCEEDED


def freezer_only(folder: str) -> Cgroups:
    """Return what there would be on a machine of v1 alone."""
    return Cgroups(kind="v1", hold=folder, homes=("/sys/fs/cgroup/freezer",))


@pytest.fixture
def freezer(workshop: Workshop) -> Path:
    """Give a group of our own in v1's freezer, where there is one that may be used."""
    parent = Path("/sys/fs/cgroup/freezer")
    if not (parent / "cgroup.procs").exists() or not cgroups.delegated(str(parent)):
        pytest.skip("no freezer of v1 may be used here")
    path = parent / workshop.folders.name
    path.mkdir()
    return path


@pytest.mark.parametrize(
    "text", [f"{DAEMON}\ntime.sleep(1000)", FORKS, RESPAWNS], ids=["daemons", "forks", "respawns"]
)
def test_nothing_survives_a_stop_on_v1(
    workshop: Workshop, freezer: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(cgroups, "probe", lambda _: freezer_only(str(freezer)))
    event = stopped(workshop, workshop.python(text, stop_grace_s=0.05))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.CANCELLED
    assert workshop.alive() == []


def test_what_cannot_be_killed_keeps_its_gpu(workshop: Workshop, freezer: Path) -> None:
    """A process frozen on v1 is as one that waits for a dead disk: killed, and not gone."""
    workshop.cgroups = False
    start = workshop.shell("echo up; exec sleep 1000", stop_grace_s=0.05)
    frozen = freezer / "frozen"
    frozen.mkdir()

    async def story() -> Event:
        async with workshop.driver() as driver:
            await driver.do(0.0, [start])
            await workshop.until(driver, Started)
            (process,) = workshop.alive()
            (frozen / "cgroup.procs").write_text(str(process.pid))
            (frozen / "freezer.state").write_text("FROZEN")
            try:
                await driver.do(0.0, [Stop(JobId("job"))])
                await until(lambda: 0 in driver.drained)
                assert list(driver.node.gpus_out) == [0]
                assert driver.running == {"job": 1}
            finally:
                (frozen / "freezer.state").write_text("THAWED")
            event = await workshop.end(driver)
            assert list(driver.node.gpus_out) == []
            return event

    try:
        event = asyncio.run(story())
    finally:
        frozen.rmdir()
        freezer.rmdir()

    assert isinstance(event, Finished)
    assert workshop.ending().was_unkillable
    told = [fact for fact in workshop.facts if isinstance(fact, Unkillable | GpuOut | GpuBack)]
    assert [type(fact) for fact in told] == [Unkillable, GpuOut, GpuBack]
    assert isinstance(told[0], Unkillable)
    assert (told[0].gpus, told[0].left[0][1]) == ((0,), "sleep")
