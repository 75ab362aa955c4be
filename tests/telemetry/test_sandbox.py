"""Code that hangs, crashes, prints, answers nonsense or wants the network, in the sandbox."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.telemetry import sandbox
from noljima.telemetry.sandbox import GIB, Limits, SandboxError

# What the scripts of this project do first, in short.
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20,) * 2)
"""


def ask(folder: Path, code: str, seconds: float = 20.0, memory: int = GIB) -> bytes:
    script = folder / "script.py"
    script.write_text(LIMITED + code)
    return sandbox.ask(script, ["more"], Limits(seconds=seconds, memory_bytes=memory)).line


def test_a_script_gets_its_limits_and_its_arguments_and_answers_a_line(tmp_path: Path) -> None:
    assert ask(tmp_path, "print(sys.argv[1:])") == b"['20', '1073741824', 'more']\n"


def test_the_environment_is_bare_and_hides_the_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "1")
    code = "import os; print(sorted(os.environ), repr(os.environ['CUDA_VISIBLE_DEVICES']))"
    line = ask(tmp_path, code)

    assert b"A_SECRET" not in line
    assert line.endswith(b"''\n")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "answered with 0 whole lines instead of one"),
        ("print('one'); print('two')", "answered with 2 whole lines"),
        ("sys.stdout.write('no end')", "answered with 0 whole lines"),
        ("raise ValueError('deep inside')", "exit code 1: ValueError: deep inside"),
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
        ("import os; os.abort()", "was ended by SIGABRT"),
        ("while True: print('x' * 4096)", "exit code|SIGXFSZ"),
        ("held = bytearray(1 << 31)", "exit code 1: MemoryError"),
    ],
)
def test_what_is_no_answer_is_told_in_one_sentence(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(SandboxError, match=words):
        ask(tmp_path, code)


def test_what_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    code = f"""
import os, time
if os.fork() == 0:
    while True:
        open({str(mark)!r}, 'a').close()
        os.utime({str(mark)!r})
        time.sleep(0.05)
time.sleep(60)
"""
    with pytest.raises(SandboxError, match="did not end within 1 s"):
        ask(tmp_path, code, seconds=1.0)
    last = mark.stat().st_mtime_ns

    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        assert mark.stat().st_mtime_ns == last


def test_an_empty_network_namespace_has_no_way_out(tmp_path: Path) -> None:
    if not sandbox.bare_network():
        pytest.skip("this kernel lets nobody make a network namespace: the guard is all there is")
    code = """
import socket
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError as error:
    print(error.errno)
"""
    # Not even the loopback is up: "network is unreachable".
    assert ask(tmp_path, code) in (b"101\n", b"99\n")


def test_where_no_namespace_is_allowed_the_script_runs_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    script = tmp_path / "script.py"
    script.write_text("print(1)")

    assert sandbox.ask(script, [], Limits()).network == "guard"


@pytest.mark.parametrize("fields", [{"seconds": 0.0}, {"seconds": 1e9}, {"memory_bytes": 1}])
def test_limits_that_allow_nothing_or_everything_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(InvalidFieldError):
        Limits(**fields)  # type: ignore[arg-type]  # an int where it is one
