"""A source that hangs: it is waited for so long and so often, and then no more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima import app
from noljima.app import EngineSpec
from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.prediction.source import Guarded, Source
from noljima.prediction.user_limit import UserLimit
from noljima.runtime.patience import Apart, ApartError, Patient, ThreadDesk
from noljima.testing.conversation import Conversation, job
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.scenario import play
from noljima.testing.sources import Constant, Hanging, Raising, SlowDesk

BUDGET_S = 0.05
A = job("a", limit_s=100.0)


def patient(*seconds: float, source: Source | None = None) -> tuple[Patient, SlowDesk]:
    """Build a patient source whose calls take these times, by a clock that is not real."""
    desk = SlowDesk(seconds)
    return Patient(source or Constant(Estimate.point(7.0)), desk, budget_s=BUDGET_S), desk


def test_an_answer_in_time_is_the_answer() -> None:
    source, desk = patient(0.01)

    assert source.predict(A, None) == Estimate.point(7.0)
    assert (source.late, desk.waited_s) == (0, 0.01)


def test_one_that_is_late_is_waited_for_no_longer_than_the_budget() -> None:
    source, desk = patient(9.0)

    with pytest.raises(TimeoutError, match=r"no estimate within 0\.05 s \(late 1 of 3 times\)"):
        source.predict(A, None)
    assert desk.waited_s == BUDGET_S


def test_while_it_has_not_answered_nobody_waits_for_it() -> None:
    source, desk = patient(9.0)
    for _ in range(50):
        with pytest.raises(TimeoutError):
            source.predict(A, None)

    assert desk.waited_s == BUDGET_S
    assert (source.late, source.busy) == (1, 49)


def test_once_it_has_answered_it_is_asked_again() -> None:
    source, desk = patient(9.0, 0.01)
    with pytest.raises(TimeoutError):
        source.predict(A, None)
    desk.pass_s(10.0)

    assert source.predict(A, None) == Estimate.point(7.0)


def test_after_three_late_answers_it_is_asked_no_more() -> None:
    source, desk = patient(*[9.0] * 9)
    for _ in range(9):
        with pytest.raises(TimeoutError):
            source.predict(A, None)
        desk.pass_s(10.0)

    assert desk.waited_s == pytest.approx(3 * BUDGET_S)
    assert (source.late, source.given_up, desk.asked, desk.closed) == (3, True, 3, True)


def test_what_was_learned_meanwhile_is_told_in_order_before_the_next_question() -> None:
    heard: list[float] = []

    class Noting(UserLimit):
        def learn(self, job: Job, run_s: float) -> None:  # noqa: ARG002 - the time tells
            heard.append(run_s)

    source, _ = patient(0.0, source=Noting())
    source.learn(A, 1.0)
    source.learn(A, 2.0)

    assert heard == []
    assert source.predict(A, None) == Estimate.point(100.0)
    assert heard == [1.0, 2.0]


def test_of_notes_that_nobody_takes_the_oldest_are_dropped_and_counted() -> None:
    desk = SlowDesk([9.0])
    source = Patient(UserLimit(), desk, budget_s=BUDGET_S, notes_max=10)
    for run_s in range(25):
        source.learn(A, float(run_s))

    assert source.dropped == 15


def test_a_source_that_raises_is_heard_in_its_own_words() -> None:
    source, _ = patient(0.0, source=Raising())
    guarded = Guarded(source)
    guarded.learn(A, 1.0)

    assert guarded.predict(A, 5.0) == Estimate.point(100.0)
    assert guarded.last_failure == "RuntimeError: no estimate for a (5.0)"


@given(seconds=st.lists(st.sampled_from([0.0, 0.01, 0.06, 1.0, 1e9]), min_size=1, max_size=40))
def test_whatever_it_does_the_waits_beyond_the_answers_are_three_at_most(
    seconds: list[float],
) -> None:
    source, desk = patient(*seconds)
    in_time = 0
    for _ in seconds:
        try:
            source.predict(A, None)
        except TimeoutError:
            continue
        in_time += 1

    assert source.late <= 3
    assert desk.waited_s <= (in_time + 3) * BUDGET_S + 1e-9


@pytest.mark.parametrize("policy", ["fair", "efficient", "share", "easy"])
def test_a_source_that_hangs_changes_nothing_and_is_waited_for_once(
    policy: str,
) -> None:
    for seed in range(4):
        scenario = draw(seed, Shape(jobs_max=20, evictable=Evictable.SOME, grace_s=1.0))
        source, desk = patient(1e9)
        record = play(scenario, policy, source)
        plain = play(scenario, policy, UserLimit())

        # It never answers: all is as if everybody had their limit for an estimate.
        assert record.as_bytes() == plain.as_bytes()
        assert desk.waited_s <= BUDGET_S


# --- For real ---


def in_thread(source: Callable[[], Source]) -> Patient:
    return Patient(source(), ThreadDesk(), budget_s=0.2)


def in_process(source: Callable[[], Source]) -> Patient:
    return Patient(Apart(source), ThreadDesk(), budget_s=20.0)


@pytest.mark.parametrize("where", [in_thread, in_process])
def test_a_source_that_answers_is_the_same_elsewhere(
    where: Callable[[Callable[[], Source]], Patient],
) -> None:
    source = where(UserLimit)
    talk = Conversation(source=source)
    talk.submit(job("a", limit_s=50.0))
    talk.finish("a")
    talk.submit(job("b", limit_s=70.0))

    assert talk.ticket("b").estimate == Estimate.point(70.0)
    source.close()


def test_a_source_that_raises_in_a_process_is_told_of() -> None:
    source = in_process(Raising)
    guarded = Guarded(source)

    assert guarded.predict(A, 5.0) == Estimate.point(100.0)
    assert "no estimate for a (5.0)" in guarded.last_failure
    source.close()


@pytest.mark.parametrize("spinning", [False, True], ids=["sleeps", "spins"])
def test_a_source_that_hangs_in_a_process_is_ended_with_it(*, spinning: bool) -> None:
    apart = Apart(partial(Hanging, spinning=spinning))
    source = Patient(apart, ThreadDesk(), budget_s=0.01, late_max=1)
    talk = Conversation(source=source)
    talk.submit(job("a", limit_s=50.0), job("b", limit_s=60.0))

    assert talk.ticket("a").estimate == Estimate.point(50.0)
    assert talk.ticket("b").estimate == Estimate.point(60.0)
    assert source.given_up
    assert apart.ended(within_s=60.0)


def nothing_to_build() -> Source:
    raise ValueError("no model file")


def test_a_source_that_cannot_be_built_in_a_process_says_why() -> None:
    with pytest.raises(ApartError, match="ValueError: no model file"):
        Apart(nothing_to_build)


def test_the_named_sources_can_be_sheltered() -> None:
    source = app.sheltered(EngineSpec(policy="fair", estimates="last-two"))
    assert isinstance(source, Patient)
    talk = Conversation(source=source)
    talk.submit(job("a", limit_s=50.0))

    assert talk.ticket("a").estimate == Estimate.point(50.0)
    source.close()
