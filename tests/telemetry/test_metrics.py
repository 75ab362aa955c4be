"""Figures in the form that Prometheus reads, judged by its own parser."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from noljima import __version__
from noljima.app import EngineSpec, build_engine
from noljima.model.lifecycle import State
from noljima.telemetry.metrics import (
    NAMES_MAX,
    Durations,
    Figures,
    GpuFigures,
    JobCount,
    render,
)
from noljima.telemetry.metrics_counting import Counting, IdleTime, Timing
from noljima.telemetry.metrics_text import Family, Form, Sample, written
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.rehearsal import rehearse

Key = tuple[str, tuple[tuple[str, str], ...]]


def read(text: bytes) -> dict[Key, float]:
    """Return every sample by name and labels; a sample that is there twice is an error."""
    samples: dict[Key, float] = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation
        assert family.type in {"counter", "gauge", "histogram"}
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples
            samples[key] = sample.value
    return samples


def of(figures: Figures, name: str, **labels: str) -> float | None:
    return read(render(figures)).get((name, tuple(sorted(labels.items()))))


FULL = Figures(
    started_s=1e9,
    jobs=(
        JobCount(state=State.QUEUED, queue="vision", user="kim", jobs=2, gpus=9),
        JobCount(state=State.RUNNING, queue="vision", user="kim", jobs=1, gpus=4),
        JobCount(state=State.RUNNING, queue="", user="lee", jobs=1, gpus=0.5),
        JobCount(state=State.HELD, queue="", user="lee", jobs=1, gpus=8),
    ),
    gpus=8,
    gpus_idle=3.5,
    idle_while_waiting_s=12.25,
    decisions=Durations(bounds_s=(0.001, 0.1), up_to=(3, 5, 6), sum_s=2.5),
    journal_rows=70,
    journal_commits=60,
    outbox_pending=0,
    notices={"sent": 4, "failed": 1, "given up": 0},
    events={"Submitted": 5},
    starts={False: 3, True: 1},
    start_failures=0,
    evictions=2,
    ends={"succeeded": 1, "failed": 2},
    promises_kept=0.97,
    coverage={0.5: 0.48, 0.95: 0.951},
    verdicts={"ok": 2, "suspect": 0},
    gpu_readings=(
        GpuFigures(
            index=0,
            uuid="GPU-1",
            model="NVIDIA H200",
            host="gpu-01",
            utilisation=0.25,
            power_w=101.5,
            memory_used_mib=1024.0,
            temperature_c=40.0,
        ),
        GpuFigures(index=1, uuid="GPU-2", temperature_c=41.0),
    ),
)


def test_all_that_is_known_is_written() -> None:
    samples = read(render(FULL))
    plain = {name: value for (name, labels), value in samples.items() if not labels}

    assert plain == {
        "noljima_start_time_seconds": 1e9,
        "noljima_start_failures_total": 0,
        "noljima_evictions_total": 2,
        "noljima_gpus": 8,
        "noljima_gpus_waiting": 9,
        "noljima_gpus_running": 4.5,
        "noljima_gpus_idle": 3.5,
        "noljima_gpus_idle_while_waiting": 3.5,
        "noljima_gpu_idle_while_waiting_seconds_total": 12.25,
        "noljima_decision_seconds_sum": 2.5,
        "noljima_decision_seconds_count": 6,
        "noljima_journal_rows_total": 70,
        "noljima_journal_commits_total": 60,
        "noljima_outbox_pending": 0,
        "noljima_promises_kept_ratio": 0.97,
    }
    assert of(FULL, "noljima_build_info", version=__version__) == 1
    assert of(FULL, "noljima_jobs", queue="vision", state="queued") == 2
    assert of(FULL, "noljima_jobs", queue="", state="running") == 1
    assert of(FULL, "noljima_user_gpus", user="lee", state="running") == 0.5
    assert of(FULL, "noljima_decision_seconds_bucket", le="0.1") == 5
    assert of(FULL, "noljima_decision_seconds_bucket", le="+Inf") == 6
    assert of(FULL, "noljima_notices_total", result="given up") == 0
    assert of(FULL, "noljima_events_total", kind="Submitted") == 5
    assert of(FULL, "noljima_starts_total", guest="true") == 1
    assert of(FULL, "noljima_ends_total", outcome="failed") == 2
    assert of(FULL, "noljima_estimate_coverage_ratio", quantile="0.95") == 0.951
    assert of(FULL, "noljima_health_jobs", verdict="suspect") == 0


def test_gpus_have_the_names_and_labels_of_the_dcgm_exporter() -> None:
    labels = {
        "gpu": "0",
        "UUID": "GPU-1",
        "device": "nvidia0",
        "modelName": "NVIDIA H200",
        "Hostname": "gpu-01",
    }

    assert of(FULL, "DCGM_FI_DEV_GPU_UTIL", **labels) == 25.0
    assert of(FULL, "DCGM_FI_DEV_POWER_USAGE", **labels) == 101.5
    assert of(FULL, "DCGM_FI_DEV_FB_USED", **labels) == 1024.0
    assert of(FULL, "DCGM_FI_DEV_GPU_TEMP", **labels) == 40.0
    others = [name for name, pairs in read(render(FULL)) if ("gpu", "1") in pairs]
    assert others == ["DCGM_FI_DEV_GPU_TEMP"]


def test_what_is_not_known_is_left_out_and_not_zero() -> None:
    assert set(read(render(Figures()))) == {("noljima_build_info", (("version", __version__),))}
    assert b"noljima_gpus" not in render(Figures(promises_kept=math.nan, gpus=math.inf))
    assert of(Figures(jobs=()), "noljima_gpus_waiting") == 0
    assert of(Figures(jobs=()), "noljima_gpus_idle_while_waiting") is None


def test_gpus_do_not_idle_in_vain_while_nobody_waits() -> None:
    held = JobCount(state=State.HELD, jobs=1, gpus=8)

    assert of(Figures(jobs=(held,), gpus_idle=4), "noljima_gpus_idle_while_waiting") == 0


def test_of_too_many_users_those_with_the_least_are_one() -> None:
    counts = [
        JobCount(state=State.RUNNING, user=f"u{number}", queue=f"q{number}", jobs=1, gpus=number)
        for number in range(1, 301)
    ]
    figures = Figures(jobs=tuple(counts))

    assert of(figures, "noljima_user_gpus", user="u300", state="running") == 300
    assert of(figures, "noljima_user_gpus", user="u201", state="running") is None
    others = sum(range(1, 202))
    assert of(figures, "noljima_user_gpus", user="(others)", state="running") == others
    assert of(figures, "noljima_jobs", queue="(others)", state="running") == 201


@given(
    counts=st.lists(
        st.builds(
            JobCount,
            state=st.sampled_from([State.QUEUED, State.RUNNING]),
            queue=st.text(max_size=3) | st.integers(0, 400).map(str),
            user=st.text(max_size=3) | st.integers(0, 400).map(str),
            jobs=st.integers(1, 5),
            gpus=st.integers(1, 8).map(float),
        ),
        max_size=300,
    )
)
def test_any_users_and_queues_can_be_read_back_and_are_not_too_many(counts: list[JobCount]) -> None:
    samples = read(render(Figures(jobs=tuple(counts))))
    for name, label, total in (
        ("noljima_jobs", "queue", sum(each.jobs for each in counts)),
        ("noljima_user_gpus", "user", sum(each.gpus for each in counts)),
    ):
        found = {labels: value for (family, labels), value in samples.items() if family == name}
        assert sum(found.values()) == total
        assert len({dict(labels)[label] for labels in found}) <= NAMES_MAX


@given(value=st.text(), number=st.floats(allow_nan=False, allow_infinity=False))
def test_every_label_and_number_comes_back(value: str, number: float) -> None:
    text = written(
        [Family("x", Form.GAUGE, "Back\\slash\nand line.", (Sample(number, {"a": value}),))]
    )

    assert read(text) == {("x", (("a", value.encode("utf-8", "replace").decode()),)): number}


def test_a_day_is_counted_as_it_went() -> None:
    shape = Shape(jobs_max=30, gpus_per_node=8, gpus_max=16, evictable=Evictable.SOME)
    engine, counting = build_engine(EngineSpec(policy="fair", space="grid")), Counting()
    record = rehearse(engine, draw(5, shape).driver(), [counting])

    assert counting.events.total() == len(record.events())
    assert counting.starts.total() == len(record.starts())
    assert counting.evictions == sum(record.evictions().values())
    assert counting.ends.total() == len(record.end_s()) > 0


def test_durations_fall_on_the_side_of_their_bound_that_prometheus_says() -> None:
    timing = Timing((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 1.0, 7.0):
        timing.note(seconds)

    assert timing.durations() == Durations(bounds_s=(0.1, 1.0), up_to=(2, 4, 5), sum_s=8.65)


@pytest.mark.parametrize(("waiting", "idle_s"), [(True, 2.0 * 10 + 1.0 * 5), (False, 0.0)])
def test_idle_time_counts_while_somebody_waits(waiting: bool, idle_s: float) -> None:  # noqa: FBT001 - a parameter
    idle = IdleTime()
    assert idle.total_s(50.0) == 0.0
    idle.note(100.0, 2.0, waiting=waiting)
    idle.note(110.0, 1.0, waiting=waiting)
    idle.note(115.0, 4.0, waiting=False)

    assert idle.total_s(1000.0) == idle_s


def test_every_metric_is_on_the_page_and_every_one_on_the_page_is_there() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    shown = [
        (re.sub(r"_(bucket|sum|count)$", "", name), pairs) for name, pairs in read(render(FULL))
    ]
    named = set(re.findall(r"\b(?:noljima|DCGM)_\w+", page))

    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in named} == {n for n, _ in shown}
    for name, pairs in shown:
        for label, _ in pairs if name.startswith("noljima") else ():
            assert re.search(rf"^\| .*`{name}`.*`{label}`", page, re.MULTILINE), (name, label)
