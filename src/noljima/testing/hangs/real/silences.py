"""What jobs do that are only silent: all of them go on, and end well if they are let."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from noljima.demo.work import Saved
from noljima.progress import report
from noljima.testing.hangs.real.training import (
    Part,
    Training,
    compute,
    compute_in_child,
    mark_file,
    read_batch,
    say,
)

SILENT_S: Final = 100.0
"""Who shows no life may be silent for 60 s, and is ended after 85 s and a look."""
BUSY_S: Final = 78.0
"""For those that compute or move bytes: over 60 s, and under the 90 s that they are allowed."""
SHORT_S: Final = 72.0
"""Over 60 s, and under what an end takes."""
_PIECE: Final = bytes(1 << 14)
AFTER_STEPS: Final = 6
"""Who has gone on steps so often before it ends."""
_SUSPENDED_STEPS: Final = 45


def _compile(training: Training) -> None:
    training.fall_silent()
    compute_in_child(BUSY_S).wait()


def _first_compile(training: Training) -> None:
    say("compiling the model")
    training.fall_silent()
    compute_in_child(BUSY_S).wait()


def _checkpoint(training: Training) -> None:
    training.fall_silent()
    if training.rank == 0:
        _write(BUSY_S)
    training.gang.meet(training.step)


def _write(seconds: float) -> None:
    until_s = time.monotonic() + seconds
    with Path("checkpoint").open("wb", buffering=0) as file:
        while time.monotonic() < until_s:
            file.write(_PIECE)
            os.fsync(file.fileno())
            time.sleep(0.5)


def _slow_epoch(training: Training) -> None:
    training.fall_silent()
    compute(BUSY_S)


def _evaluation(training: Training) -> None:
    training.fall_silent()
    until_s = time.monotonic() + BUSY_S
    while time.monotonic() < until_s:
        read_batch()
        time.sleep(0.5)


def _declared_evaluation(training: Training) -> None:
    _declare(training, "evaluate")


def _declared_wait(training: Training) -> None:
    _declare(training, "waiting for data")


def _declare(training: Training, phase: str) -> None:
    report(training.step, phase=phase)
    training.fall_silent()
    time.sleep(SILENT_S)


def _download(training: Training) -> None:
    training.fall_silent()
    here, there = socket.socketpair()
    sender = os.fork()
    if not sender:
        _send(there, BUSY_S)
    there.close()
    with Path(f"download-{training.name.replace(' ', '-')}").open("wb", buffering=0) as file:
        while piece := here.recv(len(_PIECE)):
            file.write(piece)
    os.waitpid(sender, 0)


def _send(sink: socket.socket, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        sink.sendall(_PIECE)
        time.sleep(0.5)
    os._exit(0)


def _one_downloads(training: Training) -> None:
    training.fall_silent()
    if training.rank == 0:
        _download(training)
    training.gang.meet(training.step)


def _preparation(training: Training) -> None:
    training.fall_silent()
    workers = [compute_in_child(BUSY_S) for _ in range(2)]
    for worker in workers:
        worker.wait()


def _allowed(training: Training) -> None:
    training.fall_silent()
    time.sleep(SILENT_S)


def _server(training: Training) -> None:
    say("serving")
    time.sleep(10.0)
    training.fall_silent()
    time.sleep(SILENT_S)


def _storage(training: Training) -> None:
    training.fall_silent()
    gate = Path("storage")
    os.mkfifo(gate)
    opener = subprocess.Popen(["/bin/sh", "-c", f"sleep {SILENT_S}; : > {gate}"])  # noqa: S603
    # Who spawns a process waits in the kernel until that has opened its files.
    actions = [(os.POSIX_SPAWN_OPEN, 0, str(gate), os.O_RDONLY, 0)]
    os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ, file_actions=actions), 0)
    opener.wait()


def _habit(training: Training) -> None:
    time.sleep(40.0)
    training.go_on(AFTER_STEPS)
    training.fall_silent()
    time.sleep(SILENT_S)


def _short_sleep(training: Training) -> None:
    training.fall_silent()
    time.sleep(SHORT_S)


def _memory(training: Training) -> None:
    training.fall_silent()
    say("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
    compute_in_child(BUSY_S).wait()


def _stack_trace(training: Training) -> None:
    training.fall_silent()
    try:
        Path("no-such-file").read_bytes()
    except OSError:
        traceback.print_exc()
    compute(BUSY_S)


def _started_anew(training: Training) -> None:
    training.fall_silent()
    say("NCCL error: unhandled system error; the workers are started again")
    compute_in_child(BUSY_S).wait()


def _suspended(training: Training) -> None:
    saved = Saved()
    training.step = saved.step()
    if training.step and not mark_file(Path.cwd(), training.name, "back").exists():
        training.come_back()
    while training.step < _SUSPENDED_STEPS:
        training.go_on(1)
        if saved.wanted:
            saved.save(training.step)
            training.fall_silent()
            sys.exit(0)


SILENCES: Final = {
    "compile": Part(_compile, "a compiler of its own computes"),
    "first compile": Part(_first_compile, "the same, before its first step", warm=False),
    "long checkpoint": Part(
        _checkpoint, "one of two workers writes to the disk, the other waits", workers=2
    ),
    "slow epoch": Part(_slow_epoch, "one step takes as long as eighty others"),
    "evaluation": Part(_evaluation, "it reads its data once more, and says nothing of it"),
    "declared evaluation": Part(_declared_evaluation, "it says that it evaluates, and sleeps"),
    "download": Part(_download, "bytes come in at 32 kB/s, and go to the disk"),
    "one rank downloads": Part(
        _one_downloads, "one of three workers downloads, the others wait", workers=3
    ),
    "data preparation": Part(_preparation, "two data workers compute, and it waits for them"),
    "suspended by the scheduler": Part(
        _suspended,
        "it is evicted, waits in the line, and goes on from what it has saved",
        warm=False,
    ),
    "declared wait": Part(_declared_wait, "it says that it is `waiting for data`, and sleeps"),
    "silence allowed": Part(_allowed, "it sleeps, and its owner allows five minutes of silence"),
    "server without requests": Part(
        _server, "it waits for requests, and its owner has opted out", warm=False
    ),
    "storage that stalls": Part(
        _storage, "it waits in the kernel, in state D, for a file that does not open"
    ),
    "a habit of sleeping": Part(_habit, "it sleeps for 40 s, and then for more than twice as long"),
    "short sleep": Part(
        _short_sleep, "it sleeps for 72 s without a word, and goes on within the grace"
    ),
    "out of memory, dealt with": Part(
        _memory, "it tells of GPU memory that ran out, and compiles anew"
    ),
    "stack trace, dealt with": Part(
        _stack_trace, "it prints a stack trace that it deals with, and prepares data"
    ),
    "workers started anew": Part(
        _started_anew, "it tells of an error of its collectives, and compiles anew"
    ),
}
"""All kinds of silence for a good reason."""
