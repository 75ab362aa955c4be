"""`noljima evaluate` judges predictions on a trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from noljima.workload.reader import read_trace

Run = Callable[..., Result]

KEYS = [
    "trace",
    "jobs",
    "coverage",
    "worst_window",
    "pinball",
    "mean_abs_log_ratio",
    "us_per_prediction",
    "promises",
]
TRACES = Path(__file__).parents[3] / "shared" / "data" / "traces"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log whose header says how large the machine was."""
    row = "{n} {at} -1 {run} 2 -1 -1 2 3600 -1 1 {user} -1 -1 -1 -1 -1 -1"
    rows = [row.format(n=n, at=60 * n, run=100 + n % 5, user=n % 3) for n in range(1, 81)]
    path = tmp_path / "made-up.swf"
    path.write_text("; MaxProcs: 16\n" + "\n".join(rows) + "\n")
    return path


def figures(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_the_json_has_exactly_the_promised_keys(noljima: Run, log: Path) -> None:
    found = figures(noljima("evaluate", log, "--json", "-"))

    assert list(found) == KEYS
    assert found["trace"] == "made-up"
    assert found["jobs"] == 80
    assert list(found["coverage"]) == ["q50", "q80", "q95"]
    assert list(found["worst_window"]) == ["q80", "q95"]
    assert list(found["pinball"]) == ["ours", "last_two", "limit"]
    assert list(found["mean_abs_log_ratio"]) == ["ours", "last_two", "limit"]


def test_the_same_run_twice_gives_the_same_figures(noljima: Run, day: Path) -> None:
    one, other = (figures(noljima("evaluate", day, "--nodes", 2, "--json", "-")) for _ in range(2))
    del one["us_per_prediction"], other["us_per_prediction"]

    assert one == other


def test_kept_promises_are_told_unless_they_are_not_wanted(noljima: Run, day: Path) -> None:
    run = ("evaluate", day, "--nodes", 2)
    told, silent = (
        figures(noljima(*run, *more, "--json", "-")) for more in ((), ("--no-promises",))
    )

    assert "promises" not in silent
    assert told["promises"]["made"] > 0
    assert 0.0 <= told["promises"]["share_kept"] <= 1.0
    assert "promised starts kept" in noljima(*run).stdout
    assert "promised starts kept" not in noljima(*run, "--no-promises").stdout


def test_the_promises_are_those_of_a_simulation_of_policy_fair(noljima: Run, day: Path) -> None:
    size = (day, "--nodes", 2)
    found = figures(noljima("evaluate", *size, "--json", "-"))["promises"]
    fair = ("--policy", "fair", "--estimates", "history", "--promises", "--json", "-")
    simulated = figures(noljima("simulate", *size, *fair))["runs"][0]["promises"]

    assert found == pytest.approx(simulated, abs=1e-6)


def test_people_get_a_table(noljima: Run, log: Path) -> None:
    lines = noljima("evaluate", log).stdout.splitlines()

    assert lines[0] == "made-up: 80 jobs"
    assert lines[1].split() == ["ours", "last", "two", "limit"]
    assert "\n".join(lines).isascii()
    assert any(line.startswith("pinball loss of q80") for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_any_source_can_be_judged(noljima: Run, day: Path) -> None:
    limit = figures(
        noljima("evaluate", day, "--capacity", 16, "--estimates", "limit", "--json", "-")
    )

    assert limit["pinball"]["ours"] == limit["pinball"]["limit"]


def test_a_part_of_the_trace_can_be_judged(noljima: Run, day: Path) -> None:
    found = figures(
        noljima("evaluate", day, "--nodes", 2, "--filter", "gpus<4", "--until", "6h", "--json", "-")
    )
    jobs = read_trace(day).jobs
    first_s = jobs[0].submit_s

    assert found["jobs"] == sum(
        job.job.gang.gpu_milli < 4000 and job.submit_s - first_s < 21600 for job in jobs
    )


def test_figures_and_page_go_into_files(noljima: Run, log: Path, tmp_path: Path) -> None:
    result = noljima(
        "evaluate", log, "--json", tmp_path / "new" / "it.json", "--report", tmp_path / "page"
    )

    assert result.exit_code == 0
    assert json.loads((tmp_path / "new" / "it.json").read_text())["jobs"] == 80
    assert "Coverage over time" in (tmp_path / "page" / "index.html").read_text()
    assert result.stderr.endswith(f"the report is {tmp_path / 'page' / 'index.html'}\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--capacity", 4, "--nodes", 2), "--capacity and --nodes exclude each other"),
        (("--gpus-per-node", 4), "--gpus-per-node does nothing without --nodes"),
        (("--estimates", "magic"), "estimates: 'magic' is not one of limit, "),
        (("--filter", "gpus>1000"), "no job is left to predict"),
        (("--json", "/dev/null/x"), "cannot be written"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    noljima: Run, log: Path, options: tuple[object, ...], words: str
) -> None:
    result = noljima("evaluate", log, *options)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_trace_that_does_not_say_how_large_the_machine_was_needs_an_option(
    noljima: Run, tmp_path: Path, log: Path
) -> None:
    path = tmp_path / "silent.swf"
    path.write_text("\n".join(log.read_text().splitlines()[1:]))
    result = noljima("evaluate", path)

    assert result.exit_code == 2
    assert "does not say how large its machine was" in result.stderr


@pytest.mark.slow
@pytest.mark.traces
@pytest.mark.parametrize("log", ["KTH-SP2", "LLNL-Atlas-2006-2.1-cln"])
def test_the_promises_of_prediction_hold_on_a_real_log(noljima: Run, log: str) -> None:
    path = TRACES / f"{log}.swf.gz"
    if not path.exists():
        pytest.skip(f"the real traces are not at {TRACES}")
    found = figures(noljima("evaluate", path, "--json", "-"))

    assert abs(found["coverage"]["q80"] - 0.80) <= 0.015
    assert abs(found["coverage"]["q95"] - 0.95) <= 0.015
    assert max(found["worst_window"].values()) <= 0.04
    assert found["pinball"]["ours"] <= 0.88 * found["pinball"]["last_two"]
