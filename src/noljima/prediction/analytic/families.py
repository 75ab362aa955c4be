"""From any declared model to one GPU's share of it."""

from __future__ import annotations

import math
from typing import Final, assert_never

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic import convnets, transformer
from noljima.prediction.analytic.blocks import Block, block
from noljima.prediction.analytic.kernels import Load, repeated
from noljima.prediction.analytic.layers import Convolution, Elementwise, Layer, Linear
from noljima.prediction.analytic.spec import (
    Convnet,
    ConvolutionStyle,
    Declared,
    Dense,
    Parallel,
    Recompute,
    Run,
    Transformer,
)
from noljima.prediction.analytic.stage import Stage

# A model of which only its size is known is taken as a stack of square matrices of this width,
# each followed by what usually stands between two matrices: so many passes over its result.
_DENSE_WIDTH: Final = 4096
_DENSE_PASSES: Final = 3
_FP32_BYTES: Final = 4


def stage(
    model: Transformer | Convnet | Declared | Dense, run: Run, parallel: Parallel, samples: int
) -> Stage:
    """Return what one GPU does for a micro-batch of so many samples."""
    match model:
        case Transformer():
            return transformer.stage(model, run, parallel, samples)
        case Convnet():
            layers = convnets.layers(model.network, model.image, model.classes)
            return _stacked(layers, run, samples, model.style)
        case Declared():
            return _with_given(
                _stacked(model.layers, run, samples, model.style), model, run, samples
            )
        case Dense():
            return _dense(model, run, samples)
        case _:
            assert_never(model)


def _stacked(layers: tuple[Layer, ...], run: Run, samples: int, style: ConvolutionStyle) -> Stage:
    """Return a stage of layers one after the other."""
    if run.recompute is Recompute.SELECTIVE:
        raise InvalidFieldError("run.recompute", str(run.recompute), "needs a transformer")
    blocks = [block(layer, samples, style) for layer in layers]
    forward = _joined([each.forward for each in blocks])
    backward = _joined([_without_image_gradient(layers[0], blocks[0])])
    backward += _joined([each.backward for each in blocks[1:]])
    parameters = sum(each.parameters for each in blocks)
    full = run.recompute is Recompute.FULL
    kept = sum(each.kept for each in blocks)
    return Stage(
        forward=forward,
        backward=backward,
        again=forward if full else (),
        head_forward=(),
        head_backward=(),
        parameters=parameters,
        edge_parameters=0.0,
        whole_parameters=parameters,
        kept_bytes=kept * _kept_share(layers, full=full) * run.precision.element_bytes,
        head_kept_bytes=0.0,
    )


def _with_given(found: Stage, model: Declared, run: Run, samples: int) -> Stage:
    """Return the stage with what a profile knows better than the layers tell."""
    parameters = model.parameters or found.parameters
    kept = found.kept_bytes
    if model.kept_bytes:
        share = _kept_share(model.layers, full=run.recompute is Recompute.FULL)
        kept = model.kept_bytes * samples * share * run.precision.element_bytes / _FP32_BYTES
    return found._replace(parameters=parameters, whole_parameters=parameters, kept_bytes=kept)


def _dense(model: Dense, run: Run, samples: int) -> Stage:
    width = min(_DENSE_WIDTH, max(1, math.isqrt(int(model.parameters))))
    matrices = model.parameters / width**2
    unit = (
        Linear(inputs=width, outputs=width, positions=model.sequence),
        Elementwise(elements=width * model.sequence, reads=_DENSE_PASSES),
    )
    one = _stacked(unit, run, samples, ConvolutionStyle.DIRECT)
    return one._replace(
        forward=repeated(one.forward, matrices),
        backward=repeated(one.backward, matrices),
        again=repeated(one.again, matrices),
        parameters=model.parameters,
        whole_parameters=model.parameters,
        kept_bytes=one.kept_bytes * matrices,
    )


def _joined(loads: list[Load]) -> Load:
    return tuple(step for load in loads for step in load)


def _without_image_gradient(layer: Layer, first: Block) -> Load:
    """Return the first layer's backward pass: nobody asks for the gradient of the input."""
    return first.backward[1:] if isinstance(layer, Convolution) else first.backward


def _kept_share(layers: tuple[Layer, ...], *, full: bool) -> float:
    """Return how much is kept where the rest is computed again from every root-n-th layer.

    Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
    """
    count = sum(layer.repeat for layer in layers)
    return min(1.0, 2.0 / math.sqrt(count)) if full else 1.0
