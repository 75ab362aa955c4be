"""Convolutional networks on the TITAN X that Paleo used: convnet-benchmarks, 2016.

The libraries differ by far more than any model of a GPU can know, so each gets one number (how much
of the arithmetic it reaches), fitted on the other three networks. Paleo gets its own constant of
62 %, and in another column the same kind of refitting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final, NamedTuple

from bench.analytic import tables
from bench.analytic.section import Section, mean_error, off
from noljima.prediction.analytic import convnets, families, gpus, links, steps
from noljima.prediction.analytic.kernels import Gpu
from noljima.prediction.analytic.layers import Convolution, Linear
from noljima.prediction.analytic.links import Fabric
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.spec import Convnet, ConvolutionStyle, Optimizer, Parallel, Run
from noljima.prediction.analytic.steps import Setting

GPU: Final = "TITAN-X"
PALEO_SHARE: Final = 0.62
NETWORKS: Final[Mapping[str, tuple[str, int]]] = {
    "AlexNet (One Weird Trick paper)": ("alexnet", 128),
    "Overfeat [fast]": ("overfeat", 128),
    "OxfordNet [Model-A]": ("vgg11", 64),
    "GoogleNet V1": ("googlenet", 128),
}
# Library as we name it -> how the table does, and the algorithms that it had.
LIBRARIES: Final[Mapping[str, tuple[str, ConvolutionStyle]]] = {
    "cuDNN R4 fp32": ("CuDNN[R4]-fp32", ConvolutionStyle.WINOGRAD),
    "TensorFlow": ("TensorFlow", ConvolutionStyle.WINOGRAD),
    "neon fp32": ("Nervana-neon-fp32", ConvolutionStyle.WINOGRAD),
    "cuDNN R2": ("CuDNN[R2]", ConvolutionStyle.DIRECT),
    "Caffe": ("Caffe", ConvolutionStyle.DIRECT),
    "Torch-7": ("Torch-7", ConvolutionStyle.DIRECT),
    "Chainer": ("Chainer", ConvolutionStyle.DIRECT),
}
_PASSES: Final = ("fwd", "bwd", "total")
_SETTLED: Final = 1e-3
_FLOAT: Final = 4
_GIBI: Final = float(1 << 30)


class Timed(NamedTuple):
    """A measured network in one library, seconds of forward, backward and both."""

    library: str
    network: str
    batch: int
    style: ConvolutionStyle
    seconds: tuple[float, float, float]


def measured() -> list[Timed]:
    """Return the rows of the libraries above, with the fp32 ones of those that have two."""
    found = []
    for row in tables.rows("convnet_benchmarks_titanx"):
        name, batch = NETWORKS[row["model"]]
        for library, (prefix, style) in LIBRARIES.items():
            words = row["library"].split()[0]
            if words == prefix:
                forward, backward, both = (float(row[f"{each}_ms"]) / 1e3 for each in _PASSES)
                found.append(Timed(library, name, batch, style, (forward, backward, both)))
    return found


def predicted_s(row: Timed, share: float = 1.0) -> tuple[float, float, float]:
    """Return our forward, backward and total seconds with this share of the arithmetic."""
    gpu = gpus.gpu(GPU)
    gpu = gpu._replace(traits=gpu.traits._replace(peak=gpu.traits.peak + math.log(share)))
    setting = _setting(row, gpu)
    model = Convnet(network=row.network, style=row.style)
    stage = families.stage(model, setting.run, setting.parallel, row.batch)
    forward, backward = (each.whole_s for each in steps.passes(stage, setting))
    return forward, backward, forward + backward


def paleo_s(row: Timed, share: float = PALEO_SHARE) -> tuple[float, float, float]:
    """Return Paleo's times: operations over a share of the peak, plus all operands' transfer.

    As its published program does it without cuDNN's own heuristics: convolutions as products,
    every tensor read or written once, both at the same share, and nothing overlapping.
    """
    device = gpus.gpu(GPU).device
    forward = backward = 0.0
    for number, layer in enumerate(convnets.layers(row.network)):
        if isinstance(layer, Convolution | Linear):
            flops, moved = _paleo_layer(layer, row.batch)
            bandwidth = device.bandwidth * _GIBI / 1e9
            once = flops / device.peak(Precision.FP32) / share + moved * _FLOAT / bandwidth / share
            forward += once
            backward += once * (2.0 if number else 1.0)
    return forward, backward, forward + backward


def section() -> Section:
    """Compare every library that ran at least three of the networks."""
    rows = measured()
    pairs: dict[str, list[tuple[float, float]]] = {}
    lines = []
    for row in rows:
        others = [each for each in rows if each.library == row.library and each is not row]
        if len(others) < 2:
            continue
        found = {
            "ours": predicted_s(row, _share(others)),
            "ours, no library known": predicted_s(row),
            "Paleo 62 %": paleo_s(row),
            "Paleo refitted": paleo_s(row, _paleo_share(others)),
        }
        for name, seconds in found.items():
            pairs.setdefault(name, []).extend(zip(seconds, row.seconds, strict=True))
        lines.append(_line(row, found))
    return Section(
        "Convnets on the TITAN X: total ms, and how far forward, backward and total are off",
        ("network, library", "ms", *pairs),
        lines,
        {f"mean error, {name}": mean_error(each) for name, each in pairs.items()}
        | {f"mean error of totals, {name}": mean_error(each[2::3]) for name, each in pairs.items()}
        | _of_paleos_time(rows),
        ("ours and Paleo refitted: one number a library, fitted on its other networks",),
    )


def _of_paleos_time(rows: Sequence[Timed]) -> dict[str, float]:
    """Return the errors on the libraries that Paleo was made for, with nothing fitted."""
    chosen = [row for row in rows if row.library in ("cuDNN R4 fp32", "TensorFlow")]
    models = {"ours": predicted_s, "Paleo 62 %": paleo_s}
    return {
        f"mean error on cuDNN R4 and TensorFlow, nothing fitted, {name}": mean_error(
            pair for row in chosen for pair in zip(model(row), row.seconds, strict=True)
        )
        for name, model in models.items()
    }


def _line(row: Timed, found: Mapping[str, tuple[float, float, float]]) -> tuple[str, ...]:
    cells = (
        " ".join(off(*pair)[:-2] for pair in zip(seconds, row.seconds, strict=True))
        for seconds in found.values()
    )
    return (f"{row.network}, {row.library}", f"{1e3 * row.seconds[2]:.0f}", *cells)


def _share(rows: Sequence[Timed]) -> float:
    """Return the share of the arithmetic with which the rows are right on the average."""
    low, high = math.log(0.02), math.log(4.0)
    while high - low > _SETTLED:
        middle = (low + high) / 2.0
        logs = [math.log(predicted_s(row, math.exp(middle))[2] / row.seconds[2]) for row in rows]
        low, high = (middle, high) if fmean(logs) > 0.0 else (low, middle)
    return math.exp((low + high) / 2.0)


def _paleo_share(rows: Sequence[Timed]) -> float:
    logs = [math.log(paleo_s(row)[2] / row.seconds[2]) for row in rows]
    return PALEO_SHARE * math.exp(fmean(logs))


def _paleo_layer(layer: Convolution | Linear, batch: int) -> tuple[float, float]:
    """Return the operations of a layer, and the elements of its operands and result."""
    if isinstance(layer, Linear):
        sizes = batch * layer.inputs, layer.inputs * layer.outputs, batch * layer.outputs
        return 2.0 * batch * layer.inputs * layer.outputs, float(sum(sizes))
    height, width = layer.output
    weights = layer.taps * layer.inputs * layer.outputs
    image = batch * layer.inputs * layer.height * layer.width
    return 2.0 * batch * height * width * weights, float(
        image + weights + batch * height * width * layer.outputs
    )


def _setting(row: Timed, gpu: Gpu) -> Setting:
    link = links.find("link", gpu.device.link)
    run = Run(batch=row.batch, optimizer=Optimizer.SGD, steps=1)
    return Setting(gpu, Fabric(link, link, 1), run, Parallel())
