"""`slowdown`: who goes next, who is kept room for, and that no filler stands in anybody's way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine import Engine
from noljima.model.estimate import LEVELS, Estimate
from noljima.model.job import Job, Priority
from noljima.policy.slowdown import SlowdownPolicy, SlowdownTerms
from noljima.prediction.source import Source
from noljima.prediction.sources import source_of
from noljima.runtime.ports import Sink
from noljima.testing.conversation import Conversation, job
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.scenario import play, watches_of
from noljima.testing.watches import HeadReservation

HOUR_S = 3600.0
PLAIN = SlowdownTerms()


def talk(gpus: int = 4, source: Source | str = "limit", **terms: float) -> Conversation:
    """Build a cluster that has long been busy: nobody joins the lane but by the hours waited."""
    given = {"lane_waits": math.inf, **terms}
    policy = SlowdownPolicy("slowdown", SlowdownTerms(**given))  # type: ignore[arg-type]  # by name
    policy._recent_wait_s = 1.0
    return Conversation(policy, gpus, source)


def test_the_shorter_of_two_jobs_goes_first() -> None:
    said = talk()
    said.submit(job("runs", 4))
    said.submit(job("long", 1, limit_s=500.0), job("short", 1, limit_s=50.0))
    said.submit(job("fills", 3, limit_s=500.0))

    assert said.at(50.0).finish("runs")[0] == "start short"


def test_a_job_that_may_end_early_goes_before_one_that_will_not() -> None:
    class Told:
        """Half of the jobs called maybe end within a minute."""

        def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - not asked
            curve_s = tuple(
                60.0 if job.id == "maybe" and level <= 0.5 else 5 * HOUR_S for level in LEVELS
            )
            return Estimate(5 * HOUR_S, 5 * HOUR_S, 5 * HOUR_S, curve_s)

        def learn(self, job: Job, run_s: float) -> None:
            pass

    said = talk(4, Told())
    said.submit(job("runs", 4, limit_s=None))
    said.submit(job("sure", 1, limit_s=None), job("maybe", 1, limit_s=None))

    assert said.at(60.0).finish("runs") == ["start maybe", "start sure"]


def test_an_urgent_job_goes_before_any_index() -> None:
    said = talk()
    said.submit(job("runs", 4))
    said.submit(
        job("short", 4, limit_s=10.0), job("urgent", 4, limit_s=9999.0, priority=Priority.URGENT)
    )

    assert said.at(50.0).finish("runs") == ["start urgent"]


def test_the_wider_a_job_is_the_sooner_it_joins_the_first_come_lane() -> None:
    lane_s = {gpus: PLAIN.lane_s * (1 - gpus / 4) ** PLAIN.lane_power for gpus in (1, 2, 3, 4)}

    for gpus, after_s in lane_s.items():
        said = talk()
        said.submit(job("runs", 4, limit_s=None))
        said.submit(job("waits", gpus, limit_s=None))
        said.at(max(after_s - 1.0, 0.0)).tick()

        assert (said.ticket("waits").key[1] == 0) == (gpus == 4)

        said.at(after_s).tick()

        assert said.ticket("waits").key[1] == 0


def test_in_the_lane_whoever_came_first_goes_first() -> None:
    said = talk()
    said.submit(job("runs", 4))
    said.submit(job("wide", 4, limit_s=99_999.0))
    said.submit(job("brief", 4, limit_s=1.0))

    assert said.at(100.0).finish("runs") == ["start wide"]


def test_a_job_that_waited_long_enough_goes_before_shorter_ones() -> None:
    for lane_s, first in ((90.0, "long"), (1e9, "short")):
        said = talk(lane_s=lane_s, lane_power=0.0)
        said.submit(job("runs", 4))
        said.submit(job("long", 1, limit_s=9_000.0))
        said.at(80.0).submit(job("short", 1, limit_s=1.0))

        assert said.at(100.0).finish("runs")[0] == f"start {first}"


def test_where_nobody_waits_long_everybody_soon_joins_the_lane() -> None:
    # One start in the past, and it had waited for 10 s: forty times that is the usual limit.
    for waited_s, first in ((390.0, "short"), (400.0, "long")):
        said = talk(lane_waits=40.0, recent_jobs=1.0, lane_power=0.0)
        said.submit(job("runs", 4, limit_s=10.0))
        said.submit(job("next", 4, limit_s=1e6))
        assert said.at(10.0).finish("runs") == ["start next"]

        said.submit(job("long", 1, limit_s=9_000.0))
        said.at(20.0).submit(job("short", 1, limit_s=1.0))

        assert said.at(10.0 + waited_s).finish("next")[0] == f"start {first}"


@pytest.mark.parametrize(("reservations", "answer"), [(1, ["start fills"]), (2, [])])
def test_room_is_kept_for_the_first_jobs_of_the_lane_and_for_no_more(
    reservations: int, answer: list[str]
) -> None:
    # Everybody is in the lane. `first` has three GPUs from 100 s on, `second` all four from 200 s.
    said = talk(lane_s=0.0, reservations=reservations)
    said.submit(job("runs", 3, limit_s=100.0))
    said.submit(job("first", 3, limit_s=100.0))
    said.submit(job("second", 4, limit_s=100.0))

    assert said.submit(job("fills", 1, limit_s=300.0)) == answer


@pytest.mark.parametrize("estimates", ["limit", "true"])
@given(seed=st.integers(0, 10_000))
def test_in_the_lane_no_filler_moves_the_first_reservation_to_a_later_time(
    estimates: str, seed: int
) -> None:
    # Outside the lane a newcomer with a higher index may go ahead.
    def with_t1(engine: Engine) -> Sequence[Sink]:
        return [*watches_of(engine), HeadReservation(engine)]

    scenario = draw(seed, Shape(jobs_max=20, evictable=Evictable.NONE))

    policy = SlowdownPolicy("slowdown", SlowdownTerms(lane_s=0.0))

    play(scenario, policy, source_of(estimates), with_t1)


@given(seed=st.integers(0, 10_000), estimates=st.sampled_from(("random", "adversarial", "noisy:2")))
def test_every_job_ends_whatever_was_believed_of_it(seed: int, estimates: str) -> None:
    scenario = draw(seed, Shape(jobs_max=20, evictable=Evictable.NONE))

    record = play(scenario, "slowdown", source_of(estimates))

    can_run = {j.job.id for j in scenario.jobs if j.job.gang.gpu_milli <= scenario.gpu_milli}
    assert set(record.last_start_s()) == can_run
