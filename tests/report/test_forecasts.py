"""Predictions are judged in the order of time, each from its past alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from noljima.model.commands import Start
from noljima.model.estimate import LEVELS, Estimate
from noljima.model.events import Evicted, Finished, Submitted
from noljima.model.job import Job
from noljima.model.placements import IN_POOL
from noljima.model.resources import JobId, Resources, gang_of
from noljima.prediction.source import Guarded
from noljima.report import evaluation, forecasts
from noljima.report.forecasts import Witness

Witnessed = Callable[[Sequence[float]], Witness]


class Listener:
    """A source that notes what it is told, and predicts a number that the test has chosen."""

    def __init__(self, curve_s: tuple[float, ...] = ()) -> None:
        self.heard: list[str] = []
        self.curve_s = curve_s

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        assert oracle_s is None
        self.heard.append(f"predict {job.id}")
        return Estimate(10.0, 20.0, 40.0, self.curve_s)

    def learn(self, job: Job, run_s: float) -> None:
        self.heard.append(f"learn {job.id} {run_s:g}")

    def advance(self, at_s: float) -> None:
        self.heard.append(f"at {at_s:g}")

    def started(self, job: Job) -> None:
        self.heard.append(f"started {job.id}")

    def stopped(self, job: Job) -> None:
        self.heard.append(f"stopped {job.id}")

    def forget(self, job: Job) -> None:
        self.heard.append(f"forget {job.id}")


def job(name: str, limit_s: float = 100.0, user: str = "kim") -> Job:
    return Job(
        id=JobId(name), user=user, limit_s=limit_s, gang=gang_of(1, Resources(gpu_milli=1000))
    )


def submitted(at_s: float, name: str, run_s: float, limit_s: float = 100.0) -> Submitted:
    return Submitted(at_s=at_s, job=job(name, limit_s), oracle_s=run_s)


def test_what_ends_in_a_moment_is_known_to_whoever_is_submitted_in_it() -> None:
    source = Listener()
    witness = Witness({"it": Guarded(source)})
    witness.observe([submitted(0, "a", 30)], [Start(JobId("a"), IN_POOL, guest=False)])
    witness.observe([submitted(30, "b", 5), Finished(at_s=30, job=JobId("a"))], [])

    assert source.heard == [
        "at 0",
        "predict a",
        "started a",
        "at 30",
        "stopped a",
        "learn a 30",
        "predict b",
    ]


def test_a_run_that_its_limit_ends_counts_as_long_as_the_limit() -> None:
    source = Listener()
    witness = Witness({"it": Guarded(source)})
    witness.observe([submitted(0, "a", 300, limit_s=50)], [])
    witness.observe([Finished(at_s=50, job=JobId("a"))], [])

    assert witness.run_s == [50]
    assert "learn a 50" in source.heard


def test_an_eviction_is_no_end() -> None:
    source = Listener()
    witness = Witness({"it": Guarded(source)})
    witness.observe([submitted(0, "a", 30)], [Start(JobId("a"), IN_POOL, guest=False)])
    witness.observe([Evicted(at_s=10, job=JobId("a"))], [])
    witness.observe([Finished(at_s=50, job=JobId("a"))], [])

    assert [words for words in source.heard if words[:2] != "at"] == [
        "predict a",
        "started a",
        "stopped a",
        "stopped a",
        "learn a 30",
    ]


def test_coverage_and_loss_are_noted_at_every_level() -> None:
    with_curve, without = Listener(tuple(float(k) for k in range(1, 16))), Listener()
    witness = Witness({"curve": Guarded(with_curve), "three": Guarded(without)})
    witness.observe([submitted(0, "a", 12)], [])

    assert witness.told["curve"].covered.tolist() == [0] * 11 + [1] * 4
    # Up to a half the median stands for a level, then q80, then q95.
    assert witness.told["three"].covered.tolist() == [0] * 6 + [1] * 9
    assert witness.told["three"].loss_s[0] == pytest.approx(LEVELS[0] * 2)
    assert witness.told["three"].loss_s[8] == pytest.approx((1 - LEVELS[8]) * 8)


def test_the_worst_window_is_the_one_farthest_from_what_was_promised() -> None:
    missed = np.zeros(12_000)
    missed[6000:7000] = 1.0
    quantile_s = np.full(12_000, 0.5)

    assert forecasts.worst_window(missed, quantile_s, 0.95) == pytest.approx(0.15)
    assert forecasts.worst_window(missed[:100], quantile_s[:100], 0.95) == pytest.approx(0.05)


def test_losses_are_what_they_are_by_hand() -> None:
    run_s, predicted_s = np.array([10.0, 10.0]), np.array([20.0, 5.0])

    assert forecasts.pinball_s(run_s, predicted_s, 0.8) == pytest.approx((0.2 * 10 + 0.8 * 5) / 2)
    assert forecasts.mean_abs_log_ratio(run_s, predicted_s) == pytest.approx(np.log(2.0))
    assert forecasts.coverage(run_s, predicted_s[:, None]).tolist() == [0.5]


def test_an_evaluation_tells_shares_losses_and_time(witnessed: Witnessed) -> None:
    found = evaluation.evaluate("made up", witnessed([30.0] * 60))

    assert list(msgspec.to_builtins(found)) == [
        "trace",
        "jobs",
        "coverage",
        "worst_window",
        "pinball",
        "mean_abs_log_ratio",
        "us_per_prediction",
    ]
    assert found.jobs == 60
    assert list(found.coverage) == ["q50", "q80", "q95"]
    assert list(found.worst_window) == ["q80", "q95"]
    assert found.coverage["q95"] > 0.9
    # What always takes as long is known after a few runs; the limit never learns.
    assert found.mean_abs_log_ratio["ours"] < 0.2
    assert found.mean_abs_log_ratio["limit"] == pytest.approx(np.log(100 / 30), abs=1e-6)
    assert found.us_per_prediction > 0


def test_kept_promises_are_told_where_there_are_any(witnessed: Witnessed) -> None:
    found = evaluation.evaluate("made up", witnessed([30.0] * 3))
    told = {"share_kept": 0.951, "lowest_window": 0.92, "median_error_s": 90.0}
    with_promises = msgspec.structs.replace(found, promises=told)

    assert "promised starts kept" not in [row[0] for row in evaluation.rows(found)]
    assert evaluation.rows(with_promises)[-3:] == [
        ("promised starts kept", "95.1 %", "", ""),
        ("promised starts kept, worst 500", "92.0 %", "", ""),
        ("start told, median error", "1 min 30 s", "", ""),
    ]
