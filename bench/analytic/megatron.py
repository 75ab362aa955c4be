"""Megatron's published steps and memory, 22 billion to a trillion parameters on A100 80GB.

Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models", 2022: table 3
for the configurations, table 5 for the iteration times, figures 1 and 7 for memory. The cluster had
eight 200 Gb/s InfiniBand ports a node (Narayanan et al., SC 2021, section 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final, NamedTuple

from bench.analytic import tables
from bench.analytic.section import Section, mean_error, off
from noljima.prediction.analytic import families, forecast, gpus, kernels
from noljima.prediction.analytic.device import GIB
from noljima.prediction.analytic.forecast import Forecast
from noljima.prediction.analytic.kernels import Gpu
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.spec import (
    Parallel,
    Recompute,
    Run,
    Site,
    Training,
    Transformer,
)

GPU: Final = "A100-80GB"
PALEO_SHARE: Final = 0.62
"""Paleo's platform percent of peak for computation on a TITAN X (ICLR 2017, section 4)."""
_SETTLED: Final = 1e-4


class Size(NamedTuple):
    """A row of table 3."""

    layers: int
    hidden: int
    heads: int
    pipeline: int
    interleave: int
    batch: int
    micro_batch: int


SIZES: Final[Mapping[str, Size]] = {
    "megatron-22B": Size(48, 6144, 64, 1, 1, 4, 4),
    "gpt3-175B": Size(96, 12288, 96, 8, 3, 64, 1),
    "turing-530B": Size(105, 20480, 128, 35, 3, 280, 1),
    "megatron-1T": Size(128, 25600, 160, 64, 1, 512, 1),
}
# Mode -> what is computed again, and whether the rest is split along the sequence.
MODES: Final[Mapping[str, tuple[Recompute, bool]]] = {
    "none": (Recompute.NONE, False),
    "seq": (Recompute.NONE, True),
    "sel": (Recompute.SELECTIVE, False),
    "seqsel": (Recompute.SELECTIVE, True),
    "full": (Recompute.FULL, False),
}


class Timed(NamedTuple):
    """A measured step."""

    model: str
    mode: str
    seconds: float


def training(name: str, mode: str) -> Training:
    """Return a configuration of the paper."""
    size, (recompute, sequence) = SIZES[name], MODES[mode]
    return Training(
        model=Transformer(
            layers=size.layers,
            hidden=size.hidden,
            heads=size.heads,
            sequence=2048,
            vocabulary=51_200,
        ),
        run=Run(
            batch=size.batch,
            micro_batch=size.micro_batch,
            precision=Precision.BF16,
            recompute=recompute,
            steps=1,
        ),
        parallel=Parallel(
            tensor=8, pipeline=size.pipeline, interleave=size.interleave, sequence=sequence
        ),
        site=Site(gpu=GPU, network="infiniband-hdr", ports=8),
    )


def measured() -> list[Timed]:
    """Return table 5."""
    found = tables.rows("megatron_seqsel_measured")
    rows = (row for row in found if row["table"] == "tab5")
    return [Timed(row["model"], row["mode"], float(row["value"])) for row in rows]


def tensor_trait(rows: Sequence[Timed], start: Gpu) -> float:
    """Return the trait of matrix units with which the rows are right on the average."""
    low, high = -1.0, 0.5
    while high - low > _SETTLED:
        middle = (low + high) / 2.0
        gpu = start._replace(traits=start.traits._replace(tensor=middle))
        logs = [math.log(predicted(row, gpu).step.whole_s / row.seconds) for row in rows]
        low, high = (middle, high) if fmean(logs) > 0.0 else (low, middle)
    return (low + high) / 2.0


def predicted(row: Timed, gpu: Gpu) -> Forecast:
    """Return the forecast of a measured step."""
    return forecast.on_gpu(training(row.model, row.mode), gpu)


