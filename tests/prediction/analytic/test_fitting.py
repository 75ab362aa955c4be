"""Traits from probes: found again where they are known, and steady where a probe is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.prediction.analytic import fitted, fitting
from noljima.prediction.analytic.device_table import find
from noljima.prediction.analytic.fitting import PROBES, Product
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.traits import Traits

T4 = find("T4")
KNOWN = fitted.TRAITS["T4"]
PRIOR = fitted.POPULATION
TEST_SHAPES = (
    (1, 2048, 2048, 2048, False),
    (1, 8192, 1024, 4096, False),
    (1, 512, 12_288, 3072, False),
    (384, 512, 64, 512, True),
    (48, 2048, 2048, 64, True),
)


def timed(
    shapes: tuple[tuple[int, int, int, int, bool], ...], traits: Traits[float] = KNOWN
) -> list[Product]:
    """Return products that take exactly what these traits say."""
    blank = [Product(*shape[:4], 1.0, shape[4]) for shape in shapes]
    logs = fitting.log_errors(fitting.sample([blank], [T4]), [traits], fitted.SHARED)
    return [
        product._replace(seconds=float(np.exp(log)))
        for product, log in zip(blank, logs, strict=True)
    ]


def errors(traits: Traits[float]) -> list[float]:
    """Return how far these traits are off on the test shapes."""
    found = fitting.sample([timed(TEST_SHAPES)], [T4])
    logs = fitting.log_errors(found, [traits], fitted.SHARED)
    return [abs(float(np.exp(log)) - 1.0) for log in logs]


def test_eight_probes_find_traits_that_predict_other_products() -> None:
    found = fitting.fit_traits(timed(PROBES), T4, PRIOR)

    assert max(errors(found)) < 0.12
    assert max(errors(PRIOR.mean)) > 0.25


def test_without_probes_a_type_is_like_the_others() -> None:
    assert fitting.fit_traits([], T4, PRIOR) == PRIOR.mean


@pytest.mark.parametrize("wild", range(len(PROBES)))
def test_one_wild_probe_does_not_spoil_the_fit(wild: int) -> None:
    probes = timed(PROBES)
    probes[wild] = probes[wild]._replace(seconds=10.0 * probes[wild].seconds)

    assert np.mean(errors(fitting.fit_traits(probes, T4, PRIOR))) < 0.25


def test_the_measured_bandwidth_replaces_what_the_others_reach() -> None:
    prior = fitting.with_bandwidth(PRIOR, 0.5)
    found = fitting.fit_traits(timed(PROBES), T4, prior)

    assert prior.mean.bandwidth == pytest.approx(np.log(0.5))
    assert found.bandwidth == pytest.approx(np.log(0.5), abs=0.2)


def test_probes_in_half_precision_tell_of_the_matrix_units() -> None:
    slow = KNOWN._replace(tensor=-0.9)
    blank = [Product(1, 4096, 4096, 4096, 1.0, precision=Precision.FP16)]
    logs = fitting.log_errors(fitting.sample([blank], [T4]), [slow], fitted.SHARED)
    probes = [*timed(PROBES), blank[0]._replace(seconds=float(np.exp(logs[0])))]

    assert fitting.fit_traits(probes, T4, PRIOR).tensor < PRIOR.mean.tensor - 0.2


def test_a_population_finds_types_again_that_share_what_they_share() -> None:
    names = ("T4", "V100", "P100")
    shapes = PROBES + TEST_SHAPES
    measured = []
    for name in names:
        blank = [Product(*shape[:4], 1.0, shape[4]) for shape in shapes]
        found = fitting.sample([blank], [find(name)])
        logs = fitting.log_errors(found, [fitted.TRAITS[name]], fitted.SHARED)
        measured.append(
            [
                product._replace(seconds=float(np.exp(log)))
                for product, log in zip(blank, logs, strict=True)
            ]
        )
    sample = fitting.sample(measured, [find(name) for name in names])
    fit = fitting.fit_population(sample)

    assert np.abs(fitting.log_errors(sample, fit.traits, fit.shared)).mean() < 0.05


def test_a_trait_that_no_product_tells_of_keeps_the_first_belief() -> None:
    fit = fitting.fit_population(fitting.sample([timed(PROBES)], [T4]))
    found = fitting.population(fit)

    assert found.mean.tensor == pytest.approx(fitting.FIRST.mean.tensor)
    assert found.deviation.tensor == fitting.FIRST.deviation.tensor


@given(st.lists(st.floats(1e-7, 1e4), min_size=8, max_size=8))
def test_whatever_was_measured_the_traits_are_numbers(times: list[float]) -> None:
    probes = [
        Product(*shape[:4], seconds, shape[4]) for shape, seconds in zip(PROBES, times, strict=True)
    ]

    assert all(np.isfinite(fitting.fit_traits(probes, T4, PRIOR)))
