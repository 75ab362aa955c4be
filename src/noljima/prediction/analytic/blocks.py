"""Declared layers as kernels: what a forward and a backward pass through each costs.

The backward pass of a product is two products, one for the gradient of each operand. Streams are
counted as elements read plus elements written by kernels that are not fused.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

from noljima.prediction.analytic import convolution
from noljima.prediction.analytic.kernels import Load, MatrixProduct, Stream, plain, repeated
from noljima.prediction.analytic.layers import (
    Attention,
    Convolution,
    Elementwise,
    Embedding,
    Layer,
    Linear,
    Matmul,
    Normalisation,
)
from noljima.prediction.analytic.spec import ConvolutionStyle


class Block(NamedTuple):
    """A layer on one GPU's samples."""

    forward: Load
    backward: Load
    parameters: float
    kept: float
    """Elements that the backward pass needs and the forward pass keeps."""


def block(layer: Layer, samples: float, style: ConvolutionStyle) -> Block:
    """Return what a layer costs for so many samples, its repetitions included."""
    once = _once(layer, samples, style)
    return Block(
        repeated(once.forward, layer.repeat),
        repeated(once.backward, layer.repeat),
        once.parameters * layer.repeat,
        once.kept * layer.repeat,
    )


def gradients(product: MatrixProduct) -> tuple[MatrixProduct, MatrixProduct]:
    """Return the two products of the backward pass: for the left operand and for the right."""
    left = product._replace(depth=product.columns, columns=product.depth)
    right = product._replace(rows=product.depth, depth=product.rows)
    return left, right


def _once(  # noqa: PLR0911 - one return for each layer there is
    layer: Layer, samples: float, style: ConvolutionStyle
) -> Block:
    match layer:
        case Linear():
            return _linear(layer, samples)
        case Matmul():
            return _matmul(layer, samples)
        case Convolution():
            return _convolution(layer, samples, style)
        case Attention():
            return _attention(layer, samples)
        case Elementwise():
            return _elementwise(layer, samples)
        case Normalisation():
            return _normalisation(layer, samples)
        case Embedding():
            return _embedding(layer, samples)
        case _:
            assert_never(layer)


def _linear(layer: Linear, samples: float) -> Block:
    product = MatrixProduct(samples * layer.positions, layer.inputs, layer.outputs)
    return Block(
        forward=(plain(product),),
        backward=(plain(*gradients(product)),),
        parameters=float(layer.inputs * layer.outputs + layer.outputs),
        kept=product.rows * layer.inputs,
    )


def _matmul(layer: Matmul, samples: float) -> Block:
    product = MatrixProduct(
        layer.rows, layer.depth, layer.columns, batch=samples * layer.batch, batched=True
    )
    operands = layer.depth * (layer.rows + layer.columns)
    backward = (plain(*gradients(product)),)
    return Block((plain(product),), backward, 0.0, product.batch * operands)


def _convolution(layer: Convolution, samples: float, style: ConvolutionStyle) -> Block:
    return Block(
        forward=(convolution.forward(layer, samples, style),),
        backward=(
            convolution.image_gradient(layer, samples, style),
            convolution.kernel_gradient(layer, samples),
        ),
        parameters=convolution.parameters(layer),
        kept=samples * layer.inputs * layer.height * layer.width,
    )


def _attention(layer: Attention, samples: float) -> Block:
    heads, length, width = samples * layer.heads, layer.sequence, layer.head_width
    # Flash attention keeps scores on the chip: only queries, keys, values and results move.
    moved = 2.0 * heads * length * width if layer.flash else None
    scores = MatrixProduct(length, width, length, batch=heads, batched=True, elements=moved)
    context = MatrixProduct(length, length, width, batch=heads, batched=True, elements=moved)
    pairs = heads * length * length
    backward = (*gradients(scores), *gradients(context))
    if layer.flash:
        again = (*backward, scores)
        return Block((plain(scores, context),), (plain(*again),), 0.0, 4.0 * heads * length * width)
    softmax = Stream(2.0 * pairs)
    return Block(
        forward=(plain(scores, softmax, context),),
        backward=(plain(*backward, Stream(3.0 * pairs)),),
        parameters=0.0,
        kept=2.0 * pairs + 3.0 * heads * length * width,
    )


def _elementwise(layer: Elementwise, samples: float) -> Block:
    elements = samples * layer.elements
    forward = plain(Stream(elements * (layer.reads + layer.writes)))
    # The gradient of the result and what it depends on come in, the gradients of the inputs go out.
    backward = plain(Stream(elements * (2 * layer.reads + layer.writes)))
    # What it keeps is its result, which the next layer keeps as its input.
    return Block((forward,), (backward,), 0.0, 0.0)


def _normalisation(layer: Normalisation, samples: float) -> Block:
    elements = samples * layer.elements
    # Means and deviations take one pass over the elements, scaling another.
    forward = plain(Stream(3.0 * elements))
    backward = plain(Stream(5.0 * elements))
    return Block((forward,), (backward,), 2.0 * layer.parameters, elements)


def _embedding(layer: Embedding, samples: float) -> Block:
    elements = samples * layer.lookups * layer.width
    return Block(
        forward=(plain(Stream(2.0 * elements)),),
        backward=(plain(Stream(3.0 * elements)),),
        parameters=float(layer.vocabulary * layer.width),
        kept=samples * layer.lookups,
    )
