"""Run inside the sandbox: build a model on PyTorch's meta device and tell what it does.

Started as a script, with nothing of the project importable. It answers on standard output with one
line of JSON; whatever the model's code prints goes to standard error. On the meta device tensors
have shapes and no data, so a model of any size is built and run in no memory to speak of.

Every operator that a forward pass runs is noted with its shapes: matrix products, convolutions,
attention, normalisations and embeddings as such, everything else that writes a tensor as elements
read and written. PyTorch's own counter counts the operations of both passes.
"""

from __future__ import annotations

import collections
import importlib
import json
import math
import os
import resource
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

FORMAT = 1
FILE_BYTES_MAX = 16 << 20
_NETWORK = ("socket.", "urllib.", "ftplib.", "smtplib.", "http.")
_NORMS = frozenset(
    {"native_layer_norm", "native_batch_norm", "native_group_norm", "cudnn_batch_norm",
     "_native_batch_norm_legit", "_native_batch_norm_legit_functional", "_fused_rms_norm"}
)  # fmt: skip
_FREE = frozenset(
    {"detach", "empty", "empty_like", "new_empty", "empty_strided", "zeros", "ones", "full",
     "zeros_like", "ones_like", "arange", "scalar_tensor", "_unsafe_view", "lift_fresh", "alias"}
)  # fmt: skip

# PyTorch is loaded at run time, if it is there: its types are not known here.
Torch = Any
Tensor = Any
Operator = Any

Kernel = tuple[str | int, ...]
Kernels = collections.Counter[Kernel]


def main(arguments: list[str]) -> int:
    """Answer for `SECONDS BYTES FOLDER MODULE:FUNCTION`."""
    answer = os.dup(1)
    os.dup2(2, 1)
    seconds, memory, folder, entry = arguments
    _limit(int(seconds), int(memory))
    sys.addaudithook(_without_network)
    sys.path.insert(0, folder)
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        _fail("PyTorch is not installed: pip install 'noljima[torch]'")
    told = _told(torch, *_built(torch, entry))
    os.write(answer, json.dumps(told, allow_nan=False).encode() + b"\n")
    return 0


