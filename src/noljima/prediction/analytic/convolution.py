"""Convolutions as matrix products: built on the fly, or by Winograd's minimal filtering.

A direct convolution is a product of (samples x positions) by (channels x taps) whose left operand
is never written (implicit GEMM; Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning",
2014). A 3 x 3 convolution of stride 1 can be done with 2.25 times fewer multiplications on tiles of
2 x 2 results (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016).
Which of the two a library takes is modelled as in Qi, Sparks and Talwalkar, "Paleo", ICLR 2017:
the faster one that it has.
"""

from __future__ import annotations

from typing import Final

from noljima.prediction.analytic.kernels import MatrixProduct, Step, Stream, Way
from noljima.prediction.analytic.layers import Convolution
from noljima.prediction.analytic.spec import ConvolutionStyle

# Results of a Winograd tile a side, and elements of its transform a side: F(2 x 2, 3 x 3).
_TILE: Final = 2
_TRANSFORMED: Final = _TILE + 2
# Below so many channels a group's product would be all padding: such kernels just stream.
_GROUP_CHANNELS_MIN: Final = 8


def parameters(layer: Convolution) -> float:
    """Count weights and biases."""
    return float(layer.outputs * (layer.inputs // layer.groups) * layer.taps + layer.outputs)


def forward(layer: Convolution, samples: float, style: ConvolutionStyle) -> Step:
    """Return the forward pass."""
    direct = _direct(layer, samples)
    return _with_winograd(layer, samples, style, direct, layer.inputs, layer.outputs)


def image_gradient(layer: Convolution, samples: float, style: ConvolutionStyle) -> Step:
    """Return the pass to the layer before: a convolution back with the same number of products."""
    depth, columns = layer.outputs / layer.groups, layer.inputs / layer.groups * layer.taps
    return _with_winograd(
        layer,
        samples,
        style,
        _product(layer, samples, _positions(layer, samples), depth, columns),
        layer.outputs,
        layer.inputs,
    )


def kernel_gradient(layer: Convolution, samples: float) -> Step:
    """Return the gradient of the weights.

    It has the forward pass's multiplications with the positions as depth, which the libraries
    split over the whole GPU: it takes what the forward pass takes.
    """
    return (_direct(layer, samples),)


def _direct(layer: Convolution, samples: float) -> Way:
    depth, columns = layer.inputs / layer.groups * layer.taps, layer.outputs / layer.groups
    return _product(layer, samples, _positions(layer, samples), depth, columns)


def _product(layer: Convolution, samples: float, rows: float, depth: float, columns: float) -> Way:
    moved = _moved(layer, samples)
    if min(layer.inputs, layer.outputs) // layer.groups < _GROUP_CHANNELS_MIN < layer.groups:
        return Way(streams=(Stream(moved),))
    product = MatrixProduct(
        rows, depth, columns, batch=layer.groups, batched=layer.groups > 1, elements=moved
    )
    return Way(products=(product,))


def _with_winograd(
    layer: Convolution,
    samples: float,
    style: ConvolutionStyle,
    direct: Way,
    inputs: int,
    outputs: int,
) -> Step:
    suits = layer.taps == 9 and layer.kernel == 3 and layer.stride == 1 and layer.groups == 1
    if style is ConvolutionStyle.DIRECT or not suits or not direct.products:
        return (direct,)
    height, width = layer.output
    tiles = samples * -(-height // _TILE) * -(-width // _TILE)
    products = MatrixProduct(
        tiles,
        inputs,
        outputs,
        batch=_TRANSFORMED**2,
        batched=True,
        elements=_moved(layer, samples),
    )
    return (direct, Way(products=(products,)))


def _positions(layer: Convolution, samples: float) -> float:
    height, width = layer.output
    return samples * height * width


def _moved(layer: Convolution, samples: float) -> float:
    """Count the elements of image, weights and result: what a fused kernel reads and writes."""
    image = samples * layer.inputs * layer.height * layer.width
    return image + parameters(layer) + _positions(layer, samples) * layer.outputs
