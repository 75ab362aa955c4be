"""More GPUs than one: what the exchange of gradients adds to a step measured on one GPU.

Pollux: T4 nodes with a network of which only the nominal rate is known; one number, the rate that
an exchange between nodes reaches, is fitted on BERT and tested on the other applications. Gavel:
GPUs of one node. Only applications whose number of parameters is known are in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import fmean, median
from typing import Final, NamedTuple

from bench.analytic import tables
from bench.analytic.section import Section, percent
from noljima.prediction.analytic import links
from noljima.prediction.analytic.links import Fabric, Link
from noljima.prediction.analytic.spec import Parallel

# Parameters, from the networks' papers.
POLLUX: Final[Mapping[str, float]] = {
    "bert": 109.5e6,
    "cifar10": 11.2e6,
    "imagenet": 25.6e6,
    "yolov3": 61.9e6,
}
FITTED_ON: Final = "bert"
GAVEL: Final[Mapping[str, float]] = {"ResNet-18": 11.2e6, "ResNet-50": 25.6e6}
# Links of the GPUs of one node in Gavel's cluster.
GAVEL_LINKS: Final[Mapping[str, str]] = {"k80": "pcie3", "p100": "pcie3", "v100": "pcie3"}
_RATES: Final = tuple(0.05e9 * step for step in range(4, 41))
_LATENCY_S: Final = 50e-6
_FLOAT: Final = 4
# A backward pass is two of a step's three passes.
_BACKWARD: Final = 2.0 / 3.0


class Placed(NamedTuple):
    """A measured step of an application on one placement, and the same on one GPU."""

    model: str
    placement: str
    seconds: float
    one_gpu_s: float


def pollux_section() -> Section:
    """Compare step times over placements in a node and over nodes."""
    rows = list(_pollux())
    fit_rows = [row for row in rows if row.model == FITTED_ON and len(row.placement) > 1]
    rate = min(_RATES, key=lambda tried: fmean(_error(row, tried) for row in fit_rows))
    errors: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for row in rows:
        errors[row.model, len(row.placement) > 1].append(_error(row, rate))
    lines = [
        (
            f"{model}{' (fitted on)' if apart and model == FITTED_ON else ''}",
            "several nodes" if apart else "one node",
            str(len(found)),
            percent(fmean(found)),
            percent(median(found)),
        )
        for (model, apart), found in sorted(errors.items())
    ]
    tested = [
        error
        for (model, apart), found in errors.items()
        for error in found
        if not (apart and model == FITTED_ON)
    ]
    return Section(
        "Pollux: step times on 2 to 64 T4s from those on one",
        ("application", "placement", "rows", "mean error", "median error"),
        lines,
        {"mean error, not fitted": fmean(tested), "fitted rate, GB/s": rate / 1e9},
        ("left out: deepspeech2 and ncf, whose number of parameters the table does not tell",),
    )


def gavel_section() -> Section:
    """Compare speed-ups on 2 to 8 GPUs of a node."""
    known = {_gavel_key(row): float(row["steps_per_s"]) for row in _gavel()}
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (model, gpu, batch, count), total in known.items():
        alone = known.get((model, gpu, batch, 1), 0.0)
        if count > 1 and alone > _STEPS_MIN and total > _STEPS_MIN:
            inside = links.find("link", GAVEL_LINKS[gpu])
            fabric = Fabric(inside, inside, gpus_per_node=8)
            step_s = _step_s(1.0 / alone, GAVEL[model], fabric, count)
            errors[model, gpu].append(abs(count / step_s / total - 1.0))
    lines = [
        (model, gpu, str(len(found)), percent(fmean(found)), percent(median(found)))
        for (model, gpu), found in sorted(errors.items())
    ]
    every = [error for found in errors.values() for error in found]
    return Section(
        "Gavel: steps/s on 2, 4 and 8 GPUs of a node from those on one",
        ("model", "gpu", "rows", "mean error", "median error"),
        lines,
        {"mean error": fmean(every), "median error": median(every)},
        (
            "left out: LM, which scales unphysically (1.2 times on 4 GPUs, 6.4 times on 8);",
            "the V100 rows also jump (1.1 times on 2 GPUs, 7.2 times on 8): no model follows them",
        ),
    )


_STEPS_MIN: Final = 0.01


def _pollux() -> Iterator[Placed]:
    rows = [row for row in tables.rows("pollux_placements") if row["model"] in POLLUX]
    alone = {
        (row["model"], row["local_bsz"]): float(row["step_time_s"])
        for row in rows
        if row["placement"] == "1"
    }
    for row in rows:
        key = (row["model"], row["local_bsz"])
        if row["placement"] != "1" and key in alone:
            yield Placed(row["model"], row["placement"], float(row["step_time_s"]), alone[key])


def _error(row: Placed, rate: float) -> float:
    nodes = [int(gpus) for gpus in row.placement]
    between = Link(_LATENCY_S, rate, 1.0, "fitted")
    fabric = Fabric(links.find("link", "pcie3"), between, gpus_per_node=max(nodes))
    step_s = _step_s(row.one_gpu_s, POLLUX[row.model], fabric, sum(nodes))
    return abs(step_s / row.seconds - 1.0)


def _step_s(alone_s: float, parameters: float, fabric: Fabric, count: int) -> float:
    """Return a step on several GPUs: what is not hidden of the exchange comes on top."""
    exchange_s = fabric.all_reduce_s(parameters * _FLOAT, count)
    hidden_s = Parallel().overlap * _BACKWARD * alone_s
    return alone_s + max(0.0, exchange_s - hidden_s)


def _gavel() -> Iterator[Mapping[str, str]]:
    for row in tables.rows("gavel_physical_cluster_isolated"):
        if row["model"] in GAVEL and row["gpu"] in GAVEL_LINKS:
            yield row


def _gavel_key(row: Mapping[str, str]) -> tuple[str, str, int, int]:
    return row["model"], row["gpu"], int(row["batch_size_per_gpu"]), int(row["num_gpus"])
