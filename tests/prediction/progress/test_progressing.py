"""The source that listens: what it says while a job runs, and what it learns from how jobs end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.model.phase import Phase
from noljima.model.resources import JobId, Resources, gang_of
from noljima.prediction.progress.progressing import Progressing
from noljima.prediction.source import Follower, Guarded, Listener, Source
from noljima.prediction.sources import source_of
from noljima.testing.sources import BROKEN, Constant

VAGUE = Estimate(3600.0, 7200.0, 14400.0)


def job(name: str = "a", user: str = "kim", limit_s: float | None = None) -> Job:
    return Job(id=JobId(name), gang=gang_of(1, Resources()), user=user, limit_s=limit_s)


class Cluster:
    """A guarded source, and jobs whose progress it is told every ten seconds."""

    def __init__(self, source: Source | None = None) -> None:
        self.source = Progressing(Constant(VAGUE) if source is None else source)
        self.guarded = Guarded(self.source)
        self.now_s = 0.0
        self.started_s = 0.0

    def start(self, which: Job) -> None:
        self.guarded.advance(self.now_s)
        self.guarded.predict(which, 5.0)
        self.guarded.started(which)
        self.started_s = self.now_s

    def run(
        self, which: Job, each_s: float, total: float | None, until_s: float, first: float = 0.0
    ) -> list[Estimate]:
        """Let it step evenly, and return every new belief."""
        beliefs: list[Estimate] = []
        ran_s = 0.0
        while ran_s < until_s:
            ran_s += 10.0
            told = self.tell(which, first + ran_s // each_s, total, 10.0)
            beliefs += [] if told is None else [told]
        return beliefs

    def tell(self, which: Job, step: float, total: float | None, after_s: float) -> Estimate | None:
        self.now_s += after_s
        self.guarded.advance(self.now_s)
        worked_s = self.now_s - self.started_s
        return self.guarded.progressed(which, step, total, Phase.TRAIN, worked_s)

    def end(self, which: Job) -> None:
        self.guarded.stopped(which)
        self.guarded.learn(which, self.now_s - self.started_s)


def test_a_job_that_steps_evenly_is_known_within_a_few_percent() -> None:
    cluster = Cluster()
    cluster.start(job())
    beliefs = cluster.run(job(), each_s=2.0, total=10_000, until_s=300.0)

    assert beliefs[-1].q50_s == pytest.approx(20_000.0, rel=0.05)
    assert beliefs[-1].q50_s < beliefs[-1].q80_s < 22_000.0
    assert len(beliefs) < 15


def test_small_changes_are_not_told() -> None:
    cluster = Cluster()
    cluster.start(job())
    cluster.run(job(), each_s=2.0, total=10_000, until_s=3000.0)

    assert len(cluster.run(job(), each_s=2.0, total=10_000, until_s=1000.0, first=1500)) <= 3


def test_before_there_is_a_pace_the_estimate_from_before_stands() -> None:
    cluster = Cluster()
    cluster.start(job())

    assert cluster.tell(job(), 0.0, 100.0, 30.0) is None
    assert cluster.tell(job(), 0.0, 100.0, 30.0) is None
    assert cluster.guarded.reconsidered(job(), 110.0) is None


def test_a_job_that_outlives_its_belief_is_believed_to_go_on_with_its_steps() -> None:
    cluster = Cluster()
    cluster.start(job())
    told = cluster.run(job(), each_s=10.0, total=100, until_s=900.0)[-1]
    cluster.now_s += 150.0
    cluster.guarded.advance(cluster.now_s)
    goes_on = cluster.guarded.reconsidered(job(), 1050.0)

    assert told.q80_s < 1050.0
    assert goes_on is not None
    assert 1050.0 < goes_on.q80_s < 1300.0


def test_a_job_that_falls_silent_is_left_to_the_published_corrections() -> None:
    cluster = Cluster()
    cluster.start(job())
    told = cluster.run(job(), each_s=10.0, total=1000, until_s=900.0)[-1]
    cluster.now_s += 30_000.0
    cluster.guarded.advance(cluster.now_s)

    assert told.q80_s < 30_900.0
    assert cluster.guarded.reconsidered(job(), 30_900.0) is None


def test_steps_that_turn_out_to_be_of_an_epoch_bring_the_old_estimate_back() -> None:
    cluster = Cluster()
    cluster.start(job())
    told = cluster.run(job(), each_s=1.0, total=600, until_s=500.0)[-1]
    back = cluster.tell(job(), 700.0, None, 150.0)

    assert told.q80_s < 700.0
    assert back == VAGUE
    assert cluster.tell(job(), 710.0, None, 10.0) is None


def test_another_run_is_timed_by_its_own_steps() -> None:
    cluster = Cluster()
    cluster.start(job())
    cluster.run(job(), each_s=1.0, total=10_000, until_s=300.0)
    cluster.guarded.stopped(job())
    cluster.guarded.started(job())
    cluster.started_s = cluster.now_s
    beliefs = cluster.run(job(), each_s=5.0, total=10_000, until_s=300.0, first=300.0)

    assert beliefs[-1].q50_s == pytest.approx(9700 * 5.0, rel=0.08)


def test_a_limit_caps_what_the_steps_say() -> None:
    cluster = Cluster()
    limited = job(limit_s=4000.0)
    cluster.start(limited)
    beliefs = cluster.run(limited, each_s=2.0, total=10_000, until_s=300.0)

    assert beliefs[-1].q80_s == 4000.0


def test_users_whose_jobs_stop_early_are_learned() -> None:
    cluster = Cluster(Constant(Estimate(900.0, 1500.0, 3000.0)))
    before = after = None
    for number in range(12):
        which = job(f"j{number}")
        cluster.start(which)
        after = cluster.run(which, each_s=1.0, total=10_000, until_s=300.0)[-1]
        before = before or after
        cluster.run(which, each_s=1.0, total=10_000, until_s=600.0, first=300.0)
        cluster.end(which)
    other = job("x", user="lee")
    cluster.start(other)
    others = cluster.run(other, each_s=1.0, total=10_000, until_s=300.0)[-1]

    assert before is not None
    assert after is not None
    assert before.q50_s > 9000.0
    assert after.q50_s < 5000.0
    assert others.q95_s > 9000.0


def test_a_source_that_is_dead_is_replaced_by_the_limit_and_progress_is_heard() -> None:
    for name, broken in BROKEN.items():
        cluster = Cluster(broken())
        which = job(limit_s=86_400.0)
        cluster.start(which)
        beliefs = cluster.run(which, each_s=2.0, total=10_000, until_s=900.0)

        assert beliefs, name
        assert beliefs[-1].q50_s == pytest.approx(20_000.0, rel=0.1), name


def test_what_has_ended_is_forgotten() -> None:
    cluster = Cluster()
    for number in range(5):
        which = job(f"j{number}")
        cluster.start(which)
        cluster.run(which, each_s=1.0, total=100, until_s=100.0)
        cluster.end(which)
    cluster.start(job("gone"))
    cluster.guarded.forget(job("gone"))

    assert cluster.source._before == {}
    assert cluster.source._runs == {}


@pytest.mark.parametrize("name", ["limit", "last-two", "history"])
def test_the_honest_sources_listen_and_follow(name: str) -> None:
    source = source_of(name)

    assert isinstance(source, Listener)
    assert isinstance(source, Follower)


@pytest.mark.parametrize("name", ["true", "random", "adversarial", "noisy:1"])
def test_sources_of_a_simulation_are_left_alone(name: str) -> None:
    assert not isinstance(source_of(name), Listener)


class Liar(Progressing):
    """Answers with whatever it was given."""

    def __init__(self, answer: object) -> None:
        super().__init__(Constant(VAGUE))
        self._answer = answer

    def progressed(
        self, job: Job, step: float, total: float | None, phase: Phase, worked_s: float
    ) -> Estimate | None:
        assert step <= (total or step)
        assert phase is Phase.TRAIN
        return self.reconsidered(job, worked_s)

    def reconsidered(self, job: Job, worked_s: float) -> Estimate | None:
        assert job.id
        assert worked_s >= 0.0
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer  # type: ignore[return-value]  # the wrong type is the point


@pytest.mark.parametrize(
    "answer",
    [
        Estimate(math.nan, math.nan, math.nan),
        Estimate(3.0, 2.0, 1.0),
        Estimate(-1.0, 5.0, 6.0),
        Estimate(1.0, 2.0, math.inf),
        "soon",
        RuntimeError("lost"),
    ],
)
def test_absurd_beliefs_are_noted_and_not_believed(answer: object) -> None:
    guarded = Guarded(Liar(answer))

    assert guarded.progressed(job(), 1.0, 2.0, Phase.TRAIN, 0.0) is None
    assert guarded.reconsidered(job(), 110.0) is None
    assert guarded.failures == 2


def test_a_belief_in_the_past_is_none() -> None:
    guarded = Guarded(Liar(Estimate(5.0, 10.0, 20.0)))

    assert guarded.progressed(job(), 1.0, 2.0, Phase.TRAIN, 5.0) is None
    assert guarded.progressed(job(), 1.0, 2.0, Phase.TRAIN, 4.0) is not None
    assert guarded.failures == 0


@given(
    told=st.lists(
        st.tuples(
            st.floats(0.0, 1e5), st.floats(0.0, 1e15), st.one_of(st.none(), st.floats(0.0, 1e15))
        ),
        max_size=30,
    ),
    limit_s=st.one_of(st.none(), st.floats(0.0, 1e6)),
)
def test_whatever_a_job_tells_beliefs_are_later_than_now_and_within_the_limit(
    told: Sequence[tuple[float, float, float | None]], limit_s: float | None
) -> None:
    cluster = Cluster()
    which = job(limit_s=limit_s)
    cluster.start(which)
    for after_s, step, total in told:
        belief = cluster.tell(which, step, total, after_s)
        for one in (belief, cluster.guarded.reconsidered(which, cluster.now_s)):
            if one is not None:
                assert one.q50_s > cluster.now_s
                assert limit_s is None or one.q95_s <= limit_s
    assert cluster.guarded.failures <= len(told) * 2


def test_how_much_jobs_pause_is_learned_and_expected_of_the_next_before_its_first_pause() -> None:
    cluster = Cluster()
    firsts_s: list[float] = []
    for number in range(30):
        which = job(f"j{number}")
        cluster.start(which)
        firsts_s.append(cluster.run(which, each_s=1.0, total=2000, until_s=300.0)[-1].q50_s)
        for part in range(1, 5):
            # A fifth of what the steps take goes to an evaluation after each 400 of them.
            cluster.run(which, 1.0, 2000, until_s=400.0 if part > 1 else 100.0, first=step(part))
            cluster.now_s += 80.0
        cluster.run(which, each_s=1.0, total=2000, until_s=400.0, first=1600.0)
        cluster.end(which)

    assert firsts_s[0] == pytest.approx(2030.0, rel=0.03)
    assert firsts_s[-1] == pytest.approx(2320.0, rel=0.06)


def step(part: int) -> float:
    return 300.0 if part == 1 else 400.0 * (part - 1)
