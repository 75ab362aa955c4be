"""The Python on the pages runs, and what it builds is what the pages say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from noljima import cli
from noljima.policy import presets
from noljima.workload import jsonl
from noljima.workload.generator import Recipe, generate

DOCS = Path(__file__).parents[2] / "docs"


def executed(page: str) -> dict[str, Any]:
    """Run all Python of a page, in order, as one program."""
    text = (DOCS / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": page}
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        # As many empty lines as come before it, so that an error tells the line of the page.
        source = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        exec(compile(source, page, "exec"), names)  # noqa: S102 - our own page
    return names


def test_the_policy_on_the_page_holds_every_invariant() -> None:
    assert executed("adding-a-policy.md")["LastInFirstOut"].name == "lifo"


def test_the_page_of_promises_shows_how_they_are_read() -> None:
    names = executed("promises.md")
    made_s, about_s, by_s, moves, missed = names["told"]

    assert made_s == 60.0 < about_s <= by_s
    assert (moves, missed, names["settled"]) == (0, False, [])
    assert "; it starts in about" in names["reason"]
    assert "(within" in names["reason"]


def test_the_policy_on_the_page_runs_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = executed("adding-a-policy.md")["preset"]
    monkeypatch.setattr(presets, "_PRESETS", {**presets._PRESETS, "lifo": entry})
    recipe = Recipe(seed=2, gpus=16, days=0.5, jobs_per_day=160, load=1.3, mix={1: 3, 4: 1, 8: 1})
    jsonl.write(generate(recipe, gpus_per_node=8), tmp_path / "day.jsonl")
    options = ["--nodes", "2", "--policy", "lifo", "--policy", "fifo", "--validate"]
    result = CliRunner().invoke(cli.main, ["simulate", str(tmp_path / "day.jsonl"), *options])

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Policy ")


def test_the_driver_on_the_page_runs_three_processes() -> None:
    assert len(executed("adding-a-driver.md")["record"].end_s()) == 3
