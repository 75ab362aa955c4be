"""A transformer's layers as kernels, split over tensor- and sequence-parallel GPUs.

Each attention block and each feed-forward block is split by columns and then by rows, so that it
needs one all-reduce a pass (Shoeybi et al., "Megatron-LM", 2019; Narayanan et al., SC 2021). What
is kept for the backward pass follows Korthikanti et al., "Reducing Activation Recomputation in
Large Transformer Models", 2022, section 4, with the feed-forward width left free.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from noljima.prediction.analytic.blocks import gradients
from noljima.prediction.analytic.kernels import Load, MatrixProduct, Stream, plain, repeated
from noljima.prediction.analytic.spec import Parallel, Recompute, Run, Transformer
from noljima.prediction.analytic.stage import Stage

# Elements that kernels move for each of theirs: normalisation reads and writes; dropout and
# addition read two and write one and half of a mask; the activation function reads and writes.
_NORM_FORWARD: Final = 2.0
_NORM_BACKWARD: Final = 3.0
_DROPOUT_FORWARD: Final = 3.5
_DROPOUT_BACKWARD: Final = 2.5
_ACTIVATION_FORWARD: Final = 2.0
_ACTIVATION_BACKWARD: Final = 3.0
# Softmax reads and writes scores; its dropout does so too, with half of a mask.
_SCORES_FORWARD: Final = 4.5
_SCORES_BACKWARD: Final = 5.5
# Cross entropy on fp32 logits: a maximum, a sum of exponentials, and the gradient.
_LOSS_FORWARD: Final = 6.0
_LOSS_BACKWARD: Final = 4.0

# Bytes kept for each of a layer's samples x sequence x hidden, for elements of two bytes:
# Korthikanti et al. (2022), equations 1 to 4.
_KEPT_WHOLE: Final = 10.0
"""Both normalisations, the inputs of both blocks and the masks of both dropouts."""
_KEPT_QUERIES: Final = 4.0
"""Queries and the input of the projection."""
_KEPT_KEYS: Final = 4.0
"""Keys and values, where there are as many as queries."""
_KEPT_FEEDFORWARD: Final = 4.0
"""For each of the feed-forward width: input and result of the activation function."""
_KEPT_SCORES: Final = 5.0
"""For each pair of positions of a head: softmax, dropout and its mask."""


class _Cut(NamedTuple):
    """Sizes on one GPU for one micro-batch."""

    model: Transformer
    samples: int
    tensor: int
    along: int
    """Over how many GPUs what tensor parallelism leaves whole is split along the sequence."""

    @property
    def positions(self) -> float:
        return float(self.samples * self.model.sequence)

    @property
    def elements(self) -> float:
        return self.positions * self.model.hidden

    @property
    def heads(self) -> float:
        return self.samples * self.model.heads / self.tensor

    @property
    def pairs(self) -> float:
        return self.heads * float(self.model.sequence) ** 2


def stage(model: Transformer, run: Run, parallel: Parallel, samples: int) -> Stage:
    """Return what the GPU of the fullest stage does for a micro-batch of so many samples."""
    cut = _Cut(model, samples, parallel.tensor, parallel.tensor if parallel.sequence else 1)
    layers = float(-(-model.layers // parallel.pipeline))
    attention, rest = _attention_forward(cut), _rest_forward(cut)
    again = {
        Recompute.NONE: (),
        Recompute.SELECTIVE: () if model.flash else attention,
        Recompute.FULL: attention + rest,
    }[run.recompute]
    width = run.precision.element_bytes
    return Stage(
        forward=repeated(attention + rest, layers),
        backward=repeated(_attention_backward(cut) + _rest_backward(cut), layers),
        again=repeated(again, layers),
        head_forward=_head_forward(cut),
        head_backward=_head_backward(cut),
        parameters=layers * layer_parameters(model) / parallel.tensor,
        edge_parameters=float(model.vocabulary * model.hidden) / parallel.tensor,
        whole_parameters=model.layers * layer_parameters(model)
        + float(model.vocabulary * model.hidden),
        kept_bytes=layers * _kept(cut, run.recompute) * width / 2.0,
        head_kept_bytes=_head_kept(cut) * width / 2.0,
        exchanges=2 * int(layers),
        exchanges_again=2 * int(layers) if run.recompute is Recompute.FULL else 0,
        exchange_bytes=cut.elements * width,
        boundary_bytes=cut.elements * width / parallel.tensor,
    )


def layer_parameters(model: Transformer) -> float:
    """Count the parameters of one layer: four matrices, or five with a gate, and its vectors."""
    hidden, width = float(model.hidden), float(model.width)
    attention = 2.0 * hidden * (hidden + model.key_value_width)
    feedforward = (3.0 if model.gated else 2.0) * hidden * width
    return attention + feedforward + 9.0 * hidden + width


def _attention_products(cut: _Cut) -> tuple[MatrixProduct, MatrixProduct]:
    length, width = cut.model.sequence, cut.model.hidden // cut.model.heads
    # Flash attention keeps scores on the chip (Dao et al., NeurIPS 2022): the rest moves.
    moved = 2.0 * cut.heads * length * width if cut.model.flash else None
    scores = MatrixProduct(length, width, length, batch=cut.heads, batched=True, elements=moved)
    context = MatrixProduct(length, length, width, batch=cut.heads, batched=True, elements=moved)
    return scores, context


def _attention_forward(cut: _Cut) -> Load:
    scores, context = _attention_products(cut)
    if cut.model.flash:
        return (plain(scores, context),)
    return (plain(scores, Stream(_SCORES_FORWARD * cut.pairs), context),)


def _attention_backward(cut: _Cut) -> Load:
    scores, context = _attention_products(cut)
    products = (*gradients(scores), *gradients(context))
    if cut.model.flash:
        return (plain(*products, scores),)
    return (plain(*products, Stream(_SCORES_BACKWARD * cut.pairs)),)


def _matrices(cut: _Cut) -> tuple[MatrixProduct, ...]:
    model, positions = cut.model, cut.positions
    queries_keys_values = (model.hidden + 2.0 * model.key_value_width) / cut.tensor
    width = model.width / cut.tensor
    return (
        MatrixProduct(positions, model.hidden, queries_keys_values),
        MatrixProduct(positions, model.hidden / cut.tensor, model.hidden),
        MatrixProduct(positions, model.hidden, width, repeat=2.0 if model.gated else 1.0),
        MatrixProduct(positions, width, model.hidden),
    )


def _rest_forward(cut: _Cut) -> Load:
    whole = cut.elements / cut.along
    gate = 1.5 if cut.model.gated else 1.0
    inner = cut.positions * cut.model.width / cut.tensor * gate
    return (
        plain(*_matrices(cut)),
        plain(Stream(_NORM_FORWARD * whole, 2.0), Stream(_DROPOUT_FORWARD * whole, 2.0)),
        plain(Stream(_ACTIVATION_FORWARD * inner)),
    )


def _rest_backward(cut: _Cut) -> Load:
    whole = cut.elements / cut.along
    gate = 1.5 if cut.model.gated else 1.0
    inner = cut.positions * cut.model.width / cut.tensor * gate
    products = [each for matrix in _matrices(cut) for each in gradients(matrix)]
    return (
        plain(*products),
        plain(Stream(_NORM_BACKWARD * whole, 2.0), Stream(_DROPOUT_BACKWARD * whole, 2.0)),
        plain(Stream(_ACTIVATION_BACKWARD * inner)),
    )


def _logits(cut: _Cut) -> MatrixProduct:
    return MatrixProduct(cut.positions, cut.model.hidden, cut.model.vocabulary / cut.tensor)


def _head_forward(cut: _Cut) -> Load:
    logits = _logits(cut)
    loss = Stream(_LOSS_FORWARD * logits.rows * logits.columns)
    return (plain(logits, loss, Stream(_NORM_FORWARD * cut.elements / cut.along)),)


def _head_backward(cut: _Cut) -> Load:
    logits = _logits(cut)
    loss = Stream(_LOSS_BACKWARD * logits.rows * logits.columns)
    norm = Stream(_NORM_BACKWARD * cut.elements / cut.along)
    return (plain(*gradients(logits), loss, norm),)


def _kept(cut: _Cut, recompute: Recompute) -> float:
    """Return the bytes that a layer keeps, for elements of two bytes."""
    if recompute is Recompute.FULL:
        return 2.0 * cut.elements / cut.along
    keys = cut.model.key_value_width / cut.model.hidden
    attention = _KEPT_QUERIES + _KEPT_KEYS * keys
    gate = 1.5 if cut.model.gated else 1.0
    feedforward = _KEPT_FEEDFORWARD * cut.model.width / cut.model.hidden * gate
    kept = cut.elements * (_KEPT_WHOLE / cut.along + (attention + feedforward) / cut.tensor)
    if recompute is Recompute.NONE and not cut.model.flash:
        kept += _KEPT_SCORES * cut.pairs
    return kept


def _head_kept(cut: _Cut) -> float:
    """Return the bytes of the last normalisation, the input of the logits and the fp32 logits."""
    logits = 4.0 * cut.positions * cut.model.vocabulary / cut.tensor
    return 4.0 * cut.elements / cut.along + logits
