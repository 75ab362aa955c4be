"""Whole training steps on one GPU, nothing fitted: Zeus's and Gavel's ResNet-50, Zeus's BERT.

Zeus's epochs at the highest power limit, divided by the steps of an epoch; PyTorch of that time
computed in TF32 on Ampere. Also says how many of the measured times lie in the forecast's own 80 %
interval, which is what its spread promises.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import fmean, median
from typing import Final, NamedTuple

from bench.analytic import tables
from bench.analytic.section import Section, percent
from noljima.prediction.analytic.forecast import Forecast, forecast
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.spec import (
    Convnet,
    Input,
    Model,
    Optimizer,
    Run,
    Site,
    Training,
    Transformer,
)

IMAGENET_SAMPLES: Final = 1_281_167
SQUAD_SAMPLES: Final = 88_641
"""Windows of 384 tokens of SQuAD 1.1, with a stride of 128."""
RESNET: Final = Convnet(network="resnet50")
BERT: Final = Transformer(layers=12, hidden=768, heads=12, sequence=384, vocabulary=2)
_AMPERE: Final = "a40"
_STEPS_MIN: Final = 0.01
# The tables' jobs read from fast local storage: reading never held them up for long.
_FAST: Final = Input(samples_per_s=1e9)


class Timed(NamedTuple):
    """A measured step."""

    table: str
    model: str
    gpu: str
    batch: int
    seconds: float


def section() -> Section:
    """Compare steps by table, model and GPU."""
    errors: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    inside = []
    for row in measured():
        found = predicted(row)
        errors[row.table, row.model, row.gpu].append(found.step.whole_s / row.seconds)
        away = abs(math.log(row.seconds / found.step.whole_s))
        inside.append(away <= math.log(found.quantile_s(0.9) / found.run_s))
    lines = [
        (
            f"{table} {model}",
            gpu,
            str(len(ratios)),
            percent(fmean(abs(ratio - 1.0) for ratio in ratios)),
            f"{median(ratios):.2f}",
        )
        for (table, model, gpu), ratios in sorted(errors.items())
    ]
    every = [ratio for ratios in errors.values() for ratio in ratios]
    return Section(
        "Training steps on one GPU",
        ("table, model", "gpu", "rows", "mean error", "median predicted / measured"),
        lines,
        {
            "mean error": fmean(abs(ratio - 1.0) for ratio in every),
            "share inside P10 to P90": fmean(inside),
        },
        ("nothing is fitted to these tables; K80, A40 and RTX 6000 have no traits of their own",),
    )


def measured() -> Iterator[Timed]:
    """Give the steps of both tables."""
    yield from _zeus()
    for row in tables.rows("gavel_physical_cluster_isolated"):
        alone = row["num_gpus"] == "1" and row["gpu"] in ("k80", "p100", "v100")
        if row["model"] == "ResNet-50" and alone and float(row["steps_per_s"]) > _STEPS_MIN:
            step_s = 1.0 / float(row["steps_per_s"])
            yield Timed("Gavel", "resnet50", row["gpu"], int(row["batch_size_per_gpu"]), step_s)


def predicted(row: Timed) -> Forecast:
    """Return the forecast of a measured step."""
    model: Model = RESNET if row.model == "resnet50" else BERT
    run = Run(
        batch=row.batch,
        precision=Precision.TF32 if row.gpu == _AMPERE else Precision.FP32,
        optimizer=Optimizer.MOMENTUM if row.model == "resnet50" else Optimizer.ADAM,
        steps=1,
        startup_s=0.0,
    )
    return forecast(Training(model=model, run=run, site=Site(gpu=row.gpu), input=_FAST))


def _zeus() -> Iterator[Timed]:
    rows = list(tables.rows("zeus_power"))
    highest: dict[str, float] = defaultdict(float)
    for row in rows:
        highest[row["gpu"]] = max(highest[row["gpu"]], float(row["power_limit_W"]))
    for row in rows:
        samples = _samples(row)
        if samples and float(row["power_limit_W"]) == highest[row["gpu"]]:
            batch = int(row["batch_size"])
            step_s = float(row["time_per_epoch_s"]) / (samples / batch)
            model = "bert" if row["network"].startswith("bert") else row["network"]
            yield Timed("Zeus", model, row["gpu"], batch, step_s)


def _samples(row: Mapping[str, str]) -> int:
    if row["network"] == "resnet50":
        return IMAGENET_SAMPLES
    if row["network"] == "bert_base_uncased" and row["dataset"] == "squad":
        return SQUAD_SAMPLES
    return 0
