"""Somebody's code in a process of its own: without network, with limits, one line as its answer.

To know what a model costs its code has to run, and that code is not ours. It gets a fresh
interpreter with a bare environment, a network namespace with nothing in it where the kernel allows
one, limits on memory, processor time and file sizes that it cannot raise, and a deadline. What it
prints is thrown away; the answer is one line, read up to a cap and checked by the caller. This
keeps mistakes and hangs in; it is not a prison for hostile code, which can still read files.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

import msgspec

from noljima.model import bounds

GIB: Final = 1 << 30
ANSWER_BYTES_MAX: Final = 8 << 20
_WORDS_BYTES: Final = 4096
_TRIAL_S: Final = 10.0
# What goes beyond a limit on processor time, memory or file sizes ends by one of these.
_LIMIT_SIGNALS: Final = frozenset({signal.SIGXCPU, signal.SIGKILL, signal.SIGXFSZ})


class SandboxError(Exception):
    """The code in the sandbox gave no usable answer; says why in one sentence."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the code may take."""

    seconds: float = 120.0
    memory_bytes: int = 8 * GIB

    def __post_init__(self) -> None:
        """Refuse limits that allow nothing or everything."""
        bounds.seconds("timeout", self.seconds, low=1.0, high=86_400.0)
        bounds.whole("memory", self.memory_bytes, low=GIB // 4, high=1 << 50)


class Answer(msgspec.Struct, frozen=True):
    """The line, and how the network was kept away: `namespace`, or `guard` in the interpreter."""

    line: bytes
    network: str


def ask(script: Path, arguments: Sequence[str], limits: Limits) -> Answer:
    """Run a Python script of ours that runs somebody's code, and return the line it answers.

    The script gets the limits as its first two arguments, seconds and bytes, and keeps to them
    before it runs anything else.
    """
    bare = bare_network()
    prefix = [bare, "--user", "--map-root-user", "--net", "--"] if bare else []
    command = [*prefix, sys.executable, "-I", "-X", "utf8", str(script)]
    command += [f"{limits.seconds:.0f}", str(limits.memory_bytes), *arguments]
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as words,
    ):
        status = _run(command, limits.seconds, home, answer, words)
        if status != 0:
            raise SandboxError(_failure(status, _tail(words)))
        answer.seek(0)
        return Answer(
            _one_line(answer.read(ANSWER_BYTES_MAX + 1)), "namespace" if bare else "guard"
        )


def bare_network() -> str:
    """Return the program that makes an empty network namespace; nothing where that is refused."""
    program = shutil.which("unshare")
    if program is None:
        return ""
    trial = [program, "--user", "--map-root-user", "--net", "--", "true"]
    try:
        done = subprocess.run(trial, capture_output=True, timeout=_TRIAL_S, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return program if done.returncode == 0 else ""


def _run(
    command: Sequence[str], seconds: float, home: str, answer: IO[bytes], words: IO[bytes]
) -> int:
    """Run to the end or the deadline, and leave no process behind."""
    with subprocess.Popen(  # noqa: S603 - our own script; what it runs is limited
        command,
        stdin=subprocess.DEVNULL,
        stdout=answer,
        stderr=words,
        env=_bare_environment(home),
        start_new_session=True,
    ) as process:
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise SandboxError(f"did not end within {seconds:.0f} s") from None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole session: the code may have started processes of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _bare_environment(home: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }


def _tail(words: IO[bytes]) -> str:
    """Return the last line that the code wrote to standard error."""
    size = words.seek(0, os.SEEK_END)
    words.seek(max(0, size - _WORDS_BYTES))
    lines = words.read(_WORDS_BYTES).decode("utf-8", "replace").strip().splitlines()
    last = lines[-1] if lines else ""
    return "".join(character for character in last if character.isprintable())[: bounds.TEXT_MAX]


def _failure(status: int, words: str) -> str:
    told = f": {words}" if words else ""
    if status < 0 or status > 128:
        number = -status if status < 0 else status - 128
        known = {each.value: each for each in signal.Signals}
        name = known[number].name if number in known else f"signal {number}"
        limit = " (one of its limits)" if number in _LIMIT_SIGNALS else ""
        return f"was ended by {name}{limit}{told}"
    return f"ended with exit code {status}{told}"


def _one_line(raw: bytes) -> bytes:
    """Return the answer, or refuse what is not exactly one line of bounded size."""
    if len(raw) > ANSWER_BYTES_MAX:
        raise SandboxError(f"answered with more than {ANSWER_BYTES_MAX:,} bytes")
    if not raw.endswith(b"\n") or raw.count(b"\n") != 1:
        lines = raw.count(b"\n")
        raise SandboxError(f"answered with {lines} whole lines instead of one")
    return raw
