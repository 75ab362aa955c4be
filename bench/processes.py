"""Real jobs on this machine: how soon they start, end and are gone.

`python -m bench.processes` prints the table; `measure` gives the rows to who wants them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import quantiles

import msgspec

from bench.row import Result, Row
from noljima.drivers.local import logs
from noljima.drivers.local.driver import ProcessDriver
from noljima.model.commands import Start, Stop
from noljima.model.events import Finished, Started
from noljima.testing.workshop import Workshop, until

_SECTION = "Processes"
_SAYS_WHEN = "exec date +%s%N"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    runs: int = 30
    crowd: int = 50
    """Jobs that are started at once, and that are there when a scheduler begins."""
    flood_mb: int = 200


def measure(plan: Plan) -> Result:
    """Measure with the control groups that there are here, and without any."""
    rows = []
    for cgroups in (True, False):
        with tempfile.TemporaryDirectory(prefix="noljima-bench-") as state:
            workshop = Workshop(Path(state), cgroups=cgroups)
            try:
                rows += asyncio.run(_measure(workshop, plan))
            finally:
                workshop.left()
                workshop.clear()
    return Result(rows=rows)


async def _measure(workshop: Workshop, plan: Plan) -> list[Row]:
    rows = []
    async with workshop.driver() as driver:
        kind = driver.cgroups.kind if workshop.cgroups else "none"
        for what, budget, run in _STORIES:
            values = [await run(workshop, driver, f"{what}-{at}") for at in range(plan.runs)]
            rows.append(_row(f"{what} (control groups: {kind})", values, "ms", budget))
        crowd = await crowd_started(workshop, driver, plan.crowd)
        rows.append(_row(f"{plan.crowd} jobs at once, all up (control groups: {kind})", [crowd]))
        flood = await flood_taken(workshop, driver, plan.flood_mb)
        rows.append(_row(f"log of one worker (control groups: {kind})", [flood], "MB/s"))
    rows.append(
        _row(
            f"a scheduler begins beside {plan.crowd} jobs (control groups: {kind})",
            [await crowd_adopted(workshop, plan.crowd)],
        )
    )
    return rows


def _row(what: str, values: list[float], unit: str = "ms", budget: float | None = None) -> Row:
    note = ""
    if len(values) > 9:
        tenths = quantiles(values, n=10)
        note = f"tenths: {tenths[0]:.1f} to {tenths[-1]:.1f}"
    return Row(
        section=_SECTION, what=what, values=tuple(values), unit=unit, budget=budget, note=note
    )


def _wall_ms() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME) * 1e3


def _said_ms(workshop: Workshop, job: str) -> float:
    """Return when a job's program ran, as it says itself."""
    return int(workshop.log(job=job)) / 1e6


async def start_to_program(workshop: Workshop, driver: ProcessDriver, name: str) -> float:
    """Measure from the command to the job's own program."""
    start = workshop.shell(_SAYS_WHEN, name)
    began_ms = _wall_ms()
    await driver.do(0.0, [start])
    await workshop.end(driver, name)
    return _said_ms(workshop, name) - began_ms


async def start_to_event(workshop: Workshop, driver: ProcessDriver, name: str) -> float:
    """Measure from the command to the event that all workers of a gang of eight are up."""
    start = workshop.shell("exec sleep 1000", name, 8)
    began_ms = _wall_ms()
    await driver.do(0.0, [start])
    await workshop.until(driver, Started, job=name)
    took_ms = _wall_ms() - began_ms
    await driver.do(0.0, [Stop(start.job)])
    await workshop.end(driver, name)
    return took_ms


async def exit_to_event(workshop: Workshop, driver: ProcessDriver, name: str) -> float:
    """Measure from a program's last word to the event that its job has ended."""
    await driver.do(0.0, [workshop.shell(_SAYS_WHEN, name)])
    await workshop.until(driver, Finished, job=name)
    return _wall_ms() - _said_ms(workshop, name)


