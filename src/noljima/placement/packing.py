"""Jobs that come and never go, until hardly any fits: how full a strategy gets a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from noljima.model.placements import Placement
from noljima.placement.demand import Demand
from noljima.placement.grid import Grid


class Arrival(NamedTuple):
    """How things stand after one more job has come."""

    gpu_milli_arrived: int
    """GPUs of all jobs so far."""
    gpu_milli_allocated: int
    """GPUs of those that were placed."""
    placed: bool


def arrivals(grid: Grid, demands: Iterable[Demand]) -> Iterator[Arrival]:
    """Place each job as it comes; one that does not fit is left out and never tried again."""
    arrived = allocated = 0
    for demand in demands:
        # Asked first: the words of a refusal, which nobody reads here, cost more than the question.
        placed = grid.fits(demand) and isinstance(grid.take(demand), Placement)
        arrived += demand.gpu_milli
        allocated += demand.gpu_milli if placed else 0
        yield Arrival(arrived, allocated, placed)
