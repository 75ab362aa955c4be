"""How long matrix products take: tiles, waves of tiles, and the roofline around them.

A library computes a product tile by tile. The last tile of a row or column is padded, the tiles
run in waves as wide as the GPU, and the last wave is rarely full: that is most of what keeps a
product from its peak, and the part that a mere count of operations misses.

Sources: the roofline, Williams, Waterman and Patterson, CACM 52(4), 2009; tile and wave
quantisation, NVIDIA "Matrix Multiplication Background User's Guide"; utilisation per wave on
unseen GPUs, Lee, Phanishayee and Mahajan, "Forecasting GPU Performance for Deep Learning Training
and Inference" (NeuSight), ASPLOS 2025; scaling between GPUs by their data sheets, Yu et al.,
"Habitat", USENIX ATC 2021. The form of each term is this project's own.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.traits import Floats, Shared, Traits

# Rows x columns of the tiles that libraries choose from.
_TILES: Final = tuple((rows, columns) for rows in (32, 64, 128) for columns in (32, 64, 128))
_SMALLEST_TILE: Final = 32 * 64
_FULL_TILE: Final = 128
_FULL_AREA: Final = _FULL_TILE * _FULL_TILE
# Parts that a product's depth is summed up in where its tiles alone would not fill the GPU.
_SPLITS: Final = (1, 4)
# A library takes the best tile nearly always: how soft that choice is, in logarithms.
_CHOICE: Final = 0.05
_PENALTY_SCALE: Final = 10.0
_THRASH_DEPTH: Final = 16_384.0


class Shapes(NamedTuple):
    """Products of (batch x rows x depth) and (batch x depth x columns), one a column."""

    batch: Floats
    rows: Floats
    depth: Floats
    columns: Floats
    batched: Floats
    """1 where a batched kernel computes them, even a batch of one; 0 where a plain one does."""

    @property
    def flops(self) -> Floats:
        """Count a multiplication and an addition for each element and each step of the depth."""
        return 2.0 * self.batch * self.rows * self.depth * self.columns

    @property
    def elements(self) -> Floats:
        """Count the elements of both operands and of the result."""
        operands = self.depth * (self.rows + self.columns)
        return self.batch * (operands + self.rows * self.columns)


class Machine(NamedTuple):
    """The GPU as these formulas see it; each a scalar, or one value for each product."""

    peak: Floats
    bandwidth: Floats
    multiprocessors: Floats
    element_bytes: Floats
    tensor: Floats
    """1 where matrix units compute the product, 0 where plain ones do."""
    speedup: Floats
    """The peak beside that of plain fp32."""


class Times(NamedTuple):
    """Logarithms of seconds: the whole kernel, and what each of its two bounds alone would take."""

    whole: Floats
    arithmetic: Floats
    memory: Floats


def machine(device: Device, precision: Precision) -> Machine:
    """Return a device as these formulas see it."""
    computed = device.computed_in(precision)
    speedup = device.peak(precision) / device.peak_flops[Precision.FP32]
    values = (
        device.peak(precision),
        device.bandwidth,
        device.multiprocessors,
        precision.element_bytes,
        computed is not Precision.FP32,
        speedup,
    )
    return Machine(*(np.array(float(value)) for value in values))


def times(
    shapes: Shapes,
    machine: Machine,
    traits: Traits[Floats],
    shared: Shared[Floats],
    traffic: Floats | None = None,
) -> Times:
    """Time products; each trait is a number, or has a value for each product.

    `traffic` is in bytes where it is not that of the operands, as in a convolution that builds
    its left operand on the fly.
    """
    corner = np.exp(shared.corner)
    if traffic is None:
        traffic = shapes.elements * machine.element_bytes
    memory = np.log(traffic / _bandwidth(machine, traits))
    arithmetic = _tilings(shapes, machine, traits, shared)
    arithmetic = arithmetic + np.log(_thrashing(shapes, machine, traits, shared, traffic))
    both = np.logaddexp(corner * arithmetic, corner * memory) / corner
    return Times(np.logaddexp(both, traits.launch), arithmetic, memory)


def _bandwidth(machine: Machine, traits: Traits[Floats]) -> Floats:
    reached: Floats = machine.bandwidth * np.exp(traits.bandwidth)
    return reached


def _tilings(
    shapes: Shapes, machine: Machine, traits: Traits[Floats], shared: Shared[Floats]
) -> Floats:
    """Return the time of the tiling that a library would take: a soft minimum over all tilings."""
    ways = [
        _tiled(shapes, machine, traits, shared, (rows, columns), parts)
        for rows, columns in _TILES
        if rows * columns >= _SMALLEST_TILE
        for parts in _SPLITS
    ]
    best: Floats = -_CHOICE * np.logaddexp.reduce([-way / _CHOICE for way in ways], axis=0)
    return best


def _tiled(
    shapes: Shapes,
    machine: Machine,
    traits: Traits[Floats],
    shared: Shared[Floats],
    tile: tuple[int, int],
    parts: int,
) -> Floats:
    """Return ln seconds of one tiling: waves of tiles, the ramp, and the price of its shape."""
    area = tile[0] * tile[1] / _FULL_AREA
    tiles = shapes.batch * np.ceil(shapes.rows / tile[0]) * np.ceil(shapes.columns / tile[1])
    waves = _waves(tiles * parts / machine.multiprocessors, shared) * area
    waves = waves + np.exp(traits.ramp) * np.sqrt(area)
    # A tile's prologue takes a time, not a number of steps: faster units lose more steps by it.
    depth = np.ceil(shapes.depth / parts) + np.exp(shared.lead) * machine.speedup
    spent = waves * 2.0 * _FULL_AREA * depth / _rate(shapes, machine, traits)
    if parts > 1:
        written = shapes.batch * shapes.rows * shapes.columns * machine.element_bytes
        spent = spent + np.exp(shared.split) * (parts + 1) * written / _bandwidth(machine, traits)
    priced = _price(traits.short_rows, tile[0]) + _price(traits.short_columns, tile[1])
    logarithm: Floats = np.log(spent)
    return logarithm + priced


def _waves(tiles: Floats, shared: Shared[Floats]) -> Floats:
    """Return waves between fully quantised and fluid: several tiles share a multiprocessor."""
    strict: Floats = 1.0 / (1.0 + np.exp(-shared.quantised))
    fluid: Floats = np.maximum(tiles, 1.0)
    return fluid + strict * (np.ceil(tiles) - fluid)


def _rate(shapes: Shapes, machine: Machine, traits: Traits[Floats]) -> Floats:
    """Return FLOP/s of one multiprocessor."""
    reached = traits.peak + traits.batched * shapes.batched + traits.tensor * machine.tensor
    rate: Floats = machine.peak / machine.multiprocessors * np.exp(reached)
    return rate


def _price(trait: Floats, size: int) -> Floats:
    a_halving: Floats = np.logaddexp(0.0, trait * _PENALTY_SCALE) / _PENALTY_SCALE
    return a_halving * math.log2(_FULL_TILE / size)


def _thrashing(
    shapes: Shapes,
    machine: Machine,
    traits: Traits[Floats],
    shared: Shared[Floats],
    traffic: Floats,
) -> Floats:
    """Return how much longer operands take that outgrow what the GPU can keep track of.

    Long rows far apart in memory miss its address caches. Old GPUs lose two thirds of their
    speed to that, new ones next to nothing.
    """
    operands = (shapes.rows + shapes.columns) * shapes.depth * machine.element_bytes
    operands = np.minimum(operands, traffic)
    over = np.exp(shared.thrash_power) * (np.log(operands) - traits.thrash_bytes)
    cost = np.exp(traits.thrash) * (shapes.depth / _THRASH_DEPTH) ** shared.thrash_depth
    return 1.0 + cost / (1.0 + np.exp(-over))
