"""Against what others have measured: the figures of docs/analytic.md, with a margin."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from bench.analytic import applications, constants, convnets, megatron, products, scaling, tables
from bench.analytic.products import Measured

from noljima.prediction.analytic import fitted, fitting

pytestmark = [
    pytest.mark.traces,
    pytest.mark.skipif(
        not tables.SPEEDS.is_dir(), reason=f"the measured tables are not at {tables.SPEEDS}"
    ),
]


@pytest.fixture(scope="module")
def measured() -> Measured:
    return tables.products()


def within(figures: Mapping[str, float], limits: Mapping[str, float]) -> None:
    for name, limit in limits.items():
        assert figures[name] <= limit, name


def test_every_row_of_the_tables_is_read(measured: Measured) -> None:
    assert sum(map(len, measured.values())) == 8_254 + 13_461
    assert set(measured) == set(fitted.TRAITS)


@pytest.mark.parametrize("name", ["H100", "V100"])
def test_a_gpu_type_left_out_is_predicted_from_eight_probes(measured: Measured, name: str) -> None:
    others = [other for other in measured if other != name]
    known = {name: fitting.population(products.fit(measured, others))}
    found = products.left_out({name: measured[name]}, fits=known)

    assert products.summary(found, "linear").mean_of_rows <= 0.10
    assert products.summary(found, "batched").mean_of_rows <= 0.13


@pytest.mark.slow
def test_all_gpu_types_left_out_in_turn_keep_the_limits(measured: Measured) -> None:
    found = products.left_out(measured)

    assert products.summary(found, "linear").mean_of_devices <= 0.125
    assert products.summary(found, "batched").mean_of_devices <= 0.15


def test_probes_are_taken_out_of_the_test_and_chosen_without_looking_at_times(
    measured: Measured,
) -> None:
    rows = measured["T4"]
    slower = [row._replace(seconds=1.0) for row in rows]

    for probe in fitting.PROBES:
        assert products.nearest(rows, probe) == products.nearest(slower, probe)
    errors = products.left_out({"T4": rows}, fits={"T4": fitted.POPULATION})[0]
    assert len(errors.linear) + len(errors.batched) == len(rows) - len(fitting.PROBES)


@pytest.mark.slow
def test_the_constants_of_the_package_are_those_of_the_fit(measured: Measured) -> None:
    fit = products.fit(measured, sorted(measured))

    for name, traits in zip(sorted(measured), fit.traits, strict=True):
        own = fitted.TRAITS[name]._replace(tensor=traits.tensor)
        assert own == pytest.approx(traits, abs=0.02)
    assert constants.TARGET.is_file()


def test_megatron_steps_are_predicted_better_than_by_paleos_constants() -> None:
    figures = megatron.steps_section().figures

    within(
        figures, {"mean error, ours": 0.06, "mean error, as shipped (fitted on all eight)": 0.05}
    )
    assert figures["mean error, ours"] < figures["mean error, paleo"]
    assert figures["mean error, ours"] < figures["mean error, paleo refitted"]


def test_megatron_memory_is_that_of_the_paper() -> None:
    within(
        megatron.memory_section().figures,
        {"mean error, memory": 0.04, "mean error, a layer's activations (figure 7)": 0.01},
    )


def test_convnets_are_predicted_better_than_by_paleos_constants() -> None:
    figures = convnets.section().figures

    assert figures["mean error, ours"] < figures["mean error, Paleo refitted"] < 0.5
    assert figures["mean error, ours, no library known"] < figures["mean error, Paleo 62 %"]


def test_training_steps_on_one_gpu_are_predicted_without_a_fit() -> None:
    figures = applications.section().figures

    within(figures, {"mean error": 0.20})
    assert figures["share inside P10 to P90"] >= 0.8


def test_what_an_exchange_adds_is_predicted_over_nodes() -> None:
    within(scaling.pollux_section().figures, {"mean error, not fitted": 0.20})
