"""What each part of the matrix-product model is worth: the same test without it.

A part is taken out by pinning its traits to where it does nothing, and fitting all others again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

import numpy as np

from bench.analytic import products, tables
from bench.analytic.products import Errors, Measured
from bench.analytic.section import Section, percent
from noljima.prediction.analytic import fitting
from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.device_table import find
from noljima.prediction.analytic.fitting import FIRST, Belief, Product

_PINNED: Final = 1e-6
_NEVER: Final = -50.0
# Part -> trait, or shared value, and where it does nothing.
PARTS: Final[Mapping[str, Mapping[str, float]]] = {
    "whole waves of tiles": {"quantised": _NEVER},
    "time to fill and drain": {"ramp": _NEVER},
    "splitting the depth": {"split": -_NEVER},
    "tiles that cost more": {"short_rows": -10.0, "short_columns": -10.0},
    "huge operands": {"thrash": _NEVER},
    "batched kernels apart": {"batched": 0.0},
    "launch": {"launch": _NEVER},
}


def section() -> Section:
    """Leave each part out in turn."""
    measured = tables.products()
    whole = products.left_out(measured)
    found = {"the whole model": whole} | {
        f"without {part}": products.left_out(measured, belief=_without(values))
        for part, values in PARTS.items()
    }
    found["without any probe"] = products.left_out(measured, probes=())
    found["a plain roofline on the same probes"] = _roofline(measured)
    return Section(
        "What each part is worth: mean error over types, each left out in turn",
        ("model", "linear", "batched"),
        [
            (name, *(percent(products.summary(errors, kind).mean_of_devices) for kind in _KINDS))
            for name, errors in found.items()
        ],
        {},
    )


_KINDS: Final = ("linear", "batched")


def _without(values: Mapping[str, float]) -> Belief:
    """Return the first belief with these traits pinned."""
    belief = FIRST
    for name, value in values.items():
        if name in belief.mean._fields:
            mean = belief.mean._replace(**{name: value})
            deviation = belief.deviation._replace(**{name: _PINNED})
            belief = belief._replace(mean=mean, deviation=deviation)
        else:
            shared = belief.shared._replace(**{name: value})
            deviation_of = belief.shared_deviation._replace(**{name: _PINNED})
            belief = belief._replace(shared=shared, shared_deviation=deviation_of)
    return belief


def _roofline(measured: Measured) -> list[Errors]:
    """Return the errors of operations over peak or bytes over bandwidth, at one share a type."""
    found = []
    for name, rows in measured.items():
        device = find(name)
        chosen = {products.nearest(rows, probe) for probe in fitting.PROBES}
        share = _share([rows[row] for row in chosen], device)
        errors: dict[bool, list[float]] = {False: [], True: []}
        for at, row in enumerate(rows):
            if at not in chosen:
                errors[row.batched].append(abs(_bound_s(row, device) / share / row.seconds - 1.0))
        found.append(Errors(name, errors[False], errors[True]))
    return found


def _share(probes: Sequence[Product], device: Device) -> float:
    return float(np.exp(fmean(np.log(_bound_s(row, device) / row.seconds) for row in probes)))


def _bound_s(row: Product, device: Device) -> float:
    flops = 2.0 * row.batch * row.rows * row.depth * row.columns
    elements = row.batch * (row.depth * (row.rows + row.columns) + row.rows * row.columns)
    moved = elements * row.precision.element_bytes
    return max(flops / device.peak(row.precision), moved / device.bandwidth)