def _limit(seconds: int, memory: int) -> None:
    """Set hard limits, which nothing that runs later can raise."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _without_network(event: str, _: tuple[object, ...]) -> None:
    if event.startswith(_NETWORK):
        raise PermissionError(f"a model's code may not use the network ({event})")


def _fail(words: str) -> NoReturn:
    sys.stderr.write(f"{words}\n")
    sys.exit(3)


def _built(torch: Torch, entry: str) -> tuple[Tensor, tuple[Tensor, ...], dict[str, Tensor]]:
    """Call the entry on the meta device; return the model and what its forward pass takes."""
    module, _, name = entry.partition(":")
    try:
        build = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        _fail(f"{entry}: {error}")
    with torch.device("meta"):
        made = build()
    if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], torch.nn.Module)):
        _fail(f"{entry} has to return a torch.nn.Module and its inputs, as a pair")
    model, inputs = made
    if isinstance(inputs, dict):
        return model, (), {key: _meta(torch, value) for key, value in inputs.items()}
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    return model, tuple(_meta(torch, value) for value in given), {}


def _meta(torch: Torch, value: Tensor) -> Tensor:
    return value.to("meta") if isinstance(value, torch.Tensor) else value


def _told(
    torch: Torch,
    model: Tensor,
    given: tuple[Tensor, ...],
    named: dict[str, Tensor],
) -> dict[str, object]:
    """Run both passes and put together what was seen."""
    counter = importlib.import_module("torch.utils.flop_counter").FlopCounterMode
    tensors = [each for each in (*given, *named.values()) if isinstance(each, torch.Tensor)]
    if not tensors or not tensors[0].dim():
        _fail("the inputs have no tensor with a batch dimension")
    model = model.to("meta").train()
    kernels: Kernels = collections.Counter()
    kept = _Kept(torch, model)
    with counter(display=False) as forward, _recorder(torch, kernels), kept.watching():
        result = model(*given, **named)
    with counter(display=False) as backward:
        _loss(torch, result).backward()
    return {
        "format": FORMAT,
        "batch": int(tensors[0].shape[0]),
        "parameters": sum(each.numel() for each in model.parameters()),
        "forward_flops": float(forward.get_total_flops()),
        "backward_flops": float(backward.get_total_flops()),
        "kept_bytes": float(kept.bytes),
        "kernels": [[*kernel, count] for kernel, count in kernels.items()],
    }


def _loss(torch: Torch, result: Tensor) -> Tensor:
    """Return a scalar that depends on everything the model returned and learns from."""
    parts = [each.float().sum() for each in _tensors(torch, result) if each.requires_grad]
    if not parts:
        _fail("nothing that the model returns depends on its parameters")
    return sum(parts[1:], parts[0])


def _tensors(torch: Torch, value: Tensor) -> list[Tensor]:
    if isinstance(value, torch.Tensor):
        return [value] if value.is_floating_point() else []
    inner: Iterable[Tensor] = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    return [found for each in inner for found in _tensors(torch, each)]


class _Kept:
    """Bytes that the forward pass keeps for the backward pass, each storage once."""

    def __init__(self, torch: Torch, model: Tensor) -> None:
        self._torch = torch
        self._seen = {each.untyped_storage()._cdata for each in model.parameters()}  # noqa: SLF001 - its identity
        self._held: list[Tensor] = []
        self.bytes = 0

    def watching(self) -> Tensor:
        """Return a context in which tensors that are kept are counted."""
        return self._torch.autograd.graph.saved_tensors_hooks(self._count, lambda kept: kept)

    def _count(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:  # noqa: SLF001 - its identity
            self._seen.add(storage._cdata)  # noqa: SLF001
            self._held.append(tensor)
            self.bytes += storage.nbytes()
        return tensor


def _recorder(torch: Torch, kernels: Kernels) -> Tensor:
    """Return a context in which every operator is noted."""
    base = importlib.import_module("torch.utils._python_dispatch").TorchDispatchMode

    def dispatch(
        _: object,
        operator: Operator,
        __: object,
        given: tuple[Tensor, ...] = (),
        named: dict[str, Tensor] | None = None,
    ) -> Tensor:
        result = operator(*given, **(named or {}))
        kernel = _kernel(torch, operator, given, result)
        if kernel:
            kernels[kernel] += 1
        return result

    return type("Recorder", (base,), {"__torch_dispatch__": dispatch})()


def _kernel(
    torch: Torch,
    operator: Operator,
    given: tuple[Tensor, ...],
    result: Tensor,
) -> Kernel:
    """Return an operator as its kind and sizes; nothing for one that moves no data."""
    name = operator.overloadpacket.__name__
    if name in _FREE or _is_view(operator):
        return ()
    if name in _SHAPES:
        return _SHAPES[name](given, result)
    written = _numbers(torch, result)
    if name in _NORMS:
        weight = given[2] if name == "native_layer_norm" else given[1]
        return ("norm", written[0], weight.numel() if isinstance(weight, torch.Tensor) else 1)
    read = _numbers(torch, given)
    if not written or not written[0]:
        return ()
    return ("elementwise", written[0], max(1, math.ceil(sum(read) / written[0])))


def _is_view(operator: Operator) -> bool:
    aliases = [each.alias_info for each in operator._schema.returns]  # noqa: SLF001 - the only way
    return bool(aliases) and all(alias is not None and not alias.is_write for alias in aliases)


def _numbers(torch: Torch, value: Tensor) -> list[int]:
    """Return the number of elements of each tensor in a value."""
    if isinstance(value, torch.Tensor):
        return [int(value.numel())]
    if isinstance(value, list | tuple):
        return [number for each in value for number in _numbers(torch, each)]
    return []


def _product(left: Tensor, right: Tensor) -> Kernel:
    return ("linear", int(left.shape[0]), int(left.shape[1]), int(right.shape[1]))


def _batched(left: Tensor, right: Tensor) -> Kernel:
    batch, rows, depth = (int(size) for size in left.shape)
    return ("matmul", batch, rows, depth, int(right.shape[2]))


def _convolution(given: tuple[Tensor, ...], result: Tensor) -> Kernel:
    """Return a convolution as a two-dimensional one.

    Of one dimension it has height 1; of three, the first is folded into samples and channels. A
    transposed one does what the one from its result to its image does.
    """
    image, weight, stride, groups = given[0], given[1], given[3], int(given[8])
    large, small = (result, image) if given[6] else (image, result)
    deep = image.dim() == 5
    return (
        "convolution",
        int(image.shape[0]) * (int(small.shape[2]) if deep else 1),
        int(large.shape[1]) * (int(weight.shape[2]) if deep else 1),
        int(small.shape[1]),
        *_plane(large.shape),
        *_plane(weight.shape),
        int(stride[-1]),
        groups,
        *_plane(small.shape),
    )


def _plane(shape: Iterable[int]) -> tuple[int, int]:
    height, width = [1, *list(shape)[2:]][-2:]
    return int(height), int(width)


def _attention(given: tuple[Tensor, ...], _: object) -> Kernel:
    batch, heads, length, width = (int(size) for size in given[0].shape)
    return ("attention", batch, heads, length, width)


def _embedding(given: tuple[Tensor, ...], _: object) -> Kernel:
    table, lookups = given[:2]
    return ("embedding", int(table.shape[0]), int(table.shape[1]), int(lookups.numel()))


_SHAPES: dict[str, Callable[[tuple[Tensor, ...], Tensor], Kernel]] = {
    "mm": lambda given, _: _product(*given[:2]),
    "addmm": lambda given, _: _product(*given[1:3]),
    "bmm": lambda given, _: _batched(*given[:2]),
    "baddbmm": lambda given, _: _batched(*given[1:3]),
    "convolution": _convolution,
    "embedding": _embedding,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
