"""Every command on the pages works, and every measured table says what its commands say.

Commands of one page run in one folder, in order, so that a later one may use what an earlier one
has written. A command that reads a real log, or stands below `<!-- slow -->`, runs with the slow
tests. A table below `<!-- measured -->` is compared with the runs of the commands above it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from noljima.report.catalogue import FIGURES, written
from noljima.workload import jsonl
from noljima.workload.generator import Recipe, generate

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
TRACES = ROOT.parent / "shared" / "data" / "traces"
LOGS = re.compile(r"\b[\w.-]+\.(?:swf|csv)(?:\.gz)?\b")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MEASURED = "<!-- measured -->"
SLOW = "<!-- slow -->"
SECONDS_MAX = 1800

# Each simulation also writes its figures to a file, for the tables to be compared with.
PRELUDE = """\
set -euo pipefail
noljima() {
    if [ "$1" = simulate ] && [[ " $* " != *" --json "* ]]; then
        command noljima "$@" --json "$FIGURES/$(date +%s%N).json"
    else
        command noljima "$@"
    fi
}
"""


class Block(NamedTuple):
    """Commands of a page."""

    page: Path
    line: int
    script: str
    slow: bool
    behind: str
    """What follows on the page."""

    @property
    def logs(self) -> set[str]:
        """The real logs that it reads."""
        if not TRACES.is_dir():
            return {name for name in LOGS.findall(self.script) if name.endswith(".gz")}
        return {name for name in LOGS.findall(self.script) if (TRACES / name).exists()}

    def __str__(self) -> str:
        """Read as where it stands."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """Find the commands of a page: all of `sh`, and of `console` the lines behind a prompt."""
    text = page.read_text(encoding="utf-8")
    for fence in FENCE.finditer(text):
        language, body = fence.groups()
        if language == "console":
            body = "\n".join(line[2:] for line in body.splitlines() if line.startswith("$ "))
        elif language != "sh" and not body.startswith(("noljima ", "make ")):
            continue
        before = text[: fence.start()].rstrip()
        line, behind = before.count("\n") + 2, text[fence.end() :]
        yield Block(page, line, body + "\n", before.endswith(SLOW), behind)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
QUICK = [block for block in BLOCKS if not block.slow and not block.logs]
LONG = [block for block in BLOCKS if block.slow or block.logs]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with a small trace and what the pages say stands in files."""
    recipe = Recipe(seed=1, gpus=64, days=0.5, jobs_per_day=120, load=1.0)
    jsonl.write(generate(recipe, gpus_per_node=8), tmp_path / "day.jsonl")
    for page in PAGES:
        for language, body in FENCE.findall(page.read_text(encoding="utf-8")):
            if language == "toml" and body.startswith("# "):
                (tmp_path / body.splitlines()[0][2:]).write_text(body, encoding="utf-8")
    (tmp_path / ".figures").mkdir()
    return tmp_path


