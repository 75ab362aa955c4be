"""`noljima simulate` does what its options say, and tells what happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from noljima.engine import Engine
from noljima.engine.validate import BrokenInvariantError
from noljima.model.resources import JobId
from noljima.policy import presets
from noljima.prediction import sources
from noljima.workload.reader import read_trace

Run = Callable[..., Result]
Figures = Callable[..., dict[str, Any]]

JOBS = 89
KEYS = {
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
}
MEASURED = {"wall_s", "jobs_per_s"}


def run_of(told: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the only run, without those that a watch has measured."""
    (figures,) = told["runs"]
    return {key: value for key, value in figures.items() if key not in MEASURED}


def test_the_json_has_the_promised_keys(simulated: Figures) -> None:
    told = simulated("--policy", "fair", "--policy", "easy", "--estimates", "true")

    assert list(told) == ["trace", "cluster", "runs"]
    assert [run["policy"] for run in told["runs"]] == ["fair", "easy"]
    for run in told["runs"]:
        assert set(run) >= KEYS
        assert run["jobs"] == JOBS
        assert run["estimates"] == "true"


def test_nothing_but_json_goes_to_the_standard_output(noljima: Run, day: Path) -> None:
    result = noljima("simulate", day, "--nodes", 2, "--json", "-", FORCE_COLOR="1")

    assert json.loads(result.stdout)["trace"]["jobs"] == JOBS


def test_trace_and_cluster_are_described(simulated: Figures, day: Path) -> None:
    told = simulated("--policy", "fifo")

    assert told["trace"]["file"] == str(day)
    assert told["trace"]["jobs"] == JOBS
    assert told["trace"]["offered_load"] == pytest.approx(1.3, abs=0.01)
    assert told["cluster"]["nodes"] == 2
    assert told["cluster"]["gpus"] == 16
    assert told["cluster"]["placement"] == "pack"


def test_the_same_seed_gives_the_same_figures(simulated: Figures) -> None:
    options = ("--policy", "efficient", "--estimates", "random", "--evictable", "0.5")
    one, other = (run_of(simulated(*options, "--seed", 4)) for _ in range(2))

    assert one == other
    assert one != run_of(simulated(*options, "--seed", 5))


def test_a_table_has_a_column_for_each_run(noljima: Run, day: Path) -> None:
    result = noljima("simulate", day, "--nodes", 2, "--estimates", "limit", "--estimates", "true")
    lines = {line[:20].strip(): line[20:].split() for line in result.stdout.splitlines()}

    assert lines["Policy"] == ["fair", "fair", "easy", "easy", "fifo", "fifo"]
    assert lines["Estimates"] == ["limit", "true"] * 3
    assert "Mean wait" in lines


# --- What runs, and where ---


@pytest.mark.parametrize("policy", presets.NAMES)
def test_every_policy_runs_every_job_on_nodes_and_on_a_pool(
    simulated: Figures, policy: str
) -> None:
    for size in (("--nodes", 2), ("--capacity", 16)):
        run = run_of(simulated("--policy", policy, "--validate", size=size))

        assert (run["jobs"], run["unfinished"], run["refused"]) == (JOBS, 0, 0)


@pytest.mark.parametrize("source", [n.replace("SIGMA", "0.5") for n in sources.NAMES])
def test_every_source_of_estimates_keeps_the_order(simulated: Figures, source: str) -> None:
    run = run_of(
        simulated("--policy", "fair", "--estimates", source, "--evictable", 1, "--checkpoint", "5m")
    )

    assert run["order_violations"] == 0
    assert run["max_lateness_s"] == 0


def test_a_pool_is_one_number(simulated: Figures) -> None:
    told = simulated("--policy", "fair", size=("--capacity", 16))

    assert told["cluster"] == {"kind": "pool", "gpus": 16}


def test_nodes_can_be_of_any_size_and_too_large_jobs_are_refused(simulated: Figures) -> None:
    told = simulated("--policy", "fair", size=("--nodes", 3, "--gpus-per-node", 2))
    large = told["runs"][0]["refused"]

    assert told["cluster"]["gpus"] == 6
    assert large > 0
    assert told["runs"][0]["jobs"] == JOBS - large


def test_nodes_can_come_from_a_file(simulated: Figures, tmp_path: Path) -> None:
    path = tmp_path / "nodes.jsonl"
    path.write_text('{"id": "a", "gpus": 8, "gpu_type": "A100"}\n\n{"id": "b", "gpus": 4}\n')
    told = simulated("--policy", "fair", size=("--cluster", path))

    assert told["cluster"]["gpus"] == 12
    assert told["cluster"]["gpu_types"] == "A100, any"


def test_a_way_to_place_can_be_named(simulated: Figures) -> None:
    assert run_of(simulated("--policy", "fair", "--placement", "pack"))["jobs"] == JOBS


