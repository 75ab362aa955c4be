"""T10: a source that is dead, absurd or a liar changes how well jobs are packed, nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.policy.presets import NAMES
from noljima.prediction.user_limit import UserLimit
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.references import strict_starts
from noljima.testing.scenario import lateness_s, play
from noljima.testing.sources import BROKEN
from noljima.testing.strategies import estimates

# All but those that say something which could be true.
ABSURD = sorted(set(BROKEN) - {"zero", "minus zero", "far apart", "fickle", "slow"})
SHAPE = Shape(evictable=Evictable.SOME, jobs_max=15, limits=False, grace_s=1.0)


@pytest.mark.parametrize("broken", sorted(BROKEN))
def test_every_policy_stands_every_broken_source(broken: str) -> None:
    for seed, name in enumerate(NAMES):
        scenario = draw(seed, SHAPE)
        record = play(scenario, name, BROKEN[broken]())
        ended = record.end_s().keys() | record.refused().keys()

        assert ended == {entry.job.id for entry in scenario.jobs}, name


@pytest.mark.parametrize("broken", sorted(BROKEN))
@pytest.mark.parametrize("policy", ["fair", "efficient"])
def test_the_order_is_kept_with_every_broken_source(policy: str, broken: str) -> None:
    for seed in range(4):
        scenario = draw(seed, Shape(jobs_max=20))
        record = play(scenario, policy, BROKEN[broken]())
        strict_s = strict_starts(scenario.gpu_milli, scenario.requests())

        assert lateness_s(scenario, record, strict_s) == {}, seed


@pytest.mark.parametrize("broken", ABSURD)
def test_what_is_absurd_costs_no_more_than_the_limit_does(broken: str) -> None:
    for seed, name in enumerate(NAMES):
        scenario = draw(seed, SHAPE)
        record = play(scenario, name, BROKEN[broken]())
        plain = play(scenario, name, UserLimit())

        # Every decision is that of the limit, so that every cycle has the same work to do.
        assert record.as_bytes() == plain.as_bytes(), name


class Answers:
    """A source that gives prepared answers in turn."""

    def __init__(self, answers: list[Estimate]) -> None:
        self._answers = answers
        self._asked = 0
        self.learned_s: list[float] = []

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - prepared
        self._asked += 1
        return self._answers[self._asked % len(self._answers)]

    def learn(self, job: Job, run_s: float) -> None:  # noqa: ARG002 - whoever it was
        self.learned_s.append(run_s)


@given(answers=st.lists(estimates(), min_size=1, max_size=9), seed=st.integers(0, 1000))
def test_any_answers_at_all_keep_every_book_and_the_order(
    answers: list[Estimate], seed: int
) -> None:
    scenario = draw(seed, Shape(jobs_max=12))
    source = Answers(answers)
    record = play(scenario, "fair", source)
    strict_s = strict_starts(scenario.gpu_milli, scenario.requests())
    runs_s = [request.run_s for request in scenario.requests() if request.name in strict_s]

    assert lateness_s(scenario, record, strict_s) == {}
    assert sorted(source.learned_s) == sorted(runs_s)


@given(answers=st.lists(estimates(), min_size=1, max_size=9), seed=st.integers(0, 1000))
@pytest.mark.parametrize("name", ["easy", "easy-sjbf", "conservative", "share", "sjf"])
def test_any_answers_at_all_let_every_job_end(
    name: str, answers: list[Estimate], seed: int
) -> None:
    scenario = draw(seed, Shape(jobs_max=12, evictable=Evictable.SOME))
    record = play(scenario, name, Answers(answers))

    assert len(record.end_s()) + len(record.refused()) == len(scenario.jobs)


@pytest.mark.parametrize("name", ["easy", "fair"])
def test_at_times_of_today_ends_are_still_later_than_now(name: str) -> None:
    epoch_s = 1.9e9 + 1 / 3
    scenario = draw(11, Shape(jobs_max=25))
    moved = tuple(
        type(entry)(entry.job, entry.submit_s * math.pi + epoch_s, entry.run_s / 7.0)
        for entry in scenario.jobs
    )
    later = type(scenario)(gpus=scenario.gpus, jobs=moved)

    assert play(later, name, BROKEN["zero"]()).end_s()
