"""The figures, on runs small enough to work out by hand, and on drawn runs the slow way."""

from __future__ import annotations

import json
from math import isnan
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.commands import Command, Start
from noljima.model.events import Event, Evicted, Finished, Submitted, Ticked
from noljima.model.job import Job
from noljima.model.placements import IN_POOL
from noljima.model.resources import JobId, Resources, gang_of
from noljima.report import curves, metrics, promises
from noljima.report.catalogue import FIGURES
from noljima.report.record import RunRecord
from noljima.report.recorder import Recorder

CAPACITY_GPUS: Final = 4
PROMISED_KEYS: Final = [
    "policy",
    "estimates",
    "jobs",
    "mean_wait_s",
    "p50_wait_s",
    "p95_wait_s",
    "max_wait_s",
    "mean_bounded_slowdown",
    "p99_bounded_slowdown",
    "max_bounded_slowdown",
    "mean_completion_s",
    "makespan_s",
    "utilisation",
    "idle_gpu_hours_while_waiting",
    "evictions",
    "lost_work_share",
    "order_violations",
    "max_lateness_s",
    "user_fairness_jain",
    "wall_s",
    "jobs_per_s",
]


class Told:
    """One job's life as a test tells it: stretches of (start, end), all but the last evicted."""

    def __init__(
        self, submit: int, gpus: int, stretches: list[tuple[int, int]], run: int, user: str = ""
    ) -> None:
        self.submit, self.gpus, self.stretches = submit, gpus, stretches
        self.run, self.user = run, user

    @property
    def end(self) -> int:
        """When the job ended."""
        return self.stretches[-1][1]

    @property
    def wait(self) -> int:
        """What was not work of the job's time."""
        return self.end - self.submit - self.run

    @property
    def slowdown(self) -> float:
        """The bounded slowdown."""
        return max(1.0, (self.end - self.submit) / max(self.run, 10))

    def waits_at(self, second: int) -> bool:
        """Say whether the job waits during the second."""
        return self.submit <= second < self.end and not self.holds_at(second)

    def holds_at(self, second: int) -> bool:
        """Say whether the job holds its GPUs during the second."""
        return any(start <= second < end for start, end in self.stretches)


def recorded(lives: list[Told]) -> RunRecord:
    """Tell a recorder everything, an entry a batch: ends before submissions before starts."""
    entries: list[tuple[int, int, Event, list[Command]]] = []
    for number, life in enumerate(lives):
        name = JobId(str(number))
        gang = gang_of(1, Resources(gpu_milli=1000 * life.gpus))
        job = Job(id=name, user=life.user, gang=gang)
        told = Submitted(at_s=life.submit, job=job, oracle_s=float(life.run))
        entries.append((life.submit, 1, told, []))
        for start, end in life.stretches:
            entries.append((start, 2, Ticked(at_s=start), [Start(name, IN_POOL)]))
            over = Evicted(at_s=end, job=name)
            entries.append((end, 0, Finished(at_s=end, job=name) if end == life.end else over, []))
    recorder = Recorder()
    for _, _, event, commands in sorted(entries, key=lambda entry: entry[:2]):
        recorder.observe([event], commands)
    return recorder.run(policy="p", estimates="e")


def figures_of(
    lives: list[Told], strict: dict[str, float] | None = None, gpus: int = CAPACITY_GPUS
) -> dict[str, float]:
    run = recorded(lives)
    figures = metrics.figures(run, gpus * 1000, strict, wall_s=2.0)
    return {key: value for key, value in figures.items() if isinstance(value, int | float)}


@st.composite
def told(draw: st.DrawFn) -> Told:
    """Draw a job's life: up to two evictions, work no longer than what it held."""
    submit = draw(st.integers(0, 50))
    at, stretches = submit, []
    for _ in range(draw(st.integers(1, 3))):
        start = at + draw(st.integers(0, 40))
        at = start + draw(st.integers(1, 40))
        stretches.append((start, at))
    held = sum(end - start for start, end in stretches)
    run = held if len(stretches) == 1 else draw(st.integers(0, held))
    return Told(submit, draw(st.integers(0, 4)), stretches, run, draw(st.sampled_from("xyz")))


