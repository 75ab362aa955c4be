"""Every kind of measurement still runs, at sizes that take a second; no figure is judged."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import msgspec
import pytest
from bench import __main__ as command
from bench import (
    cycles,
    page,
    placing,
    plans,
    predicting,
    shares,
    starting,
    traces,
    worker,
    workloads,
)
from bench.backlog import Backlog
from bench.plans import Measurement
from bench.row import Result

from noljima.model.commands import Evict, Start
from noljima.model.job import Checkpoint, Job
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, JobId, NodeId, Resources, gang_of
from noljima.workload.trace import TraceJob

SMALL = cycles.Plan(policy="fair", nodes=20, waiting=150, running=100, samples=5, curves=("nodes",))
MONTH = traces.Plan(
    what="a month", policy="easy", estimates="last-two", gpus=16, jobs=300, runs=2, curve="jobs"
)


def measured(module: str, plan: plans.Plan) -> Result:
    """Measure in this process, by way of JSON as in a process of its own."""
    result = worker.measure(module, msgspec.json.encode(plan).decode())
    for row in result.rows:
        assert row.section in plans.SECTIONS
        assert row.values
        assert all(math.isfinite(value) and value > 0.0 for value in row.values), row
    return msgspec.json.decode(msgspec.json.encode(result), type=Result)


def test_promises_are_measured_beside_the_decisions_that_they_are_a_part_of() -> None:
    plan = msgspec.structs.replace(SMALL, promises=True, estimates="history")

    rows = [row for row in measured("cycles", plan).rows if row.section == "Promises"]

    assert [row.unit for row in rows] == ["µs", "ms", "ms"]
    assert all("fair (history) with promises" in row.what for row in rows)


@pytest.mark.parametrize("policy", ["fair", "easy", "efficient", "share"])
def test_decisions_are_measured_after_submissions_and_after_ends(policy: str) -> None:
    plan = msgspec.structs.replace(SMALL, policy=policy, p50_ms_max=1e9, p99_ms_max=0.0)
    result = measured("cycles", plan)
    judged = {row.what.rpartition(": ")[2][:3]: row.met for row in result.rows if row.budget}

    assert judged == {"p50": True}
    assert sum(row.met is False for row in result.rows) == 1
    assert {point.series for point in result.points} == {f"{policy}, p50", f"{policy}, p99", policy}


def test_decisions_with_short_jobs_and_history_are_measured() -> None:
    plan = msgspec.structs.replace(
        SMALL, long=False, estimates="history", predicted_share_max=50.0, window_s=3_600.0
    )
    result = measured("cycles", plan)

    assert [row.unit for row in result.rows if row.section == predicting.SECTION] == ["%"]


def test_a_generated_month_is_measured_on_nodes_and_in_a_pool() -> None:
    (row,) = measured("traces", msgspec.structs.replace(MONTH, rate_min=1.0)).rows
    on_nodes = measured("traces", msgspec.structs.replace(MONTH, nodes=True, policy="fair"))

    assert row.unit == "jobs/s"
    assert row.met
    assert len(row.values) == 2
    assert {point.series for point in on_nodes.points} == {"fair on nodes"}


def test_a_month_that_takes_too_long_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_WAITS_A_LOOK", 100)
    (row,) = measured("traces", msgspec.structs.replace(MONTH, cpu_s_max=1e-6)).rows

    assert row.note.startswith("broken off after 0 s, when ")


def test_placement_prediction_and_start_are_measured() -> None:
    assert measured("placing", placing.Plan(nodes=20, workers_min=100, runs=1)).rows
    assert measured("predicting", predicting.Plan(learned=200, samples=200)).rows
    assert measured("starting", starting.Plan(runs=1)).rows


def test_the_shares_of_a_profile_make_a_whole() -> None:
    plan = shares.Plan(trace=MONTH)
    (row,) = measured("shares", plan).rows
    parts = [float(part.split()[-2]) for part in row.note.split(", ")]

    assert 95.0 <= sum(parts) <= 105.0
    assert row.note.split(" ")[0] in {*shares.PARTS.values(), "rest"}


def test_a_log_that_is_missing_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workloads, "TRACES", tmp_path)
    result = measured("traces", msgspec.structs.replace(MONTH, log="no-such.swf.gz"))

    assert result.remarks == ["a month: no-such.swf.gz is not beside the checkout"]
    assert not result.rows


def test_a_measurement_that_fails_is_told_of_and_the_rest_goes_on() -> None:
    plan = msgspec.structs.replace(MONTH, policy="no-such")
    result = command.measured(Measurement(name="traces", title="it", module="traces", plan=plan))

    assert result == Result(failures=["it: its process ended with 1"])


def test_the_command_prints_tables_and_writes_nothing_where_it_is_quick(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = page.PAGE.read_bytes()
    assert command.main(["--quick", "--only", "placing"]) == 0

    assert "### Budgets" in capsys.readouterr().out
    assert page.PAGE.read_bytes() == before


@pytest.mark.slow
def test_the_whole_runs_at_small_sizes() -> None:
    assert command.main(["--quick"]) == 0


def test_names_choose_measurements_and_every_size_has_its_title() -> None:
    full, quick = list(plans.measurements(quick=False)), list(plans.measurements(quick=True))

    assert {m.name for m in full} == {m.name for m in quick} == set(plans.NAMES)
    assert len({m.title for m in full}) == len(full)


def test_a_job_whose_end_is_told_late_has_not_worked_beyond_it() -> None:
    job = TraceJob(
        job=Job(
            id=JobId("j"),
            gang=gang_of(1, Resources(gpu_milli=GPU)),
            checkpoint=Checkpoint(interval_s=60.0),
        ),
        submit_s=0.0,
        run_s=190.0,
    )
    world = Backlog((), iter([job]), 1, enough=lambda: False, window_s=300.0, single_from_s=200.0)
    start = Start(job.job.id, Placement((Assignment(NodeId("n"), (0,)),)))

    async def twice() -> list[float]:
        await world.do(0.0, [start])
        await world.do(290.0, [Evict(job.job.id, job.job.id), start])
        told = [await world.wait(None) for _ in range(5)]
        return [event.at_s for events in told for event in events]

    times_s = asyncio.run(twice())

    assert times_s == sorted(times_s)
