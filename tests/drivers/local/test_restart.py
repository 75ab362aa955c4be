"""A scheduler that is killed, and the next one: what ran goes on, what ended is told, once."""
# ruff: noqa: S603 - the programs that are started are our own

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noljima.drivers.local.clock import Clock
from noljima.drivers.local.driver import ProcessDriver
from noljima.drivers.local.facts import Stranger
from noljima.drivers.local.listening import AlreadyRunningError
from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim import proc
from noljima.model.commands import Command, Evict, Start, Stop
from noljima.model.events import Event, Evicted, Finished, Outcome, Started, StartFailed
from noljima.model.resources import JobId
from noljima.testing.workshop import ENDS, Workshop, gone, until

HOST = """
import asyncio, sys
from pathlib import Path
from noljima.testing.workshop import Workshop

async def main():
    workshop = Workshop(Path(sys.argv[1]), cgroups=sys.argv[2] == "True")
    starts = [workshop.shell(text, f"job-{at}", 2) for at, text in enumerate(sys.argv[3:])]
    async with workshop.driver() as driver:
        print("open", flush=True)
        for start in starts:
            await driver.do(0.0, [start])
            print("told", start.job, flush=True)
        while True:
            for event in await driver.wait(None):
                print(type(event).__name__, getattr(event, "job", ""), flush=True)

asyncio.run(main())
"""


class Host:
    """A scheduler in a process of its own."""

    def __init__(self, workshop: Workshop, *texts: str) -> None:
        argv = [sys.executable, "-c", HOST, str(workshop.state), str(workshop.cgroups), *texts]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def until(self, *words: str) -> None:
        """Read what it says until it has said all of these."""
        assert self._process.stdout is not None
        missing = set(words)
        for line in self._process.stdout:
            missing.discard(line.strip())
            if not missing:
                return
        raise AssertionError(f"it never said {missing}")

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def killed_host(workshop: Workshop, *texts: str, said: str = "") -> list[Start]:
    """Start jobs under a scheduler and kill that; return what it was told to start."""
    host = Host(workshop, *texts)
    host.until(*([said] if said else [f"Started job-{at}" for at in range(len(texts))]))
    host.kill()
    return [workshop.shell(text, f"job-{at}", 2) for at, text in enumerate(texts)]


def adopted(
    workshop: Workshop, commands: list[Command], *then: Command, clock: Clock | None = None
) -> list[Event]:
    """Let a new scheduler take over, and return all events to the end of all jobs."""
    jobs = {command.job for command in commands if isinstance(command, Start)}

    async def story() -> list[Event]:
        events: list[Event] = []
        async with workshop.driver(clock=clock) as driver:
            await driver.adopt(commands)
            await driver.do(0.0, then)
            async with asyncio.timeout(30.0):
                while {e.job for e in events if isinstance(e, ENDS)} != jobs:
                    events += await driver.wait(None)
        return events

    return asyncio.run(story())


def ends(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, ENDS)]


RUNS = (
    "echo $$ >> {0}/ran-$NOLJIMA_JOB_ID-$RANK; while [ ! -e {0}/go ]; do sleep 0.01; done; exit 4"
)


def runs(workshop: Workshop) -> str:
    """Return a program that leaves a line each time that it is run, and ends when told to."""
    return RUNS.format(workshop.state)


def let_go(workshop: Workshop) -> None:
    (workshop.state / "go").touch()


def times_run(workshop: Workshop) -> dict[str, int]:
    """Return how often each worker of each job was run."""
    found = workshop.state.glob("ran-*")
    return {path.name: len(path.read_text().splitlines()) for path in found}


def test_what_runs_goes_on_and_is_taken_over(any_workshop: Workshop) -> None:
    starts = killed_host(any_workshop, *[runs(any_workshop)] * 3)
    before = [stat.pid for stat in any_workshop.alive()]
    assert len(before) >= 6

    async def story() -> list[Event]:
        async with any_workshop.driver() as driver:
            await driver.adopt(starts)
            assert driver.running == {start.job: 1 for start in starts}
            let_go(any_workshop)
            return [await any_workshop.end(driver, start.job) for start in starts]

    events = asyncio.run(story())

    assert {type(event) for event in events} == {Finished}
    # The first worker that fails takes the other with it, unless that has ended by then.
    codes = any_workshop.ending("job-1").codes
    assert 4 in codes
    assert set(codes) <= {4, -15}
    assert set(times_run(any_workshop).values()) == {1}