lives_drawn = st.lists(told(), min_size=1, max_size=8)


def quantile_by_hand(values: list[float], q: float) -> float:
    ranked = sorted(values)
    place = q * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def test_two_jobs_one_after_the_other_give_the_figures_worked_out_by_hand() -> None:
    first = Told(0, 4, [(0, 100)], 100, "kim")
    second = Told(20, 2, [(100, 105)], 5, "lee")
    figures = figures_of([first, second], strict={"0": 0.0, "1": 90.0})

    assert figures["jobs"] == 2
    assert figures["mean_wait_s"] == figures["p50_wait_s"] == 40.0
    assert figures["p95_wait_s"] == pytest.approx(76.0)
    assert figures["max_wait_s"] == 80.0
    # The second took 85 s, of which 5 s were work, counted as 10.
    assert figures["mean_bounded_slowdown"] == 4.75
    assert figures["max_bounded_slowdown"] == 8.5
    assert figures["p99_bounded_slowdown"] == pytest.approx(8.425)
    assert figures["mean_completion_s"] == 92.5
    assert figures["makespan_s"] == 105.0
    assert figures["utilisation"] == pytest.approx(410 / 420)
    assert figures["idle_gpu_hours_while_waiting"] == 0.0
    assert (figures["evictions"], figures["lost_work_share"]) == (0, 0.0)
    assert (figures["order_violations"], figures["max_lateness_s"]) == (1, 10.0)
    assert (figures["late_share"], figures["mean_lateness_s"]) == (0.5, 10.0)
    assert figures["user_fairness_jain"] == pytest.approx(9.5**2 / (2 * (1 + 8.5**2)))
    assert (figures["wall_s"], figures["jobs_per_s"]) == (2.0, 1.0)


def test_gpus_idle_while_somebody_waits_are_counted_up_to_what_is_asked_for() -> None:
    running = Told(0, 1, [(0, 3600)], 3600)
    waiting = Told(0, 2, [(3600, 3700)], 100)

    # Three of four GPUs are free for an hour, and two are asked for.
    assert figures_of([running, waiting])["idle_gpu_hours_while_waiting"] == 2.0


@given(lives=lives_drawn)
def test_figures_agree_with_a_recomputation_job_by_job(lives: list[Told]) -> None:
    figures = figures_of(lives)
    waits = [float(life.wait) for life in lives]
    slowdowns = [life.slowdown for life in lives]
    held = sum((end - start) * life.gpus for life in lives for start, end in life.stretches)
    work = sum(life.run * life.gpus for life in lives)

    assert figures["mean_wait_s"] == pytest.approx(sum(waits) / len(lives))
    assert figures["p50_wait_s"] == pytest.approx(quantile_by_hand(waits, 0.5))
    assert figures["p95_wait_s"] == pytest.approx(quantile_by_hand(waits, 0.95))
    assert figures["max_wait_s"] == max(waits)
    assert figures["mean_bounded_slowdown"] == pytest.approx(sum(slowdowns) / len(lives))
    assert figures["p99_bounded_slowdown"] == pytest.approx(quantile_by_hand(slowdowns, 0.99))
    assert figures["max_bounded_slowdown"] == pytest.approx(max(slowdowns))
    assert figures["evictions"] == sum(len(life.stretches) - 1 for life in lives)
    assert figures["lost_work_share"] == pytest.approx((held - work) / held if held else 0.0)


@given(lives=lives_drawn)
def test_figures_over_time_agree_with_a_count_second_by_second(lives: list[Told]) -> None:
    figures = figures_of(lives, gpus=40)
    first, last = min(life.submit for life in lives), max(life.end for life in lives)
    held = idle = 0
    for second in range(first, last):
        held_now = sum(life.gpus for life in lives if life.holds_at(second))
        asked_now = sum(life.gpus for life in lives if life.waits_at(second))
        held += held_now
        idle += min(40 - held_now, asked_now)

    assert figures["makespan_s"] == last - first
    assert figures["utilisation"] == pytest.approx(held / (40 * (last - first)))
    assert figures["idle_gpu_hours_while_waiting"] == pytest.approx(idle / 3600)


