"""Run times predicted from the past: what it learns, and what holds whatever it is told."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.model.estimate import LEVELS
from noljima.model.job import Job
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.prediction import history as histories
from noljima.prediction.history import History
from noljima.prediction.parts import EXPERTS, Parts
from noljima.prediction.source import UNLIMITED_S

HOUR_S = 3600.0
ALL = Parts(experts=EXPERTS)


def job(
    id_: object = "x",
    *,
    user: str = "kim",
    name: str = "train",
    gpus: int = 1,
    limit_s: float | None = 24 * HOUR_S,
) -> Job:
    return Job(
        id=JobId(str(id_)),
        gang=gang_of(1, Resources(gpu_milli=gpus * GPU)),
        user=user,
        name=name,
        limit_s=limit_s,
    )


def live(history: History, jobs: Iterable[tuple[Job, float]], pause_s: float = 60.0) -> float:
    """Let jobs run one after the other; return when the last has ended."""
    now_s = 0.0
    for one, run_s in jobs:
        history.advance(now_s)
        history.predict(one, None)
        history.started(one)
        now_s += run_s
        history.advance(now_s)
        history.stopped(one)
        history.learn(one, run_s)
        now_s += pause_s
    history.advance(now_s)
    return now_s


def taught(runs_s: Iterable[float], parts: Parts | None = None, **of: object) -> History:
    history = History(parts)
    live(history, [(job(number, **of), run_s) for number, run_s in enumerate(runs_s)])  # type: ignore[arg-type]  # as `job` takes them
    return history


# --- What it learns ---


@pytest.mark.parametrize("parts", [Parts(), ALL])
def test_work_that_always_takes_as_long_is_known(parts: Parts) -> None:
    found = taught([600.0] * 40, parts).predict(job(), None)

    assert found.q50_s == pytest.approx(600.0)
    assert found.q80_s == pytest.approx(600.0)


def test_early_exits_come_out_as_such() -> None:
    # Two of three runs fail in their first minute, the others take hours.
    found = taught([40.0, 50.0, 4 * HOUR_S] * 16).predict(job(), None)

    assert found.q50_s < 60.0
    assert found.q95_s > 3.9 * HOUR_S
    # Nothing ever took half an hour, and so little is believed to.
    between = [s for s in found.curve_s if 120.0 < s < 3 * HOUR_S]
    assert len(between) <= 1


def test_a_new_user_is_spread_over_the_limit() -> None:
    found = History().predict(job(limit_s=1000.0), None)

    assert 0.0 < found.q50_s < found.q80_s <= found.q95_s <= 1000.0


def test_a_new_user_is_taken_for_one_of_the_others() -> None:
    history = taught([600.0] * 40, user="lee")

    assert history.predict(job("a", user="kim"), None).q50_s == pytest.approx(600.0)


def test_a_name_that_differs_in_numbers_only_is_the_same_work() -> None:
    history = History()
    runs = [
        *((job(f"a{n}", name=f"resnet-run-{n}"), 600.0) for n in range(30)),
        *((job(f"b{n}", name=f"evaluate-{n}"), 7200.0) for n in range(30)),
    ]
    live(history, runs)

    assert history.predict(job("c", name="resnet-run-99"), None).q50_s == pytest.approx(600.0)
    assert history.predict(job("d", name="evaluate-99"), None).q50_s == pytest.approx(7200.0)


def test_the_very_name_counts_for_more_than_its_template() -> None:
    history = History()
    runs = [(job(f"{n}", name=f"exe{n % 4}"), 100.0 * (1 + n % 4) ** 3) for n in range(120)]
    live(history, runs)

    for number in range(4):
        found = history.predict(job("c", name=f"exe{number}"), None)
        assert found.q50_s == pytest.approx(100.0 * (1 + number) ** 3)


def test_what_has_changed_lately_counts_for_more() -> None:
    found = taught([600.0] * 60 + [1800.0] * 20).predict(job(), None)

    assert found.q50_s == pytest.approx(1800.0)


def test_a_share_of_the_limit_is_learned_too() -> None:
    history = History(Parts(experts=("share",)))
    limits_s = [1000.0, 2000.0, 4000.0, 8000.0]
    live(history, [(job(n, limit_s=limits_s[n % 4]), 0.5 * limits_s[n % 4]) for n in range(60)])

    assert history.predict(job(limit_s=20_000.0), None).q50_s == pytest.approx(10_000.0)


def test_a_sibling_that_still_runs_says_that_this_takes_longer() -> None:
    runs_s = [60.0, 3 * HOUR_S] * 12
    alone, beside = taught(runs_s), taught(runs_s)
    for history in (alone, beside):
        history.advance(500_000.0)
        for sibling in [job(f"s{n}") for n in range(8)]:
            history.predict(sibling, None)
            if history is beside:
                history.started(sibling)
        history.advance(500_600.0)
    short = [sum(s < 600.0 for s in h.predict(job(), None).curve_s) for h in (alone, beside)]

    assert short[1] < short[0]


def test_the_limit_caps_what_the_past_says() -> None:
    found = taught([5000.0] * 30).predict(job(limit_s=100.0), None)

    assert found.q80_s == found.q95_s == max(found.curve_s) == 100.0


def test_a_job_without_a_limit_is_predicted_like_any_other() -> None:
    history = taught([600.0] * 30, limit_s=None)

    assert history.predict(job(limit_s=None), None).q50_s == pytest.approx(600.0)
    assert History().predict(job(limit_s=None), None).q95_s <= UNLIMITED_S


@pytest.mark.parametrize("limits_s", [(24 * HOUR_S, None), (None, HOUR_S)])
def test_a_limit_that_one_job_has_and_the_other_has_not_says_nothing(
    limits_s: tuple[float | None, float | None],
) -> None:
    history = taught([600.0] * 30, limit_s=limits_s[0])

    assert history.predict(job(limit_s=limits_s[1]), None).q80_s == pytest.approx(600.0)


def test_quantiles_that_were_too_low_rise() -> None:
    history = History()
    for number in range(600):
        # Each run is longer than all before it: whatever is read from the past is too short.
        live(history, [(job(number), 100.0 + number)])
    found = history.predict(job(), None)

    assert found.q50_s > 690.0


def test_a_crowd_that_was_missed_together_is_made_good() -> None:
    history = taught([60.0] * 100)
    crowd = [job(f"c{n}") for n in range(400)]
    for one in crowd:
        history.predict(one, None)
    for one in crowd:
        history.learn(one, 20 * HOUR_S)
    covered = 0
    for number in range(400):
        one = job(f"d{number}")
        covered += history.predict(one, None).q80_s >= 60.0
        history.learn(one, 60.0)

    assert covered == 400


# --- What holds whatever it is told ---

names = st.sampled_from(["", "a", "train-1", "train-2", "exe7", "한국어", "x/y/2024-01-01"])
users = st.sampled_from(["", "kim", "lee"])
limits = st.one_of(st.none(), st.floats(0.0, 1e9), st.integers(0, 10**9))
runs = st.one_of(st.floats(0.0, 1e10), st.sampled_from([0.0, 1e-9, 1.0, 1e10]))
lives = st.lists(
    st.tuples(users, names, st.integers(0, 4), limits, runs, st.floats(0.0, 1e6)), max_size=40
)


@given(told=lives, parts=st.sampled_from([Parts(), ALL, Parts(trust=0.0, tail=0.0)]))
def test_quantiles_rise_and_stay_within_the_limit(
    told: list[tuple[str, str, int, float | None, float, float]], parts: Parts
) -> None:
    history, now_s = History(parts), 0.0
    for number, (user, name, gpus, limit_s, run_s, pause_s) in enumerate(told):
        one = job(number, user=user, name=name, gpus=gpus, limit_s=limit_s)
        now_s += pause_s
        history.advance(now_s)
        found = history.predict(one, None)
        history.started(one)
        history.learn(one, run_s)

        values = (found.q50_s, found.q80_s, found.q95_s)
        assert all(math.isfinite(value) and value >= 0.0 for value in (*values, *found.curve_s))
        assert list(values) == sorted(values)
        assert list(found.curve_s) == sorted(found.curve_s)
        assert len(found.curve_s) == len(LEVELS)
        assert max(found.curve_s) <= (UNLIMITED_S if limit_s is None else limit_s)
        assert [found.curve_s[LEVELS.index(tau)] for tau in (0.5, 0.8, 0.95)] == list(values)


@pytest.mark.parametrize("run_s", [math.nan, math.inf, -1.0])
def test_a_run_time_that_is_none_is_refused_and_nothing_is_learned(run_s: float) -> None:
    history = taught([600.0] * 5)
    before = history.save()
    with pytest.raises(InvalidFieldError):
        history.learn(job("x"), run_s)

    assert history.save() == before


def test_a_job_that_was_never_predicted_can_be_learned_from() -> None:
    history = History()
    for number in range(20):
        history.learn(job(number), 600.0)

    assert history.predict(job(), None).q50_s == pytest.approx(600.0)


def test_memory_is_bounded_by_forgetting_keys_that_were_not_used_for_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(histories, "KEYS_MAX", 60)
    history = History()
    words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(200)]
    for number, word in enumerate(words):
        live(history, [(job(number, name=word), 600.0)])
        assert len(history._rings) <= 60 + 15
    found = history.predict(job(name=words[-1]), None)

    assert found.q50_s == pytest.approx(600.0)
