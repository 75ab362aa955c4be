"""The GPU that PyTorch drives, as `calibrate` measures it."""

from __future__ import annotations

import importlib
from typing import Any, Final

from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.precision import Precision
from noljima.telemetry.calibrate import NoGpuError, described

# PyTorch is loaded at run time, if it is there: its types are not known here.
Torch = Any

_WARM_UP: Final = 3
_REPEATS_MAX: Final = 50
_MEASURED_MS: Final = 50.0
_MILLI: Final = 1e-3


def first() -> TorchGpu:
    """Return the first GPU of this machine, or say why there is none to be measured."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        raise NoGpuError("PyTorch is not installed: pip install 'noljima[torch]'") from None
    if not torch.cuda.is_available():
        raise NoGpuError("PyTorch finds no GPU in this machine")
    return TorchGpu(torch)


class TorchGpu:
    """The first CUDA or ROCm device."""

    def __init__(self, torch: Torch) -> None:
        self._torch = torch
        found = torch.cuda.get_device_properties(0)
        self._device = described(
            str(found.name), float(found.total_memory), int(found.multi_processor_count)
        )
        # Plain fp32: TF32 is a precision of its own.
        torch.backends.cuda.matmul.allow_tf32 = False

    @property
    def device(self) -> Device:
        """What is known of it without measuring."""
        return self._device

    def product_s(self, shape: tuple[int, int, int, int, bool], precision: Precision) -> float:
        """Return the seconds of one matrix product."""
        torch, (batch, rows, depth, columns, batched) = self._torch, shape
        kind = {
            Precision.FP32: torch.float32,
            Precision.FP16: torch.float16,
            Precision.BF16: torch.bfloat16,
        }[precision]
        left = torch.randn(batch, rows, depth, device="cuda", dtype=kind)
        if batched:
            right = torch.randn(batch, depth, columns, device="cuda", dtype=kind)
            return self._timed_s(lambda: torch.bmm(left, right))
        weight = torch.randn(columns, depth, device="cuda", dtype=kind)
        return self._timed_s(lambda: torch.nn.functional.linear(left[0], weight))

    def copy_s(self, size: int) -> float:
        """Return the seconds of copying so many bytes inside its memory."""
        source = self._torch.empty(size, device="cuda", dtype=self._torch.uint8)
        target = self._torch.empty_like(source)
        return self._timed_s(lambda: target.copy_(source))

    def all_reduce_s(self, size: int) -> tuple[int, float]:
        """Return how many GPUs of the machine sum so many bytes up, and in how many seconds."""
        torch = self._torch
        ranks = int(torch.cuda.device_count())
        if ranks < 2:
            return ranks, 0.0
        parts = [torch.zeros(size // 4, device=f"cuda:{rank}") for rank in range(ranks)]
        return ranks, self._timed_s(lambda: torch.cuda.nccl.all_reduce(parts))

    def _timed_s(self, work: Any) -> float:  # noqa: ANN401 - what it returns is PyTorch's
        """Return the seconds of one repetition among enough of them to be measured well."""
        once_ms = self._repeated_ms(work, _WARM_UP)
        repeats = int(min(_REPEATS_MAX, max(1.0, _MEASURED_MS / max(once_ms, _MILLI))))
        return self._repeated_ms(work, repeats) * _MILLI

    def _repeated_ms(self, work: Any, repeats: int) -> float:  # noqa: ANN401 - as above
        begin = self._torch.cuda.Event(enable_timing=True)
        end = self._torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(repeats):
            work()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / repeats
