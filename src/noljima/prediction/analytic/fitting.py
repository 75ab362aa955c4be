"""From measured products to traits: a population of GPU types, and one new type by eight probes.

A new type has ten traits and eight measurements. So the measurements only correct what the types
that were measured before have in common: the traits are the most probable ones, given the
population's mean and spread as a prior and the probes' times with lognormal noise. Outliers count
by their absolute error (Huber), because a busy machine makes some products far too slow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from noljima.prediction.analytic import matmul
from noljima.prediction.analytic.descent import most_probable
from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.matmul import Machine, Shapes
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.traits import (
    TRAIT_COUNT,
    Floats,
    Shared,
    Traits,
    shared_columns,
    trait_columns,
)

NOISE: Final = 0.05
"""Deviation of ln seconds between two measurements of one product; beyond it errors count once."""

_STEP: Final = 1e-3

PROBES: Final = (
    # batch, rows, depth, columns, batched: small, large, deep and huge, wide; then batched ones
    # with few rows, few columns, little depth, and small.
    (1, 1024, 1024, 1024, False),
    (1, 4096, 4096, 4096, False),
    (1, 16384, 50272, 4096, False),
    (1, 512, 4096, 16384, False),
    (192, 64, 512, 512, True),
    (192, 512, 512, 64, True),
    (96, 1024, 64, 1024, True),
    (128, 256, 256, 256, True),
)
"""The eight products that tell a GPU type's traits: each makes other traits matter."""

Indices = NDArray[np.intp]


class Product(NamedTuple):
    """A measured matrix product."""

    batch: int
    rows: int
    depth: int
    columns: int
    seconds: float
    batched: bool = False
    precision: Precision = Precision.FP32


class Sample(NamedTuple):
    """Measured products in columns, each of one of several GPU types."""

    device: Indices
    shapes: Shapes
    machine: Machine
    log_seconds: Floats
    weight: Floats
    """How many measurements each stands for."""


class Population(NamedTuple):
    """What measured GPU types have in common: the prior of the next one."""

    mean: Traits[float]
    deviation: Traits[float]
    shared: Shared[float]


class Belief(NamedTuple):
    """What is believed of types and of what they share before anything was measured."""

    mean: Traits[float]
    deviation: Traits[float]
    shared: Shared[float]
    shared_deviation: Shared[float]


FIRST: Final = Belief(
    Traits(-0.3, -1.5, -11.7, -0.2, -1.0, 19.8, -0.05, -0.3, 0.12, 0.12),
    Traits(0.4, 0.7, 0.5, 0.05, 1.2, 0.7, 0.15, 0.2, 0.15, 0.15),
    Shared(0.5, 3.0, 1.1, 0.0, 0.7, 0.8),
    Shared(0.5, 0.7, 0.4, 0.7, 0.4, 0.3),
)


class Fit(NamedTuple):
    """The traits of each type in a sample, and what they share."""

    traits: tuple[Traits[float], ...]
    shared: Shared[float]


def sample(products: Sequence[Sequence[Product]], devices: Sequence[Device]) -> Sample:
    """Put each device's products into columns, one after the other."""
    owner = [number for number, measured in enumerate(products) for _ in measured]
    flat = [product for measured in products for product in measured]
    machines = [
        matmul.machine(devices[number], product.precision)
        for number, product in zip(owner, flat, strict=True)
    ]
    each = np.array([(*product[:4], product.batched) for product in flat], dtype=np.float64)
    return Sample(
        device=np.array(owner, dtype=np.intp),
        shapes=Shapes(*each.T),
        machine=Machine(*np.array(machines, dtype=np.float64).T),
        log_seconds=np.log([product.seconds for product in flat]),
        weight=np.ones(len(flat)),
    )


def log_errors(found: Sample, traits: Sequence[Traits[float]], shared: Shared[float]) -> Floats:
    """Return ln(predicted / measured) of each product."""
    values = np.array(traits, dtype=np.float64)
    return _errors(found, values, np.array(shared, dtype=np.float64))