def run(script: str, folder: Path) -> str:
    """Run commands as a shell does, with our program first in the path."""
    lines = [line for line in script.splitlines() if not line.startswith("make ")]
    script = "\n".join(lines)
    if shutil.which("jq") is None:
        script = re.sub(r"\| jq [^\n|]*", "| cat", script)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    figures = str(folder / ".figures")
    done = subprocess.run(  # noqa: S603 - the pages are ours
        ["bash", "-c", PRELUDE + script],  # noqa: S607
        cwd=folder,
        env={**os.environ, "PATH": path, "FIGURES": figures},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", sorted({b.page for b in QUICK}), ids=lambda p: p.name)
def test_the_quick_commands_of_a_page_work(page: Path, folder: Path) -> None:
    for block in QUICK:
        if block.page == page:
            run(block.script, folder)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize(
    "block",
    [pytest.param(b, id=str(b), marks=pytest.mark.traces if b.logs else ()) for b in LONG],
)
def test_the_long_commands_of_a_page_work_and_its_tables_hold(block: Block, folder: Path) -> None:
    if block.logs and not TRACES.is_dir():
        pytest.skip(f"the real traces are not at {TRACES}")
    for log in block.logs:
        (folder / log).symlink_to(TRACES / log)
    run(block.script, folder)
    runs = list(runs_in(folder / ".figures"))
    rows = list(measured_rows(block))
    assert rows == [as_measured(row, runs) for row in rows]
    if "(median" in block.page.read_text(encoding="utf-8") and block.slow:
        assert_spread(block.page, runs)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_make_target_on_a_page_exists(block: Block) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in block.script.splitlines():
        if line.startswith("make "):
            assert line.split()[1] in targets


def test_the_readme_shows_what_the_comparison_shows(tmp_path: Path) -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ncompare:")[2].partition("\n\n")[0]
    commands = re.sub(r"\\\n\s*", "", recipe).replace("$(BIN)/", "").splitlines()
    (tmp_path / "demo").mkdir()
    (tmp_path / ".figures").mkdir()
    run("\n".join(c.strip() for c in commands if c.strip().startswith("noljima ")), tmp_path)
    runs = {run_["policy"]: run_ for run_ in runs_in(tmp_path / ".figures")}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    header, _, *rows = table(readme.partition("<!-- compare -->")[2])
    policies = [name.strip("`") for name in header[1:]]

    assert (tmp_path / "demo" / "report" / "index.html").is_file()
    assert policies == list(runs)
    for label, *cells in rows:
        figure = next(figure for figure in FIGURES if figure.label == label)
        assert cells == [written(figure, runs[p][figure.key]) for p in policies], label


# --- Tables ---

# header -> figure and format
COLUMNS: Mapping[str, tuple[str, str]] = {
    "mean wait": ("mean_wait_s", "{:,.0f}"),
    "95 % wait": ("p95_wait_s", "{:,.0f}"),
    "longest wait": ("max_wait_s", "{:,.0f}"),
    "mean slowdown": ("mean_bounded_slowdown", "{:,.1f}"),
    "late jobs": ("order_violations", "{:,}"),
    "largest lateness": ("max_lateness_s", "{:,.0f}"),
    "evictions": ("evictions", "{:,}"),
    "lost work": ("lost_work_share", "{:.1%}"),
}
SAVES = {"never": "never", "10 min": 600.0, "always": 0.0, "–": None}  # noqa: RUF001 - as on the page


def table(text: str) -> list[list[str]]:
    """Read the first table of a text, row by row."""
    lines = text.lstrip("\n").partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def measured_rows(block: Block) -> Iterator[dict[str, str]]:
    """Give the rows of the measured table that stands below these commands, if one does."""
    between, mark, rest = block.behind.partition(MEASURED)
    if not mark or "```" in between:
        return
    header, _, *rows = table(rest)
    for row in rows:
        yield dict(zip(header, row, strict=True))


def runs_in(folder: Path) -> Iterator[dict[str, Any]]:
    """Give every run that was simulated, with what it ran on."""
    for path in sorted(folder.iterdir()):
        told = json.loads(path.read_text(encoding="utf-8"))
        for figures in told["runs"]:
            yield {**figures, "trace": told["trace"]}


def as_measured(row: Mapping[str, str], runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the row as the runs have it."""
    (figures,) = [each for each in runs if is_meant(row, each)]
    found = {
        name: form.format(figures[key]).replace("%", " %")
        for name, (key, form) in COLUMNS.items()
        if name in row
    }
    return {**row, **found}


def is_meant(row: Mapping[str, str], figures: Mapping[str, Any]) -> bool:
    """Say whether a row speaks of a run."""
    trace = figures["trace"]
    return (
        row["policy"].strip("`") == figures["policy"]
        and trace["file"].startswith(row.get("log", ""))
        and row.get("tenant", "") in trace.get("filters", "")
        and ("saves every" not in row or trace.get("checkpoint_s") == SAVES[row["saves every"]])
    )


def assert_spread(page: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Compare what a page says of many seeds: lowest, largest and median ratio to `easy`."""
    text = " ".join(page.read_text(encoding="utf-8").split())
    easy = [each for each in runs if each["policy"] == "easy"]
    for policy in ("fair", "efficient"):
        number = r"([\d.]+)"
        between = rf"(?:is )?between {number} and {number} times[^(]*\(median {number}\)"
        said = re.search(rf"under `{policy}` {between}", text)
        assert said is not None
        ratios = [
            each["mean_wait_s"] / other["mean_wait_s"]
            for each, other in zip(
                (each for each in runs if each["policy"] == policy), easy, strict=True
            )
        ]
        found = (min(ratios), max(ratios), statistics.median(ratios))
        assert tuple(f"{ratio:.1f}" for ratio in found) == said.groups()
    late = [each["order_violations"] for each in easy]
    assert f"makes {min(late)} to {max(late)} jobs late" in text
