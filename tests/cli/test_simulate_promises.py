"""`noljima simulate --promises`: how well start times are promised, told and drawn."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

Run = Callable[..., Result]
Figures = Callable[..., dict[str, Any]]

TIMED = ("wall_s", "jobs_per_s")


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert isinstance(data, dict)
    return data


def test_promises_are_figures_of_each_run_and_change_no_other(simulated: Figures) -> None:
    silent = simulated("--policy", "fair", "--policy", "easy")
    told = simulated("--policy", "fair", "--policy", "easy", "--promises")

    for one, other in zip(told["runs"], silent["runs"], strict=True):
        found = one.pop("promises")
        assert "promises" not in other
        assert found["made"] > 0
        assert found["share_kept"] == found["kept"] / found["made"]
        assert {**one, **dict.fromkeys(TIMED)} == {**other, **dict.fromkeys(TIMED)}


def test_people_see_the_share_that_was_kept_only_where_promises_were_made(
    noljima: Run, day: Path
) -> None:
    run = ("simulate", day, "--nodes", 2, "--policy", "fair")

    assert "Promises kept  " in noljima(*run, "--promises").stdout
    assert "Promises" not in noljima(*run).stdout


def test_the_file_tells_of_each_promise(noljima: Run, day: Path, tmp_path: Path) -> None:
    path, figures = tmp_path / "promises.csv", tmp_path / "figures.json"
    result = noljima(
        *("simulate", day, "--nodes", 2, "--policy", "fair"),
        *("--promises-out", path, "--json", figures),
    )

    assert result.exit_code == 0, result.stderr
    found = json.loads(figures.read_text())["runs"][0]["promises"]
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == found["made"]
    assert sum(int(row["kept"]) for row in rows) == found["kept"]
    for row in rows:
        assert (float(row["start_s"]) <= float(row["by_s"])) == bool(int(row["kept"]))
        assert float(row["by_s"]) <= float(row["first_by_s"])


def test_the_file_is_of_one_run(noljima: Run, day: Path, tmp_path: Path) -> None:
    result = noljima("simulate", day, "--nodes", 2, "--promises-out", tmp_path / "p.csv")

    assert result.exit_code == 2
    assert result.stderr == "noljima: --promises-out takes one --policy and one --estimates\n"


def test_the_page_draws_how_well_promises_are_kept(noljima: Run, day: Path, tmp_path: Path) -> None:
    run = ("simulate", day, "--nodes", 2, "--policy", "fair", "--policy", "easy", "--report")
    assert noljima(*run, tmp_path / "told", "--promises").exit_code == 0
    assert noljima(*run, tmp_path / "silent").exit_code == 0

    drawn = data_of(tmp_path / "told" / "index.html")
    assert [len(kept) for kept in drawn["promises"]["kept"]] == [len(drawn["time"])] * 2
    assert drawn["promises"]["kept"][0][-1] is not None
    assert data_of(tmp_path / "silent" / "index.html")["promises"] is None


def test_a_journal_with_promises_replays(noljima: Run, day: Path, tmp_path: Path) -> None:
    path = tmp_path / "day.journal.gz"
    made = noljima(
        *("simulate", day, "--nodes", 2, "--policy", "fair", "--promises", "--journal", path)
    )

    assert made.exit_code == 0, made.stderr
    assert noljima("replay", path).exit_code == 0
