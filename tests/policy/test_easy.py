"""EASY backfilling, both orders, against `references.Easy`: the published algorithm, slowly."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine import Engine
from noljima.model.estimate import Estimate
from noljima.model.job import Job, Priority
from noljima.prediction.source import Guarded, Source
from noljima.prediction.sources import source_of
from noljima.runtime.ports import Sink
from noljima.testing.conversation import Conversation, job
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.references import Easy, Request
from noljima.testing.scenario import Scenario, play, watches_of
from noljima.testing.strategies import scenarios
from noljima.testing.watches import HeadReservation

# The reference does without runs and estimates of no length.
ESTIMATES = ("limit", "true", "random", "noisy:1", "adversarial")
SHAPES = {
    "loose": Shape(run_s_min=1, gap_s_max=30, evictable=Evictable.NONE),
    # Few different times: much falls into one moment.
    "dense": Shape(run_s_min=1, run_s_max=6, gap_s_max=3, gpus_max=5, evictable=Evictable.NONE),
}
POLICIES = ("easy", "easy-sjbf")


class Point:
    """A source that says one number: the 80 % quantile of another."""

    def __init__(self, name: str) -> None:
        self._source = source_of(name, seed=4)

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        return Estimate.point(max(self._source.predict(job, oracle_s).q80_s, 1.0))

    def learn(self, job: Job, run_s: float) -> None:
        pass


def requests(scenario: Scenario, source: Source) -> list[Request]:
    estimates = [Guarded(source).predict(entry.job, entry.run_s) for entry in scenario.jobs]
    return [
        request._replace(estimate_s=estimate.q80_s)
        for request, estimate in zip(scenario.requests(), estimates, strict=True)
    ]


def both(scenario: Scenario, policy: str, estimates: str) -> tuple[object, object]:
    """Return when jobs start under the policy, and in the reference."""
    record = play(scenario, policy, Point(estimates))
    asked = requests(scenario, Point(estimates))
    reference = Easy(scenario.gpu_milli, asked, shortest_first=policy == "easy-sjbf")
    return record.last_start_s(), reference.starts


@pytest.mark.parametrize("policy", POLICIES)
@given(scenario=scenarios(run_s_min=1, evictable=False), estimates=st.sampled_from(ESTIMATES))
def test_it_starts_every_job_when_the_reference_does(
    policy: str, scenario: Scenario, estimates: str
) -> None:
    started, expected = both(scenario, policy, estimates)

    assert started == expected


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("estimates", ESTIMATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_agrees_with_the_reference_in_long_histories(
    policy: str, estimates: str, shape: str
) -> None:
    for seed in range(12):
        started, expected = both(draw(seed, SHAPES[shape]), policy, estimates)

        assert started == expected, seed


def with_t1(engine: Engine) -> Sequence[Sink]:
    return [*watches_of(engine), HeadReservation(engine)]


@pytest.mark.parametrize("policy", POLICIES)
@given(seed=st.integers(0, 10_000))
def test_with_enforced_limits_the_heads_reservation_never_moves_later(
    policy: str, seed: int
) -> None:
    # Without urgent jobs: one that arrives takes what was kept for the head.
    scenario = draw(seed, Shape(jobs_max=20))

    play(scenario, policy, source_of("limit"), with_t1)


def test_a_later_job_fills_the_hole_if_it_ends_before_the_reservation() -> None:
    talk = Conversation("easy", gpus=4)

    assert talk.submit(job("runs", 3, limit_s=50.0)) == ["start runs"]
    assert talk.submit(job("head", 4)) == []
    assert talk.submit(job("long", 1, limit_s=51.0)) == []
    assert talk.submit(job("short", 1, limit_s=50.0)) == ["start short"]


def test_a_later_job_may_run_on_beside_the_reservation() -> None:
    talk = Conversation("easy", gpus=4)
    talk.submit(job("runs", 2, limit_s=50.0))
    talk.submit(job("head", 3))

    assert talk.submit(job("beside", 1, limit_s=9000.0)) == ["start beside"]
    assert talk.submit(job("too much", 1, limit_s=9000.0)) == []


def test_shortest_first_gives_the_hole_to_the_shorter_job() -> None:
    for policy, filler in (("easy", "older"), ("easy-sjbf", "shorter")):
        talk = Conversation(policy, gpus=4)
        talk.submit(job("runs", 3, limit_s=50.0))
        talk.submit(job("fills", 1, limit_s=10.0))
        talk.submit(job("head", 4))
        talk.submit(job("older", 1, limit_s=40.0))
        talk.submit(job("shorter", 1, limit_s=20.0))

        assert talk.at(10.0).finish("fills") == [f"start {filler}"]


def test_what_ends_as_expected_is_free_before_the_submissions_of_that_second() -> None:
    talk = Conversation("easy", gpus=2)
    talk.submit(job("ends", 2, limit_s=10.0))
    talk.submit(job("head", 2))
    talk.at(10.0)

    assert talk.submit(job("late", 2)) == []
    assert talk.finish("ends") == ["start head"]


def test_an_urgent_job_takes_the_place_of_the_head_and_moves_its_reservation() -> None:
    talk = Conversation("easy", gpus=4)
    talk.submit(job("runs", 4, limit_s=10.0), job("head", 4, limit_s=50.0))

    assert talk.engine.reservation is not None
    assert (talk.engine.reservation.ticket.job.id, talk.engine.reservation.start_s) == (
        "head",
        10.0,
    )

    talk.at(5.0).submit(job("urgent", 4, limit_s=30.0, priority=Priority.URGENT))

    assert talk.engine.reservation.ticket.job.id == "urgent"
    assert talk.at(10.0).finish("runs") == ["start urgent"]
    assert talk.engine.reservation is not None
    assert (talk.engine.reservation.ticket.job.id, talk.engine.reservation.start_s) == (
        "head",
        40.0,
    )