def test_what_ended_meanwhile_is_told_as_of_when_it_did(workshop: Workshop) -> None:
    began_s = time.time()  # noqa: TID251 - the wall clock is what is tested
    starts = killed_host(workshop, "sleep 0.1; exit 0", "sleep 0.3; exit 5")
    for shim in workshop.shims():
        gone(shim)
    time.sleep(0.3)
    events = ends(adopted(workshop, list(starts), clock=Clock(began_s)))

    first, second = events
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert (first.outcome, second.outcome) == (Outcome.SUCCEEDED, Outcome.FAILED)
    assert began_s < first.at_s < second.at_s < time.time() - 0.25  # noqa: TID251 - as above


def test_nothing_is_told_of_before_what_was_told_already(workshop: Workshop) -> None:
    starts = killed_host(workshop, "exit 0", said="Started job-0")
    for shim in workshop.shims():
        gone(shim)
    now_s = time.time()  # noqa: TID251 - the wall clock is what is tested
    events = adopted(workshop, list(starts), clock=Clock(now_s + 1000.0))

    assert min(event.at_s for event in events) >= now_s + 1000.0


def test_what_was_told_and_not_begun_is_begun(workshop: Workshop) -> None:
    start = workshop.shell("exit 0")
    events = ends(adopted(workshop, [start]))

    assert [type(event) for event in events] == [Finished]


def test_what_was_to_be_ended_is_ended(any_workshop: Workshop) -> None:
    one, two = killed_host(any_workshop, *[runs(any_workshop)] * 2)
    stop, evict = Stop(one.job), Evict(two.job, JobId("other"))
    events = ends(adopted(any_workshop, [one, two, stop, evict]))

    assert {type(event) for event in events} == {Finished, Evicted}


def test_what_is_in_nobodys_books_is_ended_before_its_gpus_are_used(workshop: Workshop) -> None:
    (unknown,) = killed_host(workshop, f"trap '' TERM; {runs(workshop)}")
    start = workshop.shell("exit 0")

    events = ends(adopted(workshop, [start]))

    (stranger,) = [fact for fact in workshop.facts if isinstance(fact, Stranger)]
    assert (stranger.job, stranger.gpus) == (unknown.job, (0, 1))
    assert [event.job for event in events if isinstance(event, Finished)] == ["job"]
    state = json.loads((workshop.folder() / "state.json").read_bytes())
    assert state["began_s"] >= workshop.ending(unknown.job).ended_s


def test_a_second_scheduler_on_the_same_state_is_refused(workshop: Workshop) -> None:
    host = Host(workshop)
    host.until("open")

    async def story() -> None:
        with pytest.raises(AlreadyRunningError, match="another scheduler uses"):
            await workshop.driver().open()

    try:
        asyncio.run(story())
    finally:
        host.kill()
    adopted(workshop, [])  # It tidies up.


SEEDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 30))]


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_any_moment_no_gang_runs_twice_or_by_halves(
    any_workshop: Workshop, seed: int
) -> None:
    """Killed after a while drawn from the seed: before, between and after the starts."""
    chance = random.Random(seed)  # noqa: S311 - a moment is drawn, not a secret
    texts = [runs(any_workshop)] * 4
    host = Host(any_workshop, *texts)
    host.until("open")
    time.sleep(chance.uniform(0.0, 0.15))
    host.kill()
    starts = [any_workshop.shell(text, f"job-{at}", 2) for at, text in enumerate(texts)]
    let_go(any_workshop)
    events = ends(adopted(any_workshop, list(starts)))

    assert sorted(event.job for event in events if isinstance(event, Finished)) == [
        start.job for start in starts
    ]
    assert len(events) == len(starts)
    assert times_run(any_workshop) == {f"ran-job-{at}-{r}": 1 for at in range(4) for r in range(2)}


def test_the_same_attempt_told_twice_runs_once(workshop: Workshop) -> None:
    start = workshop.shell(runs(workshop), workers=2)

    async def story() -> list[Event]:
        async with workshop.driver() as driver:
            await driver.do(0.0, [start, start])
            await workshop.until(driver, Started)
            await driver.do(0.0, [start])
            let_go(workshop)
            first = await workshop.end(driver)
            # Told again after its end, it is told again how it ended.
            await driver.do(0.0, [start])
            return [first, await workshop.end(driver)]

    events = asyncio.run(story())

    assert [type(event) for event in events] == [Finished, Finished]
    assert set(times_run(workshop).values()) == {1}


def test_a_killed_zygote_is_replaced(workshop: Workshop) -> None:
    async def story() -> Event:
        async with workshop.driver() as driver:
            assert driver._launcher is not None
            await driver.do(0.0, [workshop.shell(runs(workshop), workers=2)])
            await workshop.until(driver, Started)
            os.kill(driver._launcher.pid, signal.SIGKILL)
            await driver.do(0.0, [workshop.shell("exit 0", "other")])
            other = await workshop.end(driver, "other")
            let_go(workshop)
            await workshop.end(driver, "job")
            return other

    event = asyncio.run(story())

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.SUCCEEDED