def paleo_s(row: Timed, share: float = PALEO_SHARE) -> float:
    """Return Paleo's time: operations over a share of the peak, evenly over all GPUs."""
    job = training(row.model, row.mode)
    stage = families.stage(job.model, job.run, job.parallel, job.run.micro_batch)
    body = sum(kernels.flops(load) for load in (stage.forward, stage.backward, stage.again))
    head = kernels.flops(stage.head_forward) + kernels.flops(stage.head_backward)
    batches = job.run.batch / job.run.micro_batch
    peak = gpus.gpu(GPU).device.peak(Precision.BF16)
    return (body + head / job.parallel.pipeline) * batches / peak / share


def steps_section() -> Section:
    """Compare step times; the trait of matrix units is fitted on the other three models."""
    rows, lines = measured(), []
    pairs: dict[str, list[tuple[float, float]]] = {"ours": [], "paleo": [], "paleo refitted": []}
    for row in rows:
        others = [other for other in rows if other.model != row.model]
        gpu = _with_tensor(tensor_trait(others, gpus.gpu(GPU)))
        share = PALEO_SHARE * fmean(paleo_s(other) / other.seconds for other in others)
        ours_s = predicted(row, gpu).step.whole_s
        theirs_s, refitted_s = paleo_s(row), paleo_s(row, share)
        for name, seconds in zip(pairs, (ours_s, theirs_s, refitted_s), strict=True):
            pairs[name].append((seconds, row.seconds))
        lines.append(
            (
                f"{row.model} {row.mode}",
                f"{row.seconds:.2f}",
                f"{ours_s:.2f}",
                *(off(seconds, row.seconds) for seconds in (ours_s, theirs_s, refitted_s)),
            )
        )
    errors = {f"mean error, {name}": mean_error(each) for name, each in pairs.items()}
    shipped = [(predicted(row, gpus.gpu(GPU)).step.whole_s, row.seconds) for row in rows]
    return Section(
        "Megatron: seconds a step",
        ("model", "measured s", "ours s", "ours", "Paleo 62 %", "Paleo refitted"),
        lines,
        {**errors, "mean error, as shipped (fitted on all eight)": mean_error(shipped)},
        ("ours and Paleo refitted: one number fitted on the other three models' rows",),
    )


def memory_section() -> Section:
    """Compare memory: parameters with optimizer, activations, and a layer's activations."""
    lines, pairs, layer_pairs = [], [], []
    for row in tables.rows("megatron_seqsel_measured"):
        value = float(row["value"])
        if row["table"] == "fig1_mem_GiB":
            ours = _memory_gib(row["model"], row["mode"], row["what"])
            pairs.append((ours, value))
            what = f"{row['model']} {row['mode']} {row['what']}"
            lines.append((what, f"{value:.2f}", f"{ours:.2f}", off(ours, value)))
        elif row["table"] == "fig7_layer":
            layer_pairs.append((_layer_percent(row["model"], row["mode"]), value))
    return Section(
        "Megatron: GiB on a GPU",
        ("what", "measured", "ours", "off"),
        lines,
        {
            "mean error, memory": mean_error(pairs),
            "mean error, a layer's activations (figure 7)": mean_error(layer_pairs),
        },
        ("ours has the embedding's parameters too, which the figure leaves out",),
    )


def _memory_gib(model: str, mode: str, what: str) -> float:
    job = training(model, mode)
    found = forecast.on_gpu(job, gpus.gpu(GPU)).memory
    if what == "act":
        return found.activations / GIB
    return (found.parameters + found.gradients + found.optimizer) / GIB


def _layer_percent(model: str, mode: str) -> float:
    """Return a layer's activations beside those of plain tensor parallelism, in percent."""
    kept = [
        families.stage(job.model, job.run, job.parallel, job.run.micro_batch).kept_bytes
        for job in (training(model, mode), training(model, "none"))
    ]
    return 100.0 * kept[0] / kept[1]


def _with_tensor(tensor: float) -> Gpu:
    gpu = gpus.gpu(GPU)
    return gpu._replace(traits=gpu.traits._replace(tensor=tensor))
