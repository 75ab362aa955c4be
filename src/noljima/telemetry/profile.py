"""What a PyTorch model is made of: operators, operations, parameters and memory."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from noljima.model.bounds import InvalidFieldError
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
from noljima.prediction.analytic.spec import LAYERS_MAX, PARAMETERS_MAX, Declared, amount
from noljima.telemetry import sandbox
from noljima.telemetry.sandbox import Limits, SandboxError

FORMAT: Final = 1
_ENTRY: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_PROBE: Final = Path(__file__).with_name("model_probe.py")
_FLOPS_MAX: Final = 1e24
_BYTES_MAX: Final = 1e18


class _Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The line that the probe answers."""

    format: int
    batch: int
    parameters: int
    forward_flops: float
    backward_flops: float
    kept_bytes: float
    kernels: tuple[tuple[str | int, ...], ...]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A model as it was seen in one forward and one backward pass of `batch` samples."""

    entry: str
    batch: int
    parameters: float
    forward_flops: float
    backward_flops: float
    kept_bytes: float
    """Of activations that the forward pass keeps."""
    model: Declared
    """The operators, for one sample, as a spec takes them."""
    network: str
    """How the model's code was kept from the network: `namespace` or `guard`."""


def profile(entry: str, folder: Path, limits: Limits) -> Profile:
    """Build and run a model in a sandbox; `entry` is `module:function`, found in `folder`."""
    if not _ENTRY.fullmatch(entry):
        raise InvalidFieldError("entry", entry, "is not like module:function")
    if importlib.util.find_spec("torch") is None:
        raise SandboxError("PyTorch is not installed: pip install 'noljima[torch]'")
    answer = sandbox.ask(_PROBE, [str(folder.resolve()), entry], limits)
    try:
        told = msgspec.json.decode(answer.line, type=_Told)
        return _checked(entry, told, answer.network)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise SandboxError(f"answered with something that is no profile: {error}") from None


def _checked(entry: str, told: _Told, network: str) -> Profile:
    if told.format != FORMAT or told.batch < 1:
        raise InvalidFieldError("format", told.format, "is not what this version reads")
    if len(told.kernels) > LAYERS_MAX:
        raise InvalidFieldError("kernels", len(told.kernels), f"is more than {LAYERS_MAX:,}")
    parameters = amount("parameters", told.parameters, high=PARAMETERS_MAX)
    return Profile(
        entry=entry,
        batch=told.batch,
        parameters=parameters,
        forward_flops=amount("forward_flops", told.forward_flops, high=_FLOPS_MAX),
        backward_flops=amount("backward_flops", told.backward_flops, high=_FLOPS_MAX),
        kept_bytes=amount("kept_bytes", told.kept_bytes, high=_BYTES_MAX),
        model=Declared(
            layers=tuple(_layer(kernel, told.batch) for kernel in told.kernels),
            parameters=parameters,
            kept_bytes=told.kept_bytes / told.batch,
        ),
        network=network,
    )


def _layer(kernel: Sequence[str | int], batch: int) -> Layer:
    """Return a kernel for one sample; what does not divide evenly is rounded up."""
    kind, *sizes = kernel
    numbers = [size for size in sizes if type(size) is int and size > 0]
    if kind not in _LAYERS or len(numbers) != len(sizes):
        raise InvalidFieldError("kernel", kernel, "is none")
    return _LAYERS[str(kind)](numbers, batch)


def _linear(sizes: Sequence[int], batch: int) -> Layer:
    rows, inputs, outputs, repeat = sizes
    return Linear(inputs=inputs, outputs=outputs, positions=_each(rows, batch), repeat=repeat)


def _matmul(sizes: Sequence[int], batch: int) -> Layer:
    products, rows, depth, columns, repeat = sizes
    count = _each(products, batch)
    return Matmul(rows=rows, depth=depth, columns=columns, batch=count, repeat=repeat)


def _convolution(sizes: Sequence[int], batch: int) -> Layer:
    samples, inputs, outputs, height, width, taps, wide, stride, groups, high, out, repeat = sizes
    return Convolution(
        inputs=inputs,
        outputs=outputs,
        height=height,
        width=width,
        kernel=taps,
        kernel_width=wide,
        stride=stride,
        groups=groups,
        output_height=high,
        output_width=out,
        repeat=repeat * _each(samples, batch),
    )


def _attention(sizes: Sequence[int], batch: int) -> Layer:
    samples, heads, length, width, repeat = sizes
    heads *= _each(samples, batch)
    return Attention(heads=heads, sequence=length, head_width=width, flash=True, repeat=repeat)


def _elementwise(sizes: Sequence[int], batch: int) -> Layer:
    elements, reads, repeat = sizes
    return Elementwise(elements=_each(elements, batch), reads=reads, repeat=repeat)


def _normalisation(sizes: Sequence[int], batch: int) -> Layer:
    elements, parameters, repeat = sizes
    return Normalisation(elements=_each(elements, batch), parameters=parameters, repeat=repeat)


def _embedding(sizes: Sequence[int], batch: int) -> Layer:
    vocabulary, width, lookups, repeat = sizes
    count = _each(lookups, batch)
    return Embedding(vocabulary=vocabulary, width=width, lookups=count, repeat=repeat)


def _each(whole: int, batch: int) -> int:
    return -(-whole // batch)


_LAYERS: Final[Mapping[str, Callable[[Sequence[int], int], Layer]]] = {
    "linear": _linear,
    "matmul": _matmul,
    "convolution": _convolution,
    "attention": _attention,
    "elementwise": _elementwise,
    "norm": _normalisation,
    "embedding": _embedding,
}