# So long sleeps nobody else.
LONG = str(10_000_000 + os.getpid())
ESCAPED = f"setsid sleep {LONG} & (setsid env -i sleep {LONG} &) ; echo up; sleep {LONG}"


def shim_killed(workshop: Workshop, text: str = ESCAPED) -> Event:
    async def story() -> Event:
        async with workshop.driver() as driver:
            await driver.do(0.0, [workshop.shell(text)])
            await workshop.until(driver, Started)
            await until(lambda: workshop.log() == "up\n" if log_begun(workshop) else False)
            os.kill(workshop.shims()[0], signal.SIGKILL)
            return await workshop.end(driver)

    return asyncio.run(story())


def log_begun(workshop: Workshop) -> bool:
    return (workshop.folder() / "worker-0.0.log").exists()


def test_a_job_whose_shim_is_killed_is_ended_with_all_that_it_left(any_workshop: Workshop) -> None:
    event = shim_killed(any_workshop)

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.FAILED
    assert any_workshop.ending().outcome == "lost"
    assert [pid for pid in proc.table() if LONG.encode() in proc.read(f"/proc/{pid}/cmdline")] == []


def test_a_shim_that_was_killed_while_no_scheduler_was_there(any_workshop: Workshop) -> None:
    (start,) = killed_host(any_workshop, f"echo x; {runs(any_workshop)}")
    for shim in any_workshop.shims():
        os.kill(shim, signal.SIGKILL)
    events = ends(adopted(any_workshop, [start]))

    assert [type(event) for event in events] == [Finished]
    assert any_workshop.ending("job-0").outcome == "lost"
    assert any_workshop.alive() == []


def test_after_a_restart_of_the_machine_jobs_come_back_with_what_they_saved(
    workshop: Workshop,
) -> None:
    (start,) = killed_host(workshop, f'touch "$NOLJIMA_CHECKPOINT"; {runs(workshop)}')
    folder = workshop.folder("job-0")
    mark = folder / "job" / "checkpoint"
    asyncio.run(until(mark.exists))
    for shim in workshop.shims():
        os.kill(shim, signal.SIGKILL)
    for stat in workshop.alive():
        proc.send(stat, signal.SIGKILL)
    began_s = json.loads((folder / files.STATE).read_bytes())["began_s"]
    os.utime(mark, (began_s + 100.0, began_s + 100.0))
    claim = json.loads((folder / files.CLAIM).read_bytes())
    (folder / files.CLAIM).write_text(json.dumps({**claim, "boot": "another"}))
    events = ends(adopted(workshop, [start]))

    (event,) = events
    assert isinstance(event, Evicted)
    assert event.saved_s == pytest.approx(100.0, abs=0.01)
    assert workshop.ending("job-0").reason == "the machine was restarted"
    for path in workshop.groups():
        if path.name != workshop.folders.name:
            path.rmdir()
    for path in workshop.groups():
        path.rmdir()


def test_an_attempt_that_was_given_up_cannot_begin_any_more(workshop: Workshop) -> None:
    """A shim that comes late finds the claim taken."""
    start = workshop.shell("exit 0")
    workshop.specs.clear()
    assert isinstance(workshop.run(start), StartFailed)
    shim = Path(files.__file__).parent
    late = subprocess.run([sys.executable, "-I", "-S", shim, workshop.folder()], check=False)

    assert late.returncode in {2, 3}


def test_a_zygote_ends_with_its_scheduler(workshop: Workshop) -> None:
    host = Host(workshop)
    host.until("open")
    children = proc.below({host._process.pid}, proc.table())
    zygote = next(stat for stat in children if stat.name == "noljima-zygote")
    watched = os.pidfd_open(zygote.pid)
    host.kill()

    poll = select.poll()
    poll.register(watched, select.POLLIN)
    assert poll.poll(10_000)
    os.close(watched)
    adopted(workshop, [])  # It tidies up.


def test_a_driver_that_was_closed_leaves_its_jobs_running(workshop: Workshop) -> None:
    start = workshop.shell(runs(workshop), workers=2)

    async def one(driver: ProcessDriver) -> None:
        async with driver:
            await driver.do(0.0, [start])
            await workshop.until(driver, Started)

    async def both() -> Event:
        await one(workshop.driver())
        assert len(workshop.alive()) >= 2
        async with workshop.driver() as driver:
            await driver.adopt([start])
            let_go(workshop)
            return await workshop.end(driver)

    assert isinstance(asyncio.run(both()), Finished)
    assert set(times_run(workshop).values()) == {1}
