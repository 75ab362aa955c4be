"""A small generated trace, and the commands called as from a shell."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from noljima import cli
from noljima.control.messages import Question
from noljima.testing.desk import Desk, Script
from noljima.workload import jsonl
from noljima.workload.generator import Recipe, generate

Run = Callable[..., Result]
OpenDesk = Callable[[Mapping[type[Question], Script]], Desk]
Figures = Callable[..., dict[str, Any]]

RECIPE = Recipe(
    seed=3, days=0.5, gpus=16, load=1.3, jobs_per_day=160, mix={1: 5, 2: 2, 4: 1, 8: 2}, users=6
)


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write some dozens of jobs for 16 GPUs, more than these can do at once."""
    path = tmp_path_factory.mktemp("traces") / "day.jsonl"
    jsonl.write(generate(RECIPE, gpus_per_node=8), path)
    return path


@pytest.fixture
def noljima() -> Run:
    """Call a command in this process."""

    def run(*arguments: object, **environment: str) -> Result:
        runner = CliRunner(env=environment)
        return runner.invoke(cli.main, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def simulated(noljima: Run, day: Path) -> Figures:
    """Simulate the day on two nodes of 8 GPUs, and return what `--json -` says."""

    def run(*options: object, trace: Path = day, size: tuple[object, ...] = ("--nodes", 2)) -> Any:  # noqa: ANN401 - JSON
        result = noljima("simulate", trace, *size, *options, "--json", "-")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenDesk]:
    """Open a scheduler that answers as scripted, and that commands find; clocks are in UTC."""
    monkeypatch.setenv("NOLJIMA_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(Desk(tmp_path / "state", script))
    monkeypatch.undo()
    time.tzset()