@given(lives=lives_drawn)
def test_curves_agree_with_a_count_at_each_second(lives: list[Told]) -> None:
    run = recorded(lives)
    seconds = range(max(life.end for life in lives) + 2)
    times_s = np.arange(len(seconds), dtype=np.float64)

    assert curves.waiting_jobs(run).at(times_s).tolist() == [
        sum(life.waits_at(second) for life in lives) for second in seconds
    ]
    assert curves.waiting_gpu_milli(run).at(times_s).tolist() == [
        sum(1000 * life.gpus for life in lives if life.waits_at(second)) for second in seconds
    ]
    assert curves.held_gpu_milli(run).at(times_s).tolist() == [
        sum(1000 * life.gpus for life in lives if life.holds_at(second)) for second in seconds
    ]


@given(lives=lives_drawn, strict=st.lists(st.integers(0, 200), max_size=8))
def test_lateness_agrees_with_a_comparison_job_by_job(lives: list[Told], strict: list[int]) -> None:
    reference = {str(number): float(start) for number, start in enumerate(strict)}
    figures = figures_of(lives, strict=reference)
    pairs = list(zip(lives, strict, strict=False))
    late = [life.stretches[-1][0] - start for life, start in pairs]
    late = [lateness for lateness in late if lateness > 0]

    assert figures["order_violations"] == len(late)
    assert figures["max_lateness_s"] == max(late, default=0)
    assert figures["mean_lateness_s"] == pytest.approx(sum(late) / len(late) if late else 0.0)
    assert figures["late_share"] == pytest.approx(len(late) / len(pairs) if pairs else 0.0)


@given(lives=lives_drawn)
def test_fairness_agrees_with_a_recomputation_user_by_user(lives: list[Told]) -> None:
    by_user: dict[str, list[float]] = {}
    for life in lives:
        by_user.setdefault(life.user, []).append(life.slowdown)
    means = [sum(values) / len(values) for values in by_user.values()]
    expected = sum(means) ** 2 / (len(means) * sum(value**2 for value in means))

    assert figures_of(lives)["user_fairness_jain"] == pytest.approx(expected)


def test_a_start_that_differs_by_rounding_only_is_not_late() -> None:
    life = Told(0, 1, [(7, 9)], 2)

    assert figures_of([life], strict={"0": 7.0 - 1e-7})["order_violations"] == 0
    assert figures_of([life], strict={"0": 7.0 - 1e-5})["order_violations"] == 1


def test_without_a_strict_reference_nobody_knows_who_is_late() -> None:
    figures = metrics.figures(recorded([Told(0, 1, [(7, 9)], 2)]), 4000, None, 1.0)

    assert figures["order_violations"] is None
    assert figures["max_lateness_s"] is None


def test_a_run_of_no_jobs_has_unknown_means_and_no_warnings() -> None:
    figures = metrics.figures(recorded([]), 4000, {}, 0.0)

    assert figures["jobs"] == 0
    assert figures["mean_wait_s"] is None
    assert figures["utilisation"] is None
    assert figures["jobs_per_s"] is None
    assert figures["order_violations"] == 0


def test_all_promised_keys_are_there_and_each_has_a_definition() -> None:
    figures = metrics.figures(recorded([Told(0, 1, [(7, 9)], 2)]), 4000, {}, 1.0)

    assert set(PROMISED_KEYS) <= set(figures)
    told = {**figures, **promises.figures(())}
    assert set(told) == set(metrics.definitions) == {figure.key for figure in FIGURES}
    assert all(sentence.endswith(".") for sentence in metrics.definitions.values())


def test_figures_are_plain_values_that_json_takes() -> None:
    figures = metrics.figures(recorded([Told(0, 1, [(7, 9)], 2)]), 4000, None, 1.0)

    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_the_index_of_one_who_has_it_all_is_one_nth_and_of_nobody_unknown() -> None:
    assert metrics.jain(np.array([5.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)
    assert metrics.jain(np.array([3.0, 3.0])) == pytest.approx(1.0)
    assert isnan(metrics.jain(np.array([], dtype=np.float64)))
