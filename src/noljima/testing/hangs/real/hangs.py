"""What jobs do that hang: none of these ever returns."""

from __future__ import annotations

import fcntl
import math
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Final

from noljima.testing.hangs.real.training import FOR_EVER_S, Part, Training, compute, say

_CIRCLE_STEPS: Final = 8
_HEARTBEAT_S: Final = 2.0


def _frozen(training: Training) -> None:
    training.fall_silent()
    os.kill(os.getpid(), signal.SIGSTOP)


def _asleep(training: Training) -> None:
    training.fall_silent()
    time.sleep(FOR_EVER_S)


def _blocked(training: Training) -> None:
    training.fall_silent()
    threading.Thread(target=_heartbeats, daemon=True).start()
    source, _sink = os.pipe()
    os.read(source, 1)


def _heartbeats() -> None:
    while True:
        say("still waiting for the next batch")
        time.sleep(_HEARTBEAT_S)


def _other_barrier(training: Training) -> None:
    training.fall_silent()
    if training.rank == training.gang.size - 1:
        training.gang.wait_for_first()
    training.gang.meet(training.step)


def _locked_threads(training: Training) -> None:
    training.fall_silent()
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _locked_files(training: Training) -> None:
    training.fall_silent()
    mine, theirs = training.rank, 1 - training.rank
    with Path(f"lock-{mine}").open("w") as held, Path(f"lock-{theirs}").open("w") as wanted:
        fcntl.flock(held, fcntl.LOCK_EX)
        training.gang.meet(training.step)
        fcntl.flock(wanted, fcntl.LOCK_EX)


def _one_stopped_others_wait(training: Training) -> None:
    training.fall_silent()
    if training.rank == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    training.gang.meet(training.step)


def _one_stopped_others_spin(training: Training) -> None:
    training.fall_silent()
    if training.rank == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    compute(FOR_EVER_S)


def _one_gone(training: Training) -> None:
    training.fall_silent()
    if training.rank == 1:
        return
    time.sleep(FOR_EVER_S)


def _one_asleep_others_spin(training: Training) -> None:
    training.fall_silent()
    if training.rank == 1:
        time.sleep(FOR_EVER_S)
    compute(FOR_EVER_S)


def _collective(training: Training) -> None:
    training.fall_silent()
    if training.rank == 1:
        say("[Rank 1] Watchdog caught collective operation timeout: ALLREDUCE ran for 600000 ms")
    time.sleep(FOR_EVER_S)


def _cuda(training: Training) -> None:
    training.fall_silent()
    say("RuntimeError: CUDA error: an illegal memory access was encountered")
    compute(FOR_EVER_S)


def _data_worker(training: Training) -> None:
    training.fall_silent()
    source, sink = os.pipe()
    worker = subprocess.Popen(["/bin/sleep", "1000"], pass_fds=[sink])
    worker.kill()
    os.read(source, 1)


def _endless(training: Training) -> None:
    training.fall_silent()
    compute(FOR_EVER_S)


def _restless(training: Training) -> None:
    training.fall_silent()
    threading.Thread(target=compute, args=(FOR_EVER_S,), daemon=True).start()
    time.sleep(FOR_EVER_S)


def _nan(training: Training) -> None:
    training.fall_silent()
    training.loss = math.nan
    while True:
        training.go_on(1)


def _circles(training: Training) -> None:
    training.fall_silent()
    while True:
        training.go_on(_CIRCLE_STEPS)
        training.step -= _CIRCLE_STEPS


def _before_first_step(training: Training) -> None:
    for name in ("reading the model", "reading the data", "waiting for the others"):
        say(name)
        time.sleep(6.0)
    training.fall_silent()
    time.sleep(FOR_EVER_S)


def _without_reports(training: Training) -> None:
    for line in range(16):
        say(f"iteration {line}")
        time.sleep(1.0)
    training.fall_silent()
    time.sleep(FOR_EVER_S)


HANGS: Final = {
    "frozen process": Part(_frozen, "it is stopped by a signal", rung="end"),
    "silent sleep": Part(_asleep, "it sleeps", rung="end"),
    "blocked reader": Part(
        _blocked,
        "it reads a pipe that nobody writes to, and a thread of its own writes lines into the log",
        rung="end",
    ),
    "deadlocked barrier": Part(
        _other_barrier,
        "two workers wait at one barrier, the third at another",
        workers=3,
        rung="end",
    ),
    "deadlocked threads": Part(
        _locked_threads, "a thread waits for a lock that it holds itself", rung="end"
    ),
    "deadlocked files": Part(
        _locked_files,
        "each of two workers holds the file that the other one waits for",
        workers=2,
        rung="end",
    ),
    "one rank stopped": Part(
        _one_stopped_others_wait,
        "one of three workers is stopped by a signal, the others wait for it",
        workers=3,
        rung="end",
    ),
    "one rank stopped, others spin": Part(
        _one_stopped_others_spin,
        "one of three workers is stopped by a signal, the others use CPU to wait",
        workers=3,
        rung="end",
    ),
    "one rank gone": Part(
        _one_gone,
        "one of three workers has ended well, the others wait for it",
        workers=3,
        rung="end",
    ),
    "collective error": Part(
        _collective,
        "one of two workers tells of an error of its collectives, and both wait",
        workers=2,
        rung="end",
    ),
    "CUDA error": Part(_cuda, "it tells of a CUDA error, and goes on using CPU", rung="end"),
    "data worker killed": Part(
        _data_worker, "its data worker is killed, and it waits for the next batch", rung="end"
    ),
    "before the first step": Part(
        _before_first_step,
        "it writes into its log, and hangs before its first step",
        rung="stalled",
        warm=False,
    ),
    "without reports": Part(
        _without_reports,
        "it never reports steps, writes into its log, and then no more",
        rung="stalled",
        warm=False,
    ),
    "one rank asleep, others spin": Part(
        _one_asleep_others_spin,
        "one of three workers sleeps, the others use CPU to wait",
        workers=3,
        rung="suspect",
    ),
    "endless loop": Part(_endless, "it computes, and nothing comes of it", rung="suspect"),
    "restless sleep": Part(
        _restless, "it sleeps, and a helper thread uses 8 % of a core", rung="suspect"
    ),
    "NaN loop": Part(_nan, "its steps go on with a loss that is not a number", rung="suspect"),
    "steps in circles": Part(
        _circles, "it is thrown back to the same step again and again", rung="suspect"
    ),
}
"""All kinds of hang, and how high health gets with each: an `end` is carried out."""
