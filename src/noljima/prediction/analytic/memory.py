"""The memory that one GPU needs: what stays for the whole job, and what a step adds.

Sources: Rajbhandari et al., "ZeRO", SC 2020, for what is kept for each parameter and how stages
share it; Korthikanti et al. (2022), section 4.2, for activations under one-forward-one-backward
schedules, interleaved or not.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from noljima.prediction.analytic.device import GIB
from noljima.prediction.analytic.spec import Parallel, Run
from noljima.prediction.analytic.stage import Stage

_STATE_BYTES: Final = 4
"""Optimizer states, gradients that are summed up, and master copies are fp32."""
RESERVE_BYTES: Final = 1.0 * GIB
"""The driver's context, libraries' workspaces and what the allocator cannot use."""


class Memory(NamedTuple):
    """Bytes on the GPU that needs most."""

    parameters: float
    gradients: float
    optimizer: float
    activations: float
    reserve: float = RESERVE_BYTES

    @property
    def whole(self) -> float:
        """Return all of it."""
        return sum(self)


def needed(stage: Stage, run: Run, parallel: Parallel, batches: int) -> Memory:
    """Return what the fullest GPU needs with so many micro-batches a step."""
    count = stage.parameters + stage.edge_parameters
    width = run.precision.element_bytes
    mixed = width < _STATE_BYTES
    shares = [parallel.data if parallel.zero >= at else 1 for at in (1, 2, 3)]
    states = run.optimizer.states + (1 if mixed else 0)
    return Memory(
        parameters=count * width / shares[2],
        gradients=count * _STATE_BYTES / shares[1],
        optimizer=count * _STATE_BYTES * states / shares[0],
        activations=_activations(stage, parallel, batches),
    )


def _activations(stage: Stage, parallel: Parallel, batches: int) -> float:
    """Return those of the first stage, which has most in flight, or of the last with its head."""
    first = stage.kept_bytes * in_flight(parallel, batches)
    last = stage.kept_bytes + stage.head_kept_bytes
    return max(first, last)


def in_flight(parallel: Parallel, batches: int) -> float:
    """Return how many micro-batches' activations the first stage holds at once."""
    stages = parallel.pipeline
    held = float(stages)
    if parallel.interleave > 1:
        held *= 1.0 + (stages - 1.0) / (stages * parallel.interleave)
    return min(held, float(batches))
