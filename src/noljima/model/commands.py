"""What the core wants done; a driver does it and answers with events."""

from __future__ import annotations

import msgspec

from noljima.model.placements import Placement
from noljima.model.resources import JobId


class Start(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Start every worker of the job, at its place, together; answered by Started or StartFailed."""

    job: JobId
    placement: Placement
    guest: bool = False
    """Started out of order, on condition that it can be evicted."""
    attempt: int = 1
    """Which run of the job this is, from 1; what is told of the run carries the number back."""


class Evict(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Checkpoint and stop a job so that `to_start` can run; answered by Evicted (or Finished)."""

    job: JobId
    to_start: JobId


class Stop(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Stop a job for good: its owner cancelled it. Answered by Finished."""

    job: JobId


class Refuse(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Tell the owner at once that the job can never run on this cluster as it is; no answer."""

    job: JobId
    reason: str


Command = Start | Evict | Stop | Refuse
