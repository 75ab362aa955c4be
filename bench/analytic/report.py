"""Every comparison with a measured table, section by section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Final

from bench.analytic import (
    ablation,
    applications,
    convnets,
    megatron,
    products,
    scaling,
    tables,
)
from bench.analytic.section import Section, percent
from bench.row import Result, Row
from noljima.prediction.analytic.fitting import Population

_TWINS: Final = {"A100-40GB-PCIe": "A100-80GB-PCIe", "A100-80GB-PCIe": "A100-40GB-PCIe"}
_KINDS: Final = ("linear", "batched")
_LIMITS: Final = {"linear": 0.125, "batched": 0.15}


def products_section(draws: int) -> Section:
    """Compare matrix products of each GPU type left out in turn."""
    measured = tables.products()
    fits: dict[str, Population] = {}
    found = products.left_out(measured, fits=fits)
    lines, figures = [], {}
    for kind in _KINDS:
        summary = products.summary(found, kind)
        figures[f"{kind}: mean error over types (limit {_LIMITS[kind]})"] = summary.mean_of_devices
        figures[f"{kind}: mean error over rows"] = summary.mean_of_rows
        figures[f"{kind}: median error over rows"] = summary.median
        for device, (mean, median, count) in sorted(summary.devices.items()):
            lines.append((kind, device, str(count), percent(mean), percent(median)))
    figures |= _twins(measured)
    if draws:
        figures |= _drawn(measured, fits, draws)
    return Section(
        "Matrix products of a GPU type left out, eight probes allowed",
        ("kind", "gpu", "test rows", "mean error", "median error"),
        lines,
        figures,
        ("eight probes in all: four linear, four batched; taken out of the test",),
    )


def _twins(measured: products.Measured) -> dict[str, float]:
    """Return the errors where each A100's twin is left out of the fit as well."""
    found = products.left_out(measured, apart=_TWINS)
    return {
        f"{kind}: mean error over types, both A100s left out": products.summary(
            found, kind
        ).mean_of_devices
        for kind in _KINDS
    }


def _drawn(
    measured: products.Measured, fits: dict[str, Population], draws: int
) -> dict[str, float]:
    """Return the errors with probes drawn by chance, to see what their choice is worth."""
    every = [
        products.left_out(measured, probes=probes, fits=fits)
        for probes in products.drawn_probes(measured, draws)
    ]
    figures = {}
    for kind in _KINDS:
        errors = [products.summary(found, kind).mean_of_devices for found in every]
        figures[f"{kind}: mean error, {draws} random sets of eight probes"] = fmean(errors)
        figures[f"{kind}: worst of them"] = max(errors)
    return figures


def sections(draws: int, *, ablate: bool = False) -> Mapping[str, Callable[[], Section]]:
    """Return the report's sections by name."""
    extra = {"ablation": ablation.section} if ablate else {}
    return {
        "products": lambda: products_section(draws),
        "megatron": megatron.steps_section,
        "megatron_memory": megatron.memory_section,
        "convnets": convnets.section,
        "applications": applications.section,
        "pollux": scaling.pollux_section,
        "gavel": scaling.gavel_section,
        **extra,
    }


def measure(draws: int = 0) -> Result:
    """Return the figures as rows of the project's table of measurements; all are errors."""
    result = Result()
    for make in sections(draws).values():
        try:
            section = make()
        except tables.MissingTablesError as error:
            result.remarks.append(f"analytic predictions: {error}")
            return result
        for name, value in section.figures.items():
            kind = name.split(":")[0]
            limit = _LIMITS.get(kind) if "limit" in name else None
            result.rows.append(
                Row(section=section.title, what=name, values=(value,), unit="", budget=limit)
            )
    return result
