"""The pages for people: every command on them works with a real scheduler, every key is on them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path

import click
import pytest

from noljima import cli
from noljima.cli import asking
from noljima.cli.queue import STATES
from noljima.submission.keys import GROUP_KEYS, KEYS, Key

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS_MAX = 40


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def commands_of(page: str) -> list[str]:
    """Return the lines behind a prompt."""
    bodies = [body for language, body in FENCE.findall(text_of(page)) if language == "bash"]
    return [line[2:] for body in bodies for line in body.splitlines() if line.startswith("$ ")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with the files that stand on the pages."""
    for page in ("commands.md", "job-files.md"):
        for _, body in FENCE.findall(text_of(page)):
            if body.startswith("#!"):
                (tmp_path / "train.sh").write_text(body, encoding="utf-8")
            elif found := re.match(r"# (\w+\.(?:yaml|toml))\n", body):
                (tmp_path / found[1]).write_text(body, encoding="utf-8")
    return tmp_path


@pytest.fixture
def environment(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run a real scheduler with eight virtual GPUs, and say how it is found."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = {**os.environ, "PATH": path, "NOLJIMA_STATE": str(folder / "state")}
    command = [sys.executable, "-u", "-m", "noljima", "up", "--gpus", "8"]
    scheduler = subprocess.Popen(  # noqa: S603 - our own
        command, cwd=folder, env=found, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert scheduler.stdout is not None
    try:
        told = [*takewhile(lambda line: "ready at" not in line, scheduler.stdout)]
        assert scheduler.poll() is None, told
        yield found
        end = [sys.executable, "-m", "noljima", "down", "--stop-jobs"]
        subprocess.run(end, env=found, check=True, timeout=SECONDS_MAX)  # noqa: S603 - our own
        # Read on, so that it is not kept from ending by what nobody hears.
        scheduler.stdout.read()
        assert scheduler.wait(SECONDS_MAX) == 0
    finally:
        scheduler.kill()
        scheduler.wait()
        scheduler.stdout.close()


@pytest.mark.parametrize("page", ["commands.md", "job-files.md"])
def test_every_command_on_the_page_works_with_a_real_scheduler(
    page: str, folder: Path, environment: Mapping[str, str]
) -> None:
    commands = commands_of(page)
    for line in commands:
        done = subprocess.run(  # noqa: S603 - the pages are ours
            ["bash", "-c", f"set -euo pipefail; {line}"],  # noqa: S607
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert len(commands) >= 2


def row(key: Key) -> str:
    """Write the row of a key, as the page has it."""
    options = ", ".join(f"`{flag}`" for flag in (*key.flags, *([key.off] if key.off else [])))
    return f"| `{key.name}` | {options} | {key.kind} | {key.limit} | {key.words} |"


def test_the_page_has_the_table_of_keys_that_the_code_has() -> None:
    text = text_of("job-files.md")
    table = text.partition("<!-- keys -->\n")[2].partition("<!-- end -->")[0]
    head = ["| key | option | type | limits | what for |", "|---|---|---|---|---|"]

    assert table.splitlines() == [*head, *map(row, KEYS.values())]
    for key in GROUP_KEYS.values():
        assert f"| `{key.name}` | {key.kind} | {key.limit} | {key.words} |" in text


def test_every_key_has_its_option_but_what_only_a_file_can_say() -> None:
    submit = cli.main.get_command(click.Context(cli.main), "submit")
    assert submit is not None
    options = {parameter.name for parameter in submit.params}

    assert {key.name for key in KEYS.values()} - options == {"command", "groups"}


def test_the_page_has_every_exit_code_and_every_command() -> None:
    text = text_of("commands.md")
    codes = {asking.FAILED, asking.BAD, asking.UNKNOWN, asking.FORBIDDEN, asking.NOBODY}
    for code in codes | {asking.NOT_NOW, 0}:
        assert f"\n| {code} | " in text
    ours = {"asking", "queue", "why", "logs", "orders", "nodes", "gantt", "whatif", "top"}
    modules = {*ours, "submit", "doctor", "completion"}
    for name, (module, _) in cli.COMMANDS.items():
        if module in modules:
            assert f"noljima {name}" in text or f"`{name}`" in text, name


def test_the_filter_of_states_knows_every_state_that_has_not_ended() -> None:
    from noljima.model.lifecycle import TRANSITIONS, State  # noqa: PLC0415 - for this test only

    assert set(STATES) == {state.value for state in State if TRANSITIONS[state]}
