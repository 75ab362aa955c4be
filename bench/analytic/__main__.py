"""Compare with every measured table, or fit the constants: `python -m bench.analytic`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Final

from bench.analytic import (
    applications,
    constants,
    convnets,
    megatron,
    products,
    scaling,
    tables,
)
from bench.analytic.section import Section, percent
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


def sections(draws: int) -> Mapping[str, Callable[[], Section]]:
    """Return the report's sections by name."""
    return {
        "products": lambda: products_section(draws),
        "megatron": megatron.steps_section,
        "megatron_memory": megatron.memory_section,
        "convnets": convnets.section,
        "applications": applications.section,
        "pollux": scaling.pollux_section,
        "gavel": scaling.gavel_section,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.analytic", description=__doc__)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--fit", action="store_true", help="write the constants anew")
    parser.add_argument("--draws", type=int, default=20, help="random sets of probes to try")
    parser.add_argument("--only", help="one section, by name")
    given = parser.parse_args(arguments)
    try:
        if given.fit:
            constants.write(tables.products())
            return 0
        wanted = sections(given.draws)
        found = {name: make() for name, make in wanted.items() if given.only in (None, name)}
    except tables.MissingTablesError as error:
        print(error, file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps({name: each.figures for name, each in found.items()}, indent=2))
    else:
        print("\n\n".join(each.text() for each in found.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
