"""The program as a whole: its help, its versions, what it loads and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import Result

from noljima import __version__, cli
from noljima.cli.endings import interruptible

Run = Callable[..., Result]

HEAVY = {"numpy", "rich", "asyncio", "noljima.engine", "noljima.workload"}


def loaded_by(*arguments: str) -> set[str]:
    """Run a command in a new interpreter, and say which heavy modules it has loaded."""
    script = (
        "import sys\n"
        "from noljima import cli\n"
        "try:\n    cli.main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print('loaded:', *sys.modules)\n"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("simulate", "--help"), ("policies",)]
)
def test_what_only_tells_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not loaded_by(*arguments) & HEAVY


def test_the_overview_names_every_command(noljima: Run) -> None:
    result = noljima("--help")

    assert result.exit_code == 0
    for name in cli.COMMANDS:
        assert f"\n  {name} " in result.stdout


def test_without_a_command_the_overview_is_shown(noljima: Run) -> None:
    assert noljima().stdout == noljima("--help").stdout
    assert noljima().exit_code == 0


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_its_help(noljima: Run, command: str) -> None:
    result = noljima(command, "-h")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Usage: ")


def test_the_version_is_told(noljima: Run) -> None:
    assert noljima("--version").stdout == f"noljima, version {__version__}\n"


def test_the_package_can_be_run_as_a_module() -> None:
    command = [sys.executable, "-m", "noljima", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own

    assert __version__ in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("frobnicate",), "No such command 'frobnicate'"),
        (("--frobnicate",), "No such option"),
        (("simulate", "--frobnicate"), "simulate: No such option"),
        (("simulate",), "simulate: Missing argument 'TRACE' (see noljima simulate --help)"),
        (("replay", "--until"), "requires an argument"),
    ],
)
def test_a_command_line_that_cannot_be_is_told_in_one_line(
    noljima: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = noljima(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.startswith("noljima: ")
    assert result.stderr.count("\n") == 1


def test_nobody_reading_on_is_no_error_to_tell_of() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "noljima", "policies"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)  # noqa: S603 - our own
    os.close(writing)

    assert done.stderr == b""
    assert done.returncode != 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_program_says_so_in_one_line(
    capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as ended, interruptible():
            signal.raise_signal(number)
        after = signal.getsignal(number)
    finally:
        signal.signal(number, before)

    assert ended.value.code == code
    assert capsys.readouterr().err == "noljima: interrupted\n"
    assert after is signal.SIG_DFL


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_every_option_of_every_command_says_what_it_is_for() -> None:
    for name in cli.COMMANDS:
        command = cli.main.get_command(click.Context(cli.main), name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"
