"""What `noljima simulate` writes: whole files or none, and refused before the run."""

from __future__ import annotations

import csv
import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from noljima import app
from noljima.report.recorder import Recorder
from noljima.workload.reader import read_trace

Run = Callable[..., Result]
Figures = Callable[..., dict[str, Any]]

ONE = ("--policy", "fair", "--evictable", 1, "--checkpoint", "5m")
OUTPUTS = {
    "--json": "figures.json",
    "--schedule": "fair.csv",
    "--save-trace": "as-run.jsonl.gz",
    "--journal": "fair.journal.gz",
    "--report": "page",
}


def wanted(folder: Path) -> list[object]:
    return [word for option, name in OUTPUTS.items() for word in (option, folder / name)]


@pytest.fixture
def no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test fail that gets as far as running anything."""

    def run(*_: object) -> float:
        raise AssertionError("it runs")

    monkeypatch.setattr(app, "simulate", run)


def test_everything_is_written_and_nothing_else(noljima: Run, day: Path, tmp_path: Path) -> None:
    result = noljima("simulate", day, "--nodes", 2, *ONE, *wanted(tmp_path / "new"))

    assert result.exit_code == 0, result.output
    assert f"noljima: the report is {tmp_path / 'new' / 'page' / 'index.html'}" in result.stderr
    assert "Mean wait" in result.stdout
    names = sorted(p.relative_to(tmp_path / "new").as_posix() for p in tmp_path.rglob("*.*"))
    assert names == sorted(
        ["page/index.html", *(n for option, n in OUTPUTS.items() if option != "--report")]
    )


def test_the_json_file_says_what_the_standard_output_would(
    noljima: Run, simulated: Figures, day: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    noljima("simulate", day, "--nodes", 2, *ONE, "--json", path)
    written, told = json.loads(path.read_text()), simulated(*ONE)

    assert written["trace"] == told["trace"]
    assert written["runs"][0]["mean_wait_s"] == told["runs"][0]["mean_wait_s"]


def test_the_schedule_has_a_row_for_each_job(
    noljima: Run, simulated: Figures, day: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    noljima("simulate", day, "--nodes", 2, *ONE, "--schedule", path)
    with path.open() as lines:
        waits_s = [float(row["wait_s"]) for row in csv.DictReader(lines)]
    (run,) = simulated(*ONE)["runs"]

    assert len(waits_s) == run["jobs"]
    assert sum(waits_s) / len(waits_s) == pytest.approx(run["mean_wait_s"])


def test_a_saved_trace_gives_the_same_figures_without_the_options(
    noljima: Run, simulated: Figures, day: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x.jsonl"
    noljima("simulate", day, "--nodes", 2, *ONE, "--load", 1.5, "--save-trace", path)
    (direct,) = simulated(*ONE, "--load", 1.5)["runs"]
    (saved,) = simulated("--policy", "fair", trace=path)["runs"]

    assert all(job.job.evictable for job in read_trace(path).jobs)
    for key in ("mean_wait_s", "evictions", "lost_work_share", "max_bounded_slowdown"):
        assert saved[key] == direct[key]


def test_the_journal_replays(noljima: Run, day: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    noljima("simulate", day, "--nodes", 2, *ONE, "--journal", path)

    assert "result    equal" in noljima("replay", path).stdout


# --- Refused in time ---


@pytest.mark.parametrize("option", OUTPUTS)
@pytest.mark.usefixtures("no_run")
def test_an_output_below_a_file_is_refused_before_the_run(
    noljima: Run, day: Path, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "x"
    result = noljima("simulate", day, "--nodes", 2, *ONE, option, path)

    assert result.exit_code == 2
    assert f"{option}: {path} cannot be written (a part of its path is a file)" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [
        ("--json", "folder", "is a folder, not a file"),
        ("--schedule", "", "is a folder, not a file"),
        ("--report", "file", "is a file, not a folder"),
        ("--schedule", "/dev/null", "is no ordinary file"),
        ("--journal", "-", "only --json can go to the standard output"),
        ("--save-trace", "x" * 201, "is longer than 200 bytes"),
    ],
)
@pytest.mark.usefixtures("no_run")
def test_an_output_of_the_wrong_kind_is_refused_before_the_run(
    noljima: Run, day: Path, tmp_path: Path, option: str, name: str, words: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        result = noljima("simulate", day, "--nodes", 2, *ONE, option, name)

    assert result.exit_code == 2
    assert words in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.usefixtures("no_run")
def test_two_outputs_in_one_file_and_one_over_an_input_are_refused(
    noljima: Run, day: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    twice = noljima("simulate", day, "--nodes", 2, *ONE, "--json", path, "--schedule", path)
    over = noljima("simulate", day, "--nodes", 2, *ONE, "--save-trace", day)

    assert twice.stderr == f"noljima: --schedule: {path} is what --json writes already\n"
    assert over.stderr == f"noljima: --save-trace: {day} is read already\n"


def test_a_disk_that_fills_up_is_told_in_a_sentence_and_leaves_no_journal(
    noljima: Run, day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr("os.fsync", full)
    result = noljima("simulate", day, "--nodes", 2, *ONE, "--json", tmp_path / "x.json")

    assert result.exit_code == 2
    assert result.stderr == f"noljima: {tmp_path}: No space left on device\n"
    assert not list(tmp_path.iterdir())


# --- Interrupted ---


@pytest.fixture
def interrupted_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Press Ctrl-C in the middle of a run, at the batch of this number."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def press_at(batch: int) -> None:
        observe, seen = Recorder.observe, [0]

        def pressed(recorder: Recorder, events: Any, commands: Any) -> None:  # noqa: ANN401 - passed on
            seen[0] += 1
            if seen[0] == batch:
                signal.raise_signal(signal.SIGINT)
            observe(recorder, events, commands)

        monkeypatch.setattr(Recorder, "observe", pressed)

    yield press_at
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_at_once_with_one_line_and_no_files(
    noljima: Run, day: Path, tmp_path: Path, interrupted_at: Callable[[int], None]
) -> None:
    interrupted_at(50)
    result = noljima("simulate", day, "--nodes", 2, *ONE, *wanted(tmp_path))

    assert result.exit_code == 130
    assert result.stdout == ""
    assert result.stderr == "noljima: interrupted\n"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_ctrl_c_leaves_an_older_file_as_it_was(
    noljima: Run, day: Path, tmp_path: Path, interrupted_at: Callable[[int], None]
) -> None:
    journal = tmp_path / "x.journal"
    journal.write_text("old")
    interrupted_at(50)
    noljima("simulate", day, "--nodes", 2, *ONE, "--journal", journal)

    assert journal.read_text() == "old"
    assert list(tmp_path.iterdir()) == [journal]


# --- Colour ---

COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|38;5)")


def test_a_terminal_gets_colour_unless_it_wants_none(noljima: Run, day: Path) -> None:
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "100"}
    coloured = noljima("simulate", day, "--nodes", 2, **terminal)
    plain = noljima("simulate", day, "--nodes", 2, **terminal, NO_COLOR="1")

    assert COLOUR.search(coloured.stderr)
    assert not COLOUR.search(plain.stderr + plain.stdout)


def test_a_pipe_gets_plain_text(noljima: Run, day: Path) -> None:
    result = noljima("simulate", day, "--nodes", 2)

    assert "\x1b" not in result.stdout
    assert result.stderr == ""


# --- What was learned ---


def test_what_a_run_has_learned_can_begin_another(noljima: Run, day: Path, tmp_path: Path) -> None:
    state = tmp_path / "new" / "day.history"
    options = ("simulate", day, "--nodes", 2, "--policy", "easy-sjbf", "--estimates", "history")
    plain, first = noljima(*options, "--json", "-"), noljima(*options, "--history-out", state)
    again = noljima(*options, "--history-in", state, "--json", "-")

    assert [result.exit_code for result in (plain, first, again)] == [0, 0, 0], again.stderr
    assert state.read_bytes().startswith(b"noljima-history 1 ")
    waits = [json.loads(result.stdout)["runs"][0]["mean_wait_s"] for result in (plain, again)]
    assert waits[0] != waits[1]


def test_the_same_run_writes_the_same_history(noljima: Run, day: Path, tmp_path: Path) -> None:
    options = ("simulate", day, "--nodes", 2, "--policy", "easy", "--estimates", "history")
    for name in ("one", "two"):
        assert noljima(*options, "--history-out", tmp_path / name).exit_code == 0

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--policy", "easy", "--estimates", "limit", "--history-out", "x"),
            "--history-out needs --estimates history",
        ),
        (("--estimates", "history", "--history-in", "nothing"), "No such file"),
        (
            (
                "--estimates",
                "history",
                "--policy",
                "easy",
                "--policy",
                "fair",
                "--history-out",
                "x",
            ),
            "--history-out takes one --policy",
        ),
        (
            ("--estimates", "history", "--policy", "easy", "--history-in", "x", "--journal", "y"),
            "--history-in and --journal exclude each other",
        ),
    ],
)
def test_a_history_that_cannot_be_used_is_refused(
    noljima: Run, day: Path, options: tuple[str, ...], words: str
) -> None:
    result = noljima("simulate", day, "--nodes", 2, *options)

    assert result.exit_code == 2
    assert words in result.stderr


def test_a_damaged_history_is_refused_before_the_run(
    noljima: Run, day: Path, tmp_path: Path
) -> None:
    state = tmp_path / "day.history"
    options = ("simulate", day, "--nodes", 2, "--policy", "easy", "--estimates", "history")
    noljima(*options, "--history-out", state)
    state.write_bytes(state.read_bytes()[:-1])
    result = noljima(*options, "--history-in", state)

    assert result.exit_code == 2
    assert "history: 'state' is damaged" in result.stderr
