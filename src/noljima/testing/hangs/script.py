"""What a job does, one stretch after the other, and what happens to it from outside."""

from __future__ import annotations

import msgspec

from noljima.health.facts import Pause, Trouble
from noljima.testing.hangs.modes import Mode


class Stretch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A time in which a job does one thing."""

    seconds: float
    modes: tuple[Mode, ...]
    """One for each worker; the last is that of all further ones."""
    step_s: float = 0.0
    """Seconds for a step; 0 where none come."""
    phase: str = "train"
    stuck: bool = False
    """Whether it gets nowhere from here on: the truth that verdicts are compared with."""
    loss: float | None = None
    """Instead of one that falls."""
    back_steps: int = 0
    """How far the step counter is thrown back at the beginning."""
    new_epoch: bool = False
    """Whether the step counter begins at 0 at the beginning."""
    trouble: Trouble | None = None
    """An error that is seen at the beginning."""
    pause: Pause | None = None
    """Paused by the scheduler for all of it."""
    unseen: bool = False
    """Nobody looks: the sampler is dead or late for all of it."""
    jump_s: float = 0.0
    """The clock of the machine is set forward, or back, at the beginning."""
    missing: tuple[str, ...] = ()
    """Metrics that cannot be read for all of it."""


class Script(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The life of one job."""

    name: str
    """Of the pattern that it was made by."""
    stretches: tuple[Stretch, ...]
    workers: int = 1
    gpus: bool = True
    """Whether its GPUs can be measured."""
    reports: bool = True
    """Whether it tells its steps."""
    logs: bool = True
    total: float | None = 1e6
    epoch: float | None = None
    checkpoint: bool = True
    tick_s: float = 10.0
    idle_w: float = 70.0
    working_w: float = 380.0
    """What full work draws above idle."""
    never: tuple[str, ...] = ()
    """Metrics that cannot be read on its machine."""
    lost_share: float = 0.0
    """The share of samples that miss a metric, drawn anew each time."""
    scale: float = 1.0
    """How much it moves, against the usual."""
    seed: int = 0

    @property
    def stuck(self) -> bool:
        """Whether it gets stuck."""
        return any(stretch.stuck for stretch in self.stretches)