async def exit_to_next(workshop: Workshop, driver: ProcessDriver, name: str) -> float:
    """Measure from a program's last word to the next job's program, which is started then."""
    await driver.do(0.0, [workshop.shell(_SAYS_WHEN, name)])
    await workshop.until(driver, Finished, job=name)
    following = f"{name}-next"
    await driver.do(0.0, [workshop.shell(_SAYS_WHEN, following)])
    await workshop.until(driver, Finished, job=following)
    return _said_ms(workshop, following) - _said_ms(workshop, name)


def kill_to_empty(processes: int) -> Callable[[Workshop, ProcessDriver, str], Awaitable[float]]:
    """Measure from a stop without grace to the end of so many processes, each in a session."""

    async def run(workshop: Workshop, driver: ProcessDriver, name: str) -> float:
        text = f"for i in $(seq {processes}); do setsid sleep 1000 & done; echo up; wait"
        start = workshop.shell(text, name, stop_grace_s=0.0)
        await driver.do(0.0, [start])
        await _up(workshop, start)
        began_ms = _wall_ms()
        await driver.do(0.0, [Stop(start.job)])
        await workshop.until(driver, Finished, job=name)
        return _wall_ms() - began_ms

    return run


async def crowd_started(workshop: Workshop, driver: ProcessDriver, jobs: int) -> float:
    """Measure from the commands for many jobs to the event that the last of them is up."""
    starts = [workshop.shell("exec sleep 1000", f"crowd-{at}") for at in range(jobs)]
    began_ms = _wall_ms()
    await driver.do(0.0, starts)
    for start in starts:
        await workshop.until(driver, Started, job=start.job)
    took_ms = _wall_ms() - began_ms
    await _stop_all(workshop, driver, starts)
    return took_ms


async def crowd_adopted(workshop: Workshop, jobs: int) -> float:
    """Measure how long a new scheduler takes to begin beside running jobs."""
    starts = [workshop.shell("exec sleep 1000", f"old-{at}") for at in range(jobs)]
    async with workshop.driver() as driver:
        await driver.do(0.0, starts)
        for start in starts:
            await workshop.until(driver, Started, job=start.job)
    began_ms = _wall_ms()
    async with workshop.driver() as driver:
        await driver.adopt(starts)
        took_ms = _wall_ms() - began_ms
        await _stop_all(workshop, driver, starts)
    return took_ms


async def flood_taken(workshop: Workshop, driver: ProcessDriver, megabytes: int) -> float:
    """Measure how many megabytes a second a worker can write."""
    text = f"echo up; head -c {megabytes}000000 /dev/zero"
    await driver.do(0.0, [workshop.shell(text, "flood", log_bytes=16 << 20)])
    await workshop.end(driver, "flood")
    return megabytes / workshop.ending("flood").ran_s


async def _stop_all(workshop: Workshop, driver: ProcessDriver, starts: list[Start]) -> None:
    await driver.do(0.0, [Stop(start.job) for start in starts])
    for start in starts:
        await workshop.end(driver, start.job)


async def _up(workshop: Workshop, start: Start) -> None:
    await until(lambda: logs.length(workshop.folder(start.job), 0) > 0)


_STORIES: tuple[
    tuple[str, float | None, Callable[[Workshop, ProcessDriver, str], Awaitable[float]]], ...
] = (
    ("command to program", 50.0, start_to_program),
    ("command to a gang of 8 up", None, start_to_event),
    ("exit to event", 20.0, exit_to_event),
    ("exit to the next program", 100.0, exit_to_next),
    ("kill to empty, 1 process", None, kill_to_empty(1)),
    ("kill to empty, 50 processes", None, kill_to_empty(50)),
)


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else Plan().runs
    for row in measure(Plan(runs=runs)).rows:
        budget = "" if row.budget is None else f"(budget {row.budget:g})"
        print(f"{row.what:<62} {row.value:8.1f} {row.unit:<5} {row.note:<24} {budget}")


if __name__ == "__main__":
    main()
