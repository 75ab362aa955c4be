"""What the scheduler counts of itself: decisions, promises kept, run times foreseen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine import Engine
from noljima.engine.promises import Settled
from noljima.model.commands import Command
from noljima.model.events import Event, Ticked
from noljima.model.resources import JobId
from noljima.service.coverage import Coverage
from noljima.service.stopwatch import Stopwatch
from noljima.service.telling import Telling
from noljima.store.records import JobRecord

# --- Decisions ---


class World:
    """A driver, a journal and a clock that notes what was asked of it."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self.asked: list[str] = []

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        self.asked.append(f"wait {until_s}")
        self.at_s += 100.0
        return (Ticked(at_s=self.at_s),)

    async def append(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        self.asked.append(f"append {len(events)} {len(commands)}")
        self.at_s += 10.0

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        self.asked.append(f"do {at_s} {len(commands)}")


def test_only_the_time_of_decisions_is_counted_and_all_is_passed_on() -> None:
    world = World()
    stopwatch = Stopwatch(world, world, lambda: world.at_s)

    async def story() -> None:
        for seconds in (0.002, 0.004, 7.0):
            events = await stopwatch.wait(5.0)
            world.at_s += seconds
            await stopwatch.append(events, ())
            await stopwatch.do(1.0, ())

    asyncio.run(story())
    noted = stopwatch.timing.durations()

    assert noted.sum_s == pytest.approx(7.006)
    assert dict(zip(noted.bounds_s, noted.up_to, strict=False))[0.0025] == 1
    assert noted.up_to[-2:] == (2, 3)
    assert world.asked == ["wait 5.0", "append 1 0", "do 1.0 0"] * 3


# --- Promises ---


def settled(by_s: float, start_s: float) -> Settled:
    return Settled(
        job=JobId("1"), made_s=0.0, about_s=1.0, first_by_s=by_s, by_s=by_s, start_s=start_s
    )


@given(starts=st.lists(st.floats(0.0, 20.0)), before=st.integers(0, 3))
def test_the_share_of_promises_kept_is_of_those_that_came_due_since_the_beginning(
    starts: list[float], before: int
) -> None:
    coming = [[settled(10.0, 99.0)] * before, *([settled(10.0, start_s)] for start_s in starts)]
    promises = SimpleNamespace(take_settled=lambda: coming.pop(0))
    telling = Telling(cast("Engine", SimpleNamespace(promises=promises)), "the limit")
    assert telling.kept_share is None
    missed = sum(len(telling.missed()) for _ in starts)

    assert missed == sum(start_s > 10.0 for start_s in starts)
    if starts:
        assert telling.kept_share == pytest.approx(1.0 - missed / len(starts))
    else:
        assert telling.kept_share is None


# --- Run times ---


def ended(ran_s: float = 30.0, **fields: object) -> JobRecord:
    known = {
        "job": "1",
        "state": "succeeded",
        "outcome": "succeeded",
        "submitted_s": 0.0,
        "started_s": 5.0,
        "ended_s": 5.0 + ran_s,
        "estimate": (10.0, 20.0, 30.0),
    }
    return JobRecord(**(known | fields))  # type: ignore[arg-type]  # an example


def test_each_quantile_has_the_share_of_run_times_that_were_not_above_it() -> None:
    coverage = Coverage()
    assert coverage.shares() is None
    for ran_s in (10.0, 15.0, 30.0, 31.0):
        coverage.ended(ended(ran_s))

    assert coverage.shares() == {0.5: 0.25, 0.8: 0.5, 0.95: 0.75}


@pytest.mark.parametrize(
    "record",
    [
        ended(outcome="failed"),
        ended(outcome="cancelled"),
        ended(outcome="limit"),
        ended(evictions=1),
        ended(estimate=None),
        ended(started_s=None),
    ],
)
def test_jobs_that_say_nothing_of_their_run_times_are_not_counted(record: JobRecord) -> None:
    coverage = Coverage()
    coverage.ended(record)

    assert coverage.shares() is None
