"""The GPUs of this machine: what they are, what can be read of them, and what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from noljima.model import bounds
from noljima.model.node import GPUS_PER_NODE_MAX


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU."""

    index: int
    """Its place in the node, as placements count."""
    visible_as: str
    """What names it in `CUDA_VISIBLE_DEVICES`, whatever became of the others."""
    memory_mib: int
    uuid: str = ""
    model: str = ""


class GpuReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What can be read of a GPU at one moment; None is "not read", never zero."""

    utilisation: float | None = None
    """The share of time that any kernel was on it."""
    memory_used_mib: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: float | None = None
    pcie_bytes_per_s: float | None = None
    uncorrected_errors: int | None = None
    """Of its memory, since the driver was loaded."""
    remapped_rows: int | None = None
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    process_memory_mib: dict[int, float] | None = None
    """What each process has of its memory."""
    lost: bool = False
    """Whether the driver says that it has fallen off the bus."""


class Xid(msgspec.Struct, frozen=True, kw_only=True):
    """An error that the GPU's driver reports; its number says which."""

    gpu: int
    number: int


class Gpus(Protocol):
    """A source of GPUs; reading may take its time and is done beside the event loop."""

    def found(self) -> Sequence[Gpu]:
        """Return all GPUs, in the order of their index."""
        ...

    def read(self, index: int) -> GpuReading:
        """Read what can be read of one GPU."""
        ...

    def await_xid(self, wait_s: float) -> Xid | None:
        """Wait so long for the next error; None where none came."""
        ...

    @property
    def tells_xids(self) -> bool:
        """Whether errors are told at all."""
        ...

    def close(self) -> None:
        """Let go of the GPUs' driver."""
        ...


class VirtualGpus:
    """GPUs that are not there: for machines without, on which jobs run all the same."""

    def __init__(self, count: int, memory_mib: int = 0) -> None:
        bounds.whole("gpus", count, low=0, high=GPUS_PER_NODE_MAX)
        bounds.whole("gpu memory_mib", memory_mib, low=0, high=bounds.GPU_MEMORY_MIB_MAX)
        memory_mib = memory_mib or bounds.GPU_MEMORY_MIB_MAX
        self._gpus = [
            Gpu(index=index, visible_as=str(index), memory_mib=memory_mib) for index in range(count)
        ]

    def found(self) -> Sequence[Gpu]:
        """Return as many GPUs as were asked for."""
        return self._gpus

    def read(self, index: int) -> GpuReading:  # noqa: ARG002 - there is nothing to read of any
        """Return nothing: there is nothing to read."""
        return GpuReading()

    @property
    def tells_xids(self) -> bool:
        """Say no."""
        return False

    def await_xid(self, wait_s: float) -> Xid | None:  # noqa: ARG002 - it never comes
        """Return at once: what is not there has no errors."""
        return None

    def close(self) -> None:
        """Do nothing."""
