"""Matrix products of a GPU type that the model has never seen, but for eight probes.

Each type is left out in turn: what the types share and how they differ is fitted on the others,
the left-out type's traits on its eight probes, and the rest of its rows are the test. A probe is
the row nearest to one of `fitting.PROBES`, by the distance of the logarithms of its four sizes; no
time is looked at to choose it, and the probes are taken out of the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Final, NamedTuple

import numpy as np

from noljima.prediction.analytic import fitting
from noljima.prediction.analytic.device_table import find
from noljima.prediction.analytic.fitting import FIRST, Belief, Fit, Population, Product

# Enough rows of a type and kind to fit on; more change nothing but the time it takes.
SAMPLE: Final = 300
SEED: Final = 0

ProbeShape = tuple[int, int, int, int, bool]
Measured = Mapping[str, Sequence[Product]]


class Errors(NamedTuple):
    """Absolute relative errors of one GPU type's test rows."""

    device: str
    linear: list[float]
    batched: list[float]


class Summary(NamedTuple):
    """Errors over all types."""

    mean_of_devices: float
    mean_of_rows: float
    median: float
    devices: dict[str, tuple[float, float, int]]
    """Mean, median and number of rows."""


def fit(measured: Measured, names: Sequence[str], belief: Belief = FIRST) -> Fit:
    """Fit the population on a sample of these types' rows."""
    chosen = [_sampled(measured[name]) for name in names]
    found = fitting.sample(chosen, [find(name) for name in names])
    return fitting.fit_population(found, belief)


def left_out(
    measured: Measured,
    *,
    probes: Sequence[ProbeShape] = fitting.PROBES,
    fits: dict[str, Population] | None = None,
    apart: Mapping[str, str] | None = None,
    belief: Belief = FIRST,
) -> list[Errors]:
    """Return the errors of each type, fitted on the others and on its own probes.

    `fits` keeps the populations between calls; `apart` names a type's twin that is left out too.
    """
    known: dict[str, Population] = {} if fits is None else fits
    found = []
    for name in measured:
        if name not in known:
            twin = (apart or {}).get(name)
            others = [other for other in measured if other not in (name, twin)]
            known[name] = fitting.population(fit(measured, others, belief), belief)
        found.append(_tested(name, measured[name], probes, known[name]))
    return found


def nearest(products: Sequence[Product], probe: ProbeShape) -> int:
    """Return the number of the row whose sizes are nearest to a probe's, of its kind."""
    sizes = np.log(np.array([row[:4] for row in products], dtype=np.float64))
    away = ((sizes - np.log(np.array(probe[:4], dtype=np.float64))) ** 2).sum(axis=1)
    kinds = np.array([row.batched for row in products])
    return int(np.argmin(np.where(kinds == probe[4], away, np.inf)))


def summary(found: Sequence[Errors], kind: str) -> Summary:
    """Sum up one kind of products, `linear` or `batched`."""
    of_kind = {errors.device: getattr(errors, kind) for errors in found}
    every = [error for errors in of_kind.values() for error in errors]
    return Summary(
        mean_of_devices=fmean(fmean(errors) for errors in of_kind.values()),
        mean_of_rows=fmean(every),
        median=median(every),
        devices={
            name: (fmean(errors), median(errors), len(errors)) for name, errors in of_kind.items()
        },
    )


def drawn_probes(measured: Measured, draws: int) -> list[list[ProbeShape]]:
    """Return sets of eight probes drawn by chance from the shapes of the largest table."""
    chance = np.random.default_rng(SEED)
    largest = max(measured.values(), key=len)
    kinds = [[row for row in largest if row.batched is batched] for batched in (False, True)]
    return [
        [
            (row.batch, row.rows, row.depth, row.columns, row.batched)
            for kind in kinds
            for row in (kind[number] for number in chance.choice(len(kind), 4, replace=False))
        ]
        for _ in range(draws)
    ]


def _tested(
    name: str, products: Sequence[Product], probes: Sequence[ProbeShape], prior: Population
) -> Errors:
    chosen = {nearest(products, probe) for probe in probes}
    traits = fitting.fit_traits([products[row] for row in sorted(chosen)], find(name), prior)
    test = [product for row, product in enumerate(products) if row not in chosen]
    logs = fitting.log_errors(fitting.sample([test], [find(name)]), [traits], prior.shared)
    errors = np.abs(np.exp(logs) - 1.0)
    batched = np.array([product.batched for product in test])
    return Errors(name, errors[~batched].tolist(), errors[batched].tolist())


def _sampled(products: Sequence[Product]) -> list[Product]:
    chance = np.random.default_rng(SEED)
    chosen: list[Product] = []
    for batched in (False, True):
        of_kind = [product for product in products if product.batched is batched]
        count = min(SAMPLE, len(of_kind))
        places = np.sort(chance.choice(len(of_kind), count, replace=False))
        chosen.extend(of_kind[place] for place in places)
    return chosen
