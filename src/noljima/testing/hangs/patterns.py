"""How jobs get stuck, and how they are silent for good reasons: each drawn from a seed.

Numbers are drawn from ranges that real jobs show, not from the thresholds of the monitor: among the
stuck ones are some that it cannot find, and the harmless ones come as close to stuck as they do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import numpy as np

from noljima.health.facts import Pause, Trouble
from noljima.testing.hangs import modes
from noljima.testing.hangs.modes import Mode
from noljima.testing.hangs.script import Script, Stretch

Random = np.random.Generator
Making = Callable[[Random, Script], Script]

MINUTE: Final = 60.0
HOUR: Final = 3600.0
STUCK_S: Final = 4 * HOUR
"""How long a stuck job is watched."""


def drawn(name: str, seed: int) -> Script:
    """Draw one life of a pattern."""
    number = (*STUCK, *HARMLESS).index(name)
    random = np.random.Generator(np.random.PCG64([seed, number]))
    making = {**STUCK, **HARMLESS}[name]
    return making(random, _anybody(random, name))


def _anybody(random: Random, name: str) -> Script:
    """Draw a job and its machine, before it is said what becomes of it."""
    never = []
    # No cgroup counts network bytes; few drivers tell the rest of these for every GPU.
    for metric, share in _NEVER.items():
        if random.random() < share:
            never.append(metric)
    return Script(
        name=name,
        stretches=(),
        workers=int(random.choice([1, 1, 1, 2, 4, 8])),
        gpus=bool(random.random() < 0.85),
        checkpoint=bool(random.random() < 0.7),
        tick_s=float(random.choice([5.0, 10.0, 10.0, 30.0])),
        idle_w=float(random.uniform(25.0, 120.0)),
        working_w=float(random.uniform(90.0, 580.0)),
        never=tuple(never),
        lost_share=float(random.choice([0.0, 0.0, 0.01, 0.1])),
        scale=float(10 ** random.uniform(-1.0, 0.7)),
        seed=int(random.integers(2**31)),
    )


_NEVER: Final = {
    "network_bytes": 0.6,
    "gpu_sm_activity": 0.5,
    "nvlink_bytes": 0.4,
    "pcie_bytes": 0.15,
    "gpu_w": 0.05,
    "running": 0.2,
    "read_bytes": 0.1,
    "cpu_s": 0.03,
}


def _train(random: Random, low: float = 20.0, high: float = 90.0) -> Stretch:
    """Draw some minutes of usual work."""
    mode = modes.LIGHT if random.random() < 0.15 else modes.TRAIN
    step_s = float(10 ** random.uniform(-1.0, 1.3))
    seconds = float(random.uniform(low, high)) * MINUTE
    return Stretch(seconds=seconds, modes=(mode,), step_s=step_s)


def _between(random: Random, low_min: float, high_min: float) -> float:
    return float(random.uniform(low_min, high_min)) * MINUTE


def _life(script: Script, *stretches: Stretch, **changes: object) -> Script:
    return msgspec.structs.replace(script, stretches=stretches, **changes)


def _stuck(*each: Mode, trouble: Trouble | None = None) -> Stretch:
    return Stretch(seconds=STUCK_S, modes=each, stuck=True, trouble=trouble)


def _all_stuck(mode: Mode, trouble: Trouble | None = None) -> Making:
    def made(random: Random, script: Script) -> Script:
        return _life(script, _train(random), _stuck(mode, trouble=trouble))

    return made


def _gang_stuck(first: Mode, others: Mode) -> Making:
    def made(random: Random, script: Script) -> Script:
        workers = int(random.choice([2, 4, 8]))
        return _life(script, _train(random), _stuck(first, others), workers=workers)

    return made


# --- Stuck ---


def _deadlocked_collective(random: Random, script: Script) -> Script:
    spin = msgspec.structs.replace(modes.SPIN, power=float(random.uniform(0.05, 0.3)))
    return _life(script, _train(random), _stuck(spin), gpus=True)


def _nan_loop(random: Random, script: Script) -> Script:
    train = _train(random)
    lost = Stretch(
        seconds=STUCK_S, modes=train.modes, step_s=train.step_s, stuck=True, loss=math.nan
    )
    return _life(script, train, lost)


def _circles(random: Random, script: Script) -> Script:
    """Start again from the same checkpoint inside the same attempt, again and again."""
    train = _train(random)
    back = int(random.uniform(200, 600) / train.step_s) + 2
    round_ = Stretch(
        seconds=back * train.step_s,
        modes=train.modes,
        step_s=train.step_s,
        stuck=True,
        back_steps=back,
        trouble=Trouble.TRACEBACK if random.random() < 0.5 else None,
    )
    return _life(script, train, *(round_ for _ in range(12)))


def _before_the_first_step(random: Random, script: Script) -> Script:
    begins = Stretch(seconds=_between(random, 2, 15), modes=(modes.COMPILE,))
    trouble = Trouble.NCCL if random.random() < 0.4 else None
    return _life(script, begins, _stuck(modes.SLEEP, trouble=trouble))


def _without_reports(random: Random, script: Script) -> Script:
    return _life(script, _train(random), _stuck(modes.SLEEP), reports=False)


def _endless_loop(random: Random, script: Script) -> Script:
    return _life(script, _train(random), _stuck(modes.CPU_ONLY), gpus=False)


def _restless_sleep(random: Random, script: Script) -> Script:
    """Sleep with helper threads that use more than helper threads should."""
    mode = msgspec.structs.replace(modes.SLEEP, cores=float(10 ** random.uniform(-2.2, -1.0)))
    return _life(script, _train(random), _stuck(mode))


STUCK: Final[Mapping[str, Making]] = {
    "frozen process": _all_stuck(modes.FROZEN),
    "silent sleep": _all_stuck(modes.SLEEP),
    "blocked reader": _all_stuck(modes.CHATTER),
    "deadlocked barrier": _gang_stuck(modes.SLEEP, modes.SLEEP),
    "deadlocked collective": _deadlocked_collective,
    "one rank stopped": _gang_stuck(modes.FROZEN, modes.SPIN),
    "one rank asleep": _gang_stuck(modes.SLEEP, modes.SPIN),
    "one rank gone": _gang_stuck(modes.GONE, modes.SPIN),
    "collective error": _all_stuck(modes.SPIN, Trouble.NCCL),
    "CUDA error": _all_stuck(modes.CPU_ONLY, Trouble.CUDA),
    "data worker killed": _all_stuck(modes.SLEEP, Trouble.MEMORY_KILL),
    "NaN loop": _nan_loop,
    "steps in circles": _circles,
    "endless loop": _endless_loop,
    "restless sleep": _restless_sleep,
    "before the first step": _before_the_first_step,
    "without reports": _without_reports,
}


# --- Harmless ---


def _silent(
    low_min: float, high_min: float, *each: Mode, trouble: Trouble | None = None, phase: str = ""
) -> Making:
    """Make a job that works, does something else for a while, and works again."""

    def made(random: Random, script: Script) -> Script:
        train = _train(random)
        silent = Stretch(
            seconds=_between(random, low_min, high_min),
            modes=each,
            trouble=trouble,
            phase=phase or "train",
        )
        return _life(script, train, silent, train, silent, train)

    return made


def _paused(why: Pause, low_min: float, high_min: float) -> Making:
    def made(random: Random, script: Script) -> Script:
        train = _train(random)
        mode = modes.FROZEN if why is Pause.SUSPENDED else modes.SAVE
        paused = Stretch(seconds=_between(random, low_min, high_min), modes=(mode,), pause=why)
        return _life(script, train, paused, train)

    return made


def _compile(random: Random, script: Script) -> Script:
    begins = Stretch(seconds=_between(random, 5, 50), modes=(modes.COMPILE,))
    again = Stretch(seconds=_between(random, 5, 40), modes=(modes.COMPILE,))
    train = _train(random)
    return _life(script, begins, _train(random, 1, 3), again, train)


def _warm_up(random: Random, script: Script) -> Script:
    """Wait for a licence, a lock or a shared cache before the first step."""
    waits = Stretch(seconds=_between(random, 5, 90), modes=(modes.SLEEP,))
    return _life(script, waits, _train(random))


def _checkpoint(random: Random, script: Script) -> Script:
    """Save in the first worker, while the others wait at the barrier."""
    train = _train(random)
    save = Stretch(seconds=_between(random, 5, 50), modes=(modes.SAVE, modes.SPIN))
    return _life(script, train, save, train, save, train)


def _slow_epoch(random: Random, script: Script) -> Script:
    train = _train(random)
    slow = msgspec.structs.replace(
        train,
        seconds=_between(random, 60, 240),
        step_s=train.step_s * float(random.uniform(5, 60)),
    )
    return _life(script, train, slow, train)


def _blind(random: Random, script: Script) -> Script:
    """Nobody looks for hours while the job does something silent."""
    train = _train(random)
    dark = Stretch(
        seconds=_between(random, 5, 240), modes=(modes.PREPARE,), unseen=True, phase="train"
    )
    return _life(script, train, dark, train)


def _metrics_lost(random: Random, script: Script) -> Script:
    """Lose the GPU library while the job evaluates, or prepares data, without steps."""
    train = _train(random)
    mode = modes.EVALUATE if random.random() < 0.5 else modes.PREPARE
    lost: tuple[str, ...] = (
        "gpu_w",
        "gpu_utilisation",
        "gpu_sm_activity",
        "pcie_bytes",
        "nvlink_bytes",
    )
    if random.random() < 0.5:
        lost = (*lost, "cpu_s", "read_bytes", "written_bytes", "network_bytes")
    dark = Stretch(seconds=_between(random, 5, 55), modes=(mode,), missing=lost)
    return _life(script, train, dark, train)


def _clock_set(random: Random, script: Script) -> Script:
    train = _train(random)
    jump_s = float(random.choice([-1.0, 1.0])) * _between(random, 5, 600)
    return _life(script, train, msgspec.structs.replace(train, jump_s=jump_s), train)


def _epochs(random: Random, script: Script) -> Script:
    """Count the steps anew in every epoch, without saying which epoch it is."""
    train = _train(random, 10, 30)
    again = msgspec.structs.replace(train, new_epoch=True)
    return _life(script, train, *(again for _ in range(6)), total=None)


def _nan_at_first(random: Random, script: Script) -> Script:
    train = _train(random)
    first = Stretch(seconds=120.0, modes=(modes.TRAIN,), step_s=30.0, loss=math.inf)
    return _life(script, first, train)


def _habit(random: Random, script: Script) -> Script:
    """Sleep for a while every so often, longer each time."""
    train = _train(random, 10, 20)
    minutes = (4.0, 6.0, 9.0, 13.0, 19.0)
    parts = [train]
    for each in minutes:
        parts += [Stretch(seconds=each * MINUTE, modes=(modes.SLEEP,)), train]
    return _life(script, *parts)


def _server(random: Random, script: Script) -> Script:
    """Answer requests by day, and wait for them by night; report no steps."""
    train = _train(random)
    night = Stretch(seconds=_between(random, 60, 300), modes=(modes.SLEEP,))
    return _life(script, train, night, train, reports=False)


def _handled(random: Random, script: Script) -> Script:
    """Run out of GPU memory, compile for a smaller batch, go on."""
    train = _train(random)
    again = Stretch(
        seconds=_between(random, 5, 40), modes=(modes.COMPILE,), trouble=Trouble.CUDA_MEMORY
    )
    return _life(script, train, again, train)


def _elastic(random: Random, script: Script) -> Script:
    """Lose a worker, start it anew inside the same attempt, go back to the checkpoint, go on."""
    train = _train(random)
    trouble = Trouble.EXIT if random.random() < 0.5 else Trouble.NCCL
    anew = Stretch(seconds=_between(random, 2, 45), modes=(modes.COMPILE,), trouble=trouble)
    back = msgspec.structs.replace(train, back_steps=int(random.uniform(1, 500)))
    return _life(script, train, anew, back)


def _frozen_machine(random: Random, script: Script) -> Script:
    """Let the whole machine sleep while its clock goes on."""
    train = _train(random)
    return _life(script, train, msgspec.structs.replace(train, jump_s=_between(random, 30, 900)))


HARMLESS: Final[Mapping[str, Making]] = {
    "compile": _compile,
    "long checkpoint": _checkpoint,
    "slow epoch": _slow_epoch,
    "evaluation": _silent(5, 55, modes.EVALUATE),
    "download": _silent(5, 55, modes.DOWNLOAD),
    "slow download": _silent(5, 55, modes.TRICKLE),
    "one rank downloads": _silent(5, 55, modes.DOWNLOAD, modes.SPIN),
    "data preparation": _silent(5, 55, modes.PREPARE),
    "one rank prepares": _silent(5, 55, modes.PREPARE, modes.SPIN),
    "suspended by the scheduler": _paused(Pause.SUSPENDED, 5, 400),
    "checkpoint that was asked for": _paused(Pause.CHECKPOINTING, 1, 60),
    "declared sleep": _silent(10, 180, modes.SLEEP, phase="waiting for data"),
    "first warm-up": _warm_up,
    "storage that stalls": _silent(5, 55, modes.STORAGE),
    "short sleep": _silent(3, 17, modes.SLEEP),
    "a habit of sleeping": _habit,
    "sampler dead or late": _blind,
    "metrics lost": _metrics_lost,
    "clock set": _clock_set,
    "machine asleep": _frozen_machine,
    "epochs that count anew": _epochs,
    "NaN at first": _nan_at_first,
    "out of memory, dealt with": _handled,
    "stack trace, dealt with": _silent(1, 30, modes.PREPARE, trouble=Trouble.TRACEBACK),
    "worker started anew": _elastic,
    "server without requests": _server,
}