def fit_population(found: Sample, belief: Belief = FIRST) -> Fit:
    """Find the traits of all types in a sample together with what they share."""
    count = int(found.device.max()) + 1
    start = np.concatenate([np.tile(np.array(belief.mean), count), np.array(belief.shared)])
    spread = np.concatenate(
        [np.tile(np.array(belief.deviation), count), np.array(belief.shared_deviation)]
    )
    problem = _Problem(found, count, len(start))
    best = most_probable(problem, start, spread, weight=found.weight, noise=NOISE)
    traits = best[: count * TRAIT_COUNT].reshape(count, TRAIT_COUNT)
    return Fit(
        tuple(Traits(*map(float, row)) for row in traits),
        Shared(*map(float, best[count * TRAIT_COUNT :])),
    )


def population(fit: Fit, belief: Belief = FIRST) -> Population:
    """Return mean and spread of the types in a fit; the spread leans on what was believed before.

    Few types tell little of how far the next may lie, so the first belief counts as one type more;
    a trait that no product told anything of keeps it.
    """
    traits, before = np.array(fit.traits), np.array(belief.deviation)
    between = len(traits) * traits.var(axis=0) + before**2
    told = traits.std(axis=0) > 0.0
    deviation = np.where(told, np.sqrt(between / (len(traits) + 1)), before)
    mean = traits.mean(axis=0)
    return Population(Traits(*map(float, mean)), Traits(*map(float, deviation)), fit.shared)


def fit_traits(probes: Sequence[Product], device: Device, prior: Population) -> Traits[float]:
    """Find one type's traits from a few products: eight are enough."""
    if not probes:
        return prior.mean
    start = np.concatenate([np.array(prior.mean), np.array(prior.shared)])
    spread = np.array(prior.deviation)
    found = sample([probes], [device])
    problem = _Problem(found, 1, len(spread))
    best = most_probable(problem, start, spread, weight=found.weight, noise=NOISE)
    return Traits(*map(float, best[:TRAIT_COUNT]))


def with_bandwidth(prior: Population, share: float) -> Population:
    """Return a population whose next type reaches this share of its memory bandwidth."""
    mean = prior.mean._replace(bandwidth=math.log(share))
    return prior._replace(mean=mean, deviation=prior.deviation._replace(bandwidth=NOISE))


def _errors(found: Sample, traits: Floats, shared: Floats) -> Floats:
    each = trait_columns(traits[found.device].T)
    predicted = matmul.times(found.shapes, found.machine, each, shared_columns(shared))
    return predicted.whole - found.log_seconds


class _Problem:
    """The errors of a sample as a function of one vector: each type's traits, then the shared."""

    def __init__(self, found: Sample, count: int, free: int) -> None:
        self._found = found
        self._count = count
        self._free = free

    def errors(self, at: Floats) -> Floats:
        """Return ln(predicted / measured) of each product."""
        split = self._count * TRAIT_COUNT
        return _errors(self._found, at[:split].reshape(self._count, TRAIT_COUNT), at[split:])

    def slopes(self, at: Floats, errors: Floats) -> Floats:
        """Return how each error changes with each free value.

        A product depends on the traits of its own type only, so one trait of all types is tried
        at once.
        """
        found = np.zeros((len(errors), self._free))
        products = np.arange(len(errors))
        for trait in range(TRAIT_COUNT):
            every = trait + TRAIT_COUNT * np.arange(self._count)
            own = trait + TRAIT_COUNT * self._found.device
            found[products, own] = self._slope(at, errors, every)
        for place in range(self._count * TRAIT_COUNT, self._free):
            found[:, place] = self._slope(at, errors, np.array([place]))
        return found

    def _slope(self, at: Floats, errors: Floats, places: Indices) -> Floats:
        tried = at.copy()
        tried[places] += _STEP
        return (self.errors(tried) - errors) / _STEP
