"""What `noljima doctor` looks at, each thing by itself: one that fails hides no other."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from noljima import __version__
from noljima.control.client import Client, ControlError
from noljima.control.messages import VERSION, Hello, Welcome
from noljima.control.place import SOCKET

OK: Final = "ok"
NOTE: Final = "note"
BROKEN: Final = "broken"
_DISK_LEAST: Final = 1 << 30
_CLOCK_APART_S: Final = 5.0
_YEAR_2024_S: Final = 1_704_067_200.0
_PIDFD: Final = (5, 3)
"""The Linux that has what the driver watches processes with."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one thing, and what to do about it."""

    what: str
    mark: str
    words: str
    advice: str = ""


def all_of(state: Path) -> Iterator[Finding]:
    """Look at everything."""
    checks: list[tuple[str, Callable[[Path], Finding]]] = [
        ("versions", _versions),
        ("kernel", _kernel),
        ("state folder", _folder),
        ("disk", _disk),
        ("socket", _socket),
        ("scheduler", _scheduler),
        ("control groups", _groups),
        ("GPUs", _gpus),
        ("clock", _clock),
    ]
    for what, check in checks:
        try:
            yield check(state)
        except OSError as error:
            words = f"{error.filename or state}: {error.strerror or error}"
            yield Finding(what=what, mark=BROKEN, words=words, advice="see to its rights")


def _versions(_: Path) -> Finding:
    python = platform.python_version()
    words = f"noljima {__version__}, Python {python}, msgspec {msgspec.__version__}"
    return Finding(what="versions", mark=OK, words=words)


def _kernel(_: Path) -> Finding:
    release = platform.release()
    words = f"{platform.system()} {release}"
    if not sys.platform.startswith("linux"):
        advice = "`noljima up` needs Linux; simulations run everywhere"
        return Finding(what="kernel", mark=NOTE, words=words, advice=advice)
    numbers = release.split("-")[0].split(".")[:2]
    version = tuple(int(part) if part.isdigit() else 0 for part in numbers)
    if version < _PIDFD:
        advice = "jobs are watched best with Linux 5.3 or newer"
        return Finding(what="kernel", mark=NOTE, words=words, advice=advice)
    return Finding(what="kernel", mark=OK, words=words)


def _folder(state: Path) -> Finding:
    if not state.exists():
        above = _existing(state)
        if not os.access(above, os.W_OK | os.X_OK):
            words = f"{state} is not there, and {above} cannot be written to"
            advice = "choose another folder with --state, or ask for rights"
            return Finding(what="state folder", mark=BROKEN, words=words, advice=advice)
        words = f"{state} is not there yet"
        return Finding(what="state folder", mark=NOTE, words=words, advice="`noljima up` makes it")
    about = state.stat()
    if not stat.S_ISDIR(about.st_mode):
        advice = "move it away"
        words = f"{state} is no folder"
        return Finding(what="state folder", mark=BROKEN, words=words, advice=advice)
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        advice = f"`chmod go-w {state}`"
        words = f"{state} can be written to by others"
        return Finding(what="state folder", mark=BROKEN, words=words, advice=advice)
    there = "holds a state" if (state / "noljima.db").exists() else "is empty so far"
    return Finding(what="state folder", mark=OK, words=f"{state} {there}")


def _disk(state: Path) -> Finding:
    free = shutil.disk_usage(_existing(state)).free
    words = f"{free / (1 << 30):.1f} GiB are free at {_existing(state)}"
    if free < _DISK_LEAST:
        advice = "make room: without it jobs are not accepted"
        return Finding(what="disk", mark=NOTE, words=words, advice=advice)
    return Finding(what="disk", mark=OK, words=words)


def _socket(state: Path) -> Finding:
    path = state / SOCKET
    if not path.exists():
        words = f"{path} is not there"
        return Finding(what="socket", mark=NOTE, words=words)
    if not stat.S_ISSOCK(path.stat().st_mode):
        words = f"{path} is no socket"
        return Finding(what="socket", mark=BROKEN, words=words, advice="move it away")
    return Finding(what="socket", mark=OK, words=str(path))


def _scheduler(state: Path) -> Finding:
    try:
        found = Client(state / SOCKET, answer_s=5.0).ask(Hello())
    except ControlError as error:
        there = (state / SOCKET).exists()
        return Finding(what="scheduler", mark=BROKEN if there else NOTE, words=str(error))
    assert isinstance(found, Welcome)
    words = f"pid {found.pid} on {found.node}, policy {found.policy}, noljima {found.noljima}"
    role = "an operator" if found.operator else "a user"
    words = f"{words}; you are {found.user}, {role}"
    if found.version != VERSION or found.noljima != __version__:
        advice = "restart it with this version: its jobs go on"
        return Finding(what="scheduler", mark=NOTE, words=words, advice=advice)
    apart_s = abs(found.now_s - time.time())  # noqa: TID251 - clocks are what is looked at
    if apart_s > _CLOCK_APART_S:
        words = f"{words}; its clock is {apart_s:.0f} s from this one"
        return Finding(what="scheduler", mark=NOTE, words=words, advice="see to the clock")
    if found.warnings:
        return Finding(what="scheduler", mark=NOTE, words=words, advice="; ".join(found.warnings))
    return Finding(what="scheduler", mark=OK, words=words)


def _groups(_: Path) -> Finding:
    """Probe as a scheduler would, under a name of our own, and leave nothing behind."""
    from noljima.drivers.local import cgroups  # noqa: PLC0415 - only to look

    found = cgroups.probe(f"noljima-doctor-{os.getpid()}")
    found.close()
    if found.kind == "none":
        advice = "jobs run all the same; run it as a systemd service with Delegate=yes for limits"
        return Finding(what="control groups", mark=NOTE, words=found.words, advice=advice)
    return Finding(what="control groups", mark=OK, words=found.words)


def _gpus(_: Path) -> Finding:
    from noljima.drivers.local import nvml  # noqa: PLC0415 - NVML is loaded only where it is used

    try:
        found = nvml.find().found()
    except nvml.NoGpusError as error:
        advice = "install NVIDIA's driver, or try virtual ones: `noljima up --gpus 8`"
        return Finding(what="GPUs", mark=NOTE, words=str(error), advice=advice)
    names = ", ".join(sorted({gpu.model for gpu in found}))
    return Finding(what="GPUs", mark=OK if found else NOTE, words=f"{len(found)}: {names}")


def _clock(_: Path) -> Finding:
    now_s = time.time()  # noqa: TID251 - clocks are what is looked at
    words = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now_s))
    if now_s < _YEAR_2024_S:
        advice = "set the clock: every promise is a clock time"
        return Finding(what="clock", mark=BROKEN, words=words, advice=advice)
    return Finding(what="clock", mark=OK, words=words)


def _existing(path: Path) -> Path:
    """Return the nearest folder above that is there."""
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))
