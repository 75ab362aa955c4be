"""Measure the GPU in this machine in under a minute: the probes that tell its traits.

The measuring is one thing and the GPU another: `Gpu` is what a measurement needs of one, and
`torch_gpu` is the one that PyTorch drives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Final, Protocol

from noljima.prediction.analytic import device_table, fitting
from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.fitting import Product
from noljima.prediction.analytic.gpus import Calibration
from noljima.prediction.analytic.precision import Precision

BUDGET_S: Final = 45.0
"""After this time no more probes are begun; those of fp32 come first."""
REPEATS: Final = 5
# So small that only the launch counts.
_LAUNCH_PROBE: Final = (1, 64, 64, 64, False)
_HALF_PROBES: Final = (
    # As fp32's, but large enough that matrix units get going.
    (1, 4096, 4096, 4096, False),
    (1, 8192, 8192, 8192, False),
    (96, 1024, 64, 1024, True),
)
_MEMORY_SHARE: Final = 0.5
_COPY_BYTES: Final = 1 << 30
_ALL_REDUCE_BYTES: Final = 1 << 28


class NoGpuError(Exception):
    """There is nothing to measure, or nothing to measure it with; says which in one sentence."""


class Gpu(Protocol):
    """A GPU that can be told to compute."""

    @property
    def device(self) -> Device:
        """What is known of it without measuring."""
        ...

    def product_s(self, shape: tuple[int, int, int, int, bool], precision: Precision) -> float:
        """Return the seconds of one matrix product."""
        ...

    def copy_s(self, size: int) -> float:
        """Return the seconds of copying so many bytes inside its memory."""
        ...

    def all_reduce_s(self, size: int) -> tuple[int, float]:
        """Return how many GPUs of the machine sum so many bytes up, and in how many seconds."""
        ...


def calibrate(
    gpu: Gpu, now_s: Callable[[], float], tell: Callable[[str], None] = lambda _: None
) -> Calibration:
    """Measure the probes, as many as fit into the time and into the GPU's memory."""
    device, end_s = gpu.device, now_s() + BUDGET_S
    found: list[Product] = []
    for shape, precision in _wanted(device):
        if found and now_s() >= end_s:
            break
        if _bytes(shape, precision) <= device.memory_bytes * _MEMORY_SHARE:
            seconds = median(gpu.product_s(shape, precision) for _ in range(REPEATS))
            found.append(Product(*shape[:4], seconds, shape[4], precision))
            tell(f"{precision} {'x'.join(map(str, shape[:4]))}: {1e3 * seconds:.3f} ms")
    if not found:
        raise NoGpuError(f"the {device.name} has too little memory to be measured")
    size = int(min(_COPY_BYTES, device.memory_bytes * _MEMORY_SHARE / 2))
    copied_s = median(gpu.copy_s(size) for _ in range(REPEATS))
    tell(f"copying: {2e-9 * size / copied_s:.0f} GB/s")
    return Calibration(
        device=device,
        probes=tuple(found),
        bandwidth=2.0 * size / copied_s,
        link_rate=_link_rate(gpu, tell),
    )


def described(name: str, memory_bytes: float, multiprocessors: int) -> Device:
    """Return a device of the table with the memory that it has here, or one of unknown speed.

    What is not in the table gets the peaks of the GPU nearest to it in number of multiprocessors;
    its probes then say how much of them it reaches.
    """
    known = device_table.known(name)
    if known is None:
        known = min(
            device_table.DEVICES, key=lambda each: abs(each.multiprocessors - multiprocessors)
        )
    return Device(
        name=name,
        peak_flops=known.peak_flops,
        bandwidth=known.bandwidth,
        memory_bytes=memory_bytes,
        multiprocessors=multiprocessors,
        link=known.link,
        aliases=(known.name,) if device_table.known(name) else (),
        sources={"peak_flops, bandwidth": f"as of {known.name}", "other": "read from the GPU"},
    )


def _wanted(device: Device) -> Iterator[tuple[tuple[int, int, int, int, bool], Precision]]:
    for shape in (*fitting.PROBES, _LAUNCH_PROBE):
        yield shape, Precision.FP32
    for precision in (Precision.BF16, Precision.FP16):
        if precision in device.peak_flops:
            for shape in _HALF_PROBES:
                yield shape, precision
            return


def _link_rate(gpu: Gpu, tell: Callable[[str], None]) -> float | None:
    """Return the bytes a second of a GPU's link in a ring, where there are several GPUs."""
    measured = [gpu.all_reduce_s(_ALL_REDUCE_BYTES) for _ in range(REPEATS)]
    ranks, seconds = measured[0][0], median(each for _, each in measured)
    if ranks < 2:
        return None
    rate = 2.0 * (ranks - 1) / ranks * _ALL_REDUCE_BYTES / seconds
    tell(f"all-reduce over {ranks} GPUs: {rate / 1e9:.1f} GB/s")
    return rate


def _bytes(shape: tuple[int, int, int, int, bool], precision: Precision) -> float:
    batch, rows, depth, columns, _ = shape
    elements = batch * (depth * (rows + columns) + rows * columns)
    return float(elements * precision.element_bytes)
