"""`noljima predict` from past runs: of a command, and beside a declared job."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from noljima.cli import past
from noljima.model.job import Job
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.prediction.history import History

Run = Callable[..., Result]

SPEC = """
name = "resnet50"
[model]
family = "convnet"
network = "resnet50"
[run]
batch = 64
optimizer = "momentum"
epochs = 2
dataset = 640_000
[site]
gpu = "V100"
"""
RUNS_S = (600.0, 660.0, 1200.0)


def learned(name: str, runs_s: tuple[float, ...], count: int) -> History:
    """Build a history in which one user has run one thing again and again."""
    history = History()
    gang = gang_of(1, Resources(gpu_milli=GPU))
    for number in range(count):
        job = Job(id=JobId(str(number)), user="kim", name=name, gang=gang, limit_s=86400.0)
        history.advance(1000.0 * number)
        history.predict(job, None)
        history.learn(job, runs_s[number % len(runs_s)])
    return history


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path = tmp_path / "past.history"
    path.write_bytes(learned("train.py", RUNS_S, 60).save())
    return path


def figures(result: Result) -> Any:  # noqa: ANN401 - JSON
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_command_is_predicted_from_runs_of_its_script(noljima: Run, state: Path) -> None:
    command = ("--", "python", "src/train.py", "--lr", "3e-4")
    found = figures(noljima("predict", "--history", state, "--user", "kim", "--json", *command))

    assert found["name"] == "train.py"
    assert found["run_s"]["p50"] == pytest.approx(660.0, rel=0.02)
    assert found["run_s"]["p10"] <= found["run_s"]["p50"] <= found["run_s"]["p90"]
    assert found["similar"][0]["runs"] == 60
    assert found["similar"][0]["run_s"][:3] == pytest.approx([1200.0, 660.0, 600.0])
    assert found["with_forecast"] is False


def test_people_are_told_the_newest_runs(noljima: Run, state: Path) -> None:
    result = noljima("predict", "--history", state, "--user", "kim", "--", "./train.py")

    assert result.exit_code == 0
    assert result.stdout.startswith("train.py by kim on 1 GPUs\n  from the past  P10 ")
    assert "user, name and GPUs: 60, the newest 20 min, 11 min, 10 min" in result.stdout
    assert result.stdout.isascii()


def test_a_command_that_nobody_has_run_says_so(noljima: Run, state: Path) -> None:
    result = noljima("predict", "--history", state, "--user", "lee", "--", "./other.sh")

    assert result.exit_code == 0
    assert "no past runs are like it" in result.stdout


def test_a_new_declared_job_keeps_its_forecast_beside_an_empty_past(
    noljima: Run, state: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "job.toml"
    spec.write_text(SPEC)
    found = figures(noljima("predict", spec, "--history", state, "--json"))

    assert found["past"]["with_forecast"] is True
    for level in ("p10", "p50", "p90"):
        assert found["past"]["run_s"][level] == pytest.approx(found["run_s"][level], rel=0.05)


def test_what_really_happened_soon_outweighs_a_forecast(noljima: Run, tmp_path: Path) -> None:
    spec = tmp_path / "job.toml"
    spec.write_text(SPEC)
    alone_s = figures(noljima("predict", spec, "--json"))["run_s"]["p50"]
    real_s = 3.0 * alone_s
    medians_s = []
    for count in (1, 60):
        state = tmp_path / f"{count}.history"
        state.write_bytes(learned("resnet50", (real_s,), count).save())
        options = ("predict", spec, "--history", state, "--user", "kim", "--json")
        medians_s.append(figures(noljima(*options))["past"]["run_s"]["p50"])

    # One run against two pseudo-observations, then many.
    assert alone_s * 0.8 < medians_s[0] < real_s
    assert medians_s[1] == pytest.approx(real_s, rel=0.02)


def test_without_a_history_the_figures_are_as_before(noljima: Run, tmp_path: Path) -> None:
    spec = tmp_path / "job.toml"
    spec.write_text(SPEC)

    assert "past" not in figures(noljima("predict", spec, "--json"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "say what: a SPEC, or -- and a COMMAND"),
        (("--", "x.py"), "give them with --history"),
        (("x.toml", "--", "x.py"), "a SPEC and a COMMAND exclude each other"),
        (("x.toml", "--user", "kim"), "do nothing without --history"),
        (("--history", "x", "--gpu", "H100", "--", "x.py"), "--gpu goes with a SPEC"),
        (("--history", "nothing-there", "--", "x.py"), "No such file"),
    ],
)
def test_what_does_not_go_together_is_refused(
    noljima: Run, options: tuple[str, ...], words: str
) -> None:
    result = noljima("predict", *options)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_is_no_history_is_refused(noljima: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.history"
    path.write_text("something else")
    result = noljima("predict", "--history", path, "--", "x.py")

    assert result.exit_code == 2
    assert "is no history that was saved" in result.stderr


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "train.py", "--lr", "1"], "train.py"),
        (["python3", "-u", "/home/kim/a/train.py"], "train.py"),
        (["torchrun", "--nproc-per-node=8", "main.py"], "main.py"),
        (["env", "A=1", "./run"], "run"),
        (["bash", "job.sh", "x"], "job.sh"),
        (["python", "-m"], "python"),
        (["--odd"], "--odd"),
    ],
)
def test_a_command_is_named_by_what_it_runs(command: list[str], name: str) -> None:
    assert past.name_of(command) == name