def test_settings_bound_a_queue(simulated: Figures, tmp_path: Path, day: Path) -> None:
    queues = sorted({job.job.queue for job in read_trace(day).jobs})
    path = tmp_path / "site.toml"
    path.write_text("".join(f'[[queues]]\nname = "{q}"\nquota_gpus = 8\n' for q in queues[:1]))
    free = run_of(simulated("--policy", "share"))
    bound = run_of(simulated("--policy", "share", "--settings", path))

    assert bound["jobs"] == JOBS
    assert bound["mean_wait_s"] != free["mean_wait_s"]


# --- Which jobs, and how hard ---


def test_load_squeezes_the_arrivals(simulated: Figures) -> None:
    one, two = simulated("--policy", "fifo"), simulated("--policy", "fifo", "--load", 2)

    assert two["trace"]["offered_load"] == pytest.approx(2 * one["trace"]["offered_load"], rel=0.01)
    assert run_of(two)["mean_wait_s"] > run_of(one)["mean_wait_s"]


def test_filters_and_a_window_leave_jobs_out(simulated: Figures, day: Path) -> None:
    jobs = read_trace(day).jobs
    first_s = jobs[0].submit_s
    small = simulated("--policy", "fifo", "--filter", "gpus<8", "--filter", "outcome!=failed")
    window = simulated("--policy", "fifo", "--from", "1h", "--until", "6h")

    assert small["trace"]["jobs"] == sum(
        job.job.gang.gpu_milli < 8000 and job.outcome != "failed" for job in jobs
    )
    assert window["trace"]["jobs"] == sum(3600 <= j.submit_s - first_s < 21600 for j in jobs)
    assert window["trace"]["from"] == "1h"


def test_what_cannot_be_evicted_is_not(simulated: Figures) -> None:
    assert run_of(simulated("--policy", "fair", "--evictable", 0))["evictions"] == 0
    assert run_of(simulated("--policy", "fair", "--evictable", 1))["evictions"] > 0


def test_checkpoints_save_work_and_cost_to_load(simulated: Figures) -> None:
    options = ("--policy", "fair", "--evictable", 1, "--checkpoint")
    always = run_of(simulated(*options, "0s"))
    never = run_of(simulated(*options, "none"))
    dear = run_of(simulated(*options, "0s", "--restart-cost", "5m"))

    assert always["lost_work_share"] == 0
    assert never["lost_work_share"] > 0
    assert dear["lost_work_share"] > 0


def test_an_eviction_that_takes_time_makes_late(simulated: Figures) -> None:
    run = run_of(
        simulated(
            "--policy",
            "fair",
            "--evictable",
            1,
            "--checkpoint",
            "5m",
            "--grace",
            "30s",
            "--load",
            2,
        )
    )

    assert 0 < run["max_lateness_s"] <= 300


# --- What goes wrong ---


def test_faulty_nodes_take_their_jobs_along(simulated: Figures) -> None:
    run = run_of(
        simulated("--policy", "easy", "--node-mtbf", "3h", "--node-repair", "10m", "--validate")
    )

    assert run["evictions"] > 0
    assert run["jobs"] == JOBS


def test_failed_starts_hold_their_gpus_for_nothing(simulated: Figures) -> None:
    run = run_of(simulated("--policy", "fair", "--start-failures", 0.5, "--validate"))

    assert run["jobs"] == JOBS


def test_early_exits_leave_less_work(simulated: Figures) -> None:
    usual, early = (
        simulated("--policy", "fifo"),
        simulated("--policy", "fifo", "--early-exits", 0.5),
    )

    assert early["trace"]["gpu_hours"] < 0.9 * usual["trace"]["gpu_hours"]


def test_a_broken_row_is_skipped_with_a_word_or_refused(
    noljima: Run, day: Path, tmp_path: Path
) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(day.read_text() + '{"id": "x"}\n')
    options = ("simulate", path, "--nodes", 2, "--policy", "fifo")
    lenient, strict = noljima(*options), noljima(*options, "--strict")

    assert lenient.exit_code == 0
    assert f"1 row skipped; the first is line {JOBS + 2}: " in lenient.stderr
    assert strict.exit_code == 2
    assert strict.stderr.startswith(f"noljima: {path}, line {JOBS + 2}: ")


def test_a_broken_invariant_ends_with_its_own_code(
    noljima: Run, day: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(engine: Engine) -> None:
        if engine.state.now_s > 3600:
            raise BrokenInvariantError("T8 whole gangs", "1 of 2 workers", JobId("j1"))

    monkeypatch.setattr(Engine, "validate", broken)
    journal = tmp_path / "x.journal"
    result = noljima(
        "simulate", day, "--nodes", 2, "--policy", "fair", "--validate", "--journal", journal
    )

    assert result.exit_code == 1
    assert result.stderr == "noljima: fair: T8 whole gangs: job j1: 1 of 2 workers\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.journal"]
