"""`noljima simulate --progress`: jobs tell how far they are, and it is all kept and replayed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from noljima.model.events import Progressed
from noljima.policy import presets
from noljima.store.journal import read_journal

Run = Callable[..., Result]
Figures = Callable[..., dict[str, Any]]
MEASURED = ("wall_s", "jobs_per_s")


def figures(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in run.items() if k not in MEASURED} for run in told["runs"]]


def test_every_policy_keeps_its_books_while_jobs_tell(simulated: Figures) -> None:
    options = [word for name in presets.NAMES for word in ("--policy", name)]
    told = simulated(*options, "--estimates", "history", "--progress", "15m", "--validate")

    assert {run["jobs"] for run in told["runs"]} == {told["trace"]["jobs"]}
    assert told["trace"]["progress_s"] == 900.0


def test_the_same_seed_gives_the_same_and_another_does_not(simulated: Figures) -> None:
    options = ("--policy", "easy", "--estimates", "last-two", "--progress", "10m", "--seed")
    one, same, other = (figures(simulated(*options, seed)) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_the_truth_is_not_corrected_by_progress(simulated: Figures) -> None:
    options = ("--policy", "easy-sjbf", "--estimates", "true")

    assert figures(simulated(*options, "--progress", "10m")) == figures(simulated(*options))


def test_a_journal_keeps_what_jobs_told_and_replays(
    noljima: Run, simulated: Figures, tmp_path: Path
) -> None:
    journal = tmp_path / "run.jsonl"
    options = ("--policy", "efficient", "--estimates", "history", "--progress", "10m")
    simulated(*options, "--journal", journal)
    _, batches = read_journal(journal)
    told = [e for batch in batches for e in batch.events if isinstance(e, Progressed)]
    replayed = noljima("replay", journal)

    assert len(told) > 100
    assert replayed.exit_code == 0, replayed.output


@pytest.mark.parametrize(
    ("given", "words"),
    [("0s", "--progress"), ("0.5s", "--progress: 0.5 s is less than 1 s"), ("soon", "--progress")],
)
def test_an_interval_that_is_none_is_refused(
    noljima: Run, day: Path, given: str, words: str
) -> None:
    result = noljima("simulate", day, "--nodes", 2, "--progress", given)

    assert result.exit_code == 2
    assert words in result.stderr
