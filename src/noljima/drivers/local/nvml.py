"""GPUs by NVIDIA's management library.

Every call can fail: the GPU is too old to know the answer, or has just fallen off the bus. What
fails is "not read".
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar, cast

from noljima.drivers.local.gpus import Gpu, GpuReading, Xid

_MIB: Final = 1 << 20
_GPU_IS_LOST: Final = 15
_UNCORRECTED: Final = 1
_SINCE_LOADED: Final = 0
_GPU_SENSOR: Final = 0
_SENT: Final = 0
_RECEIVED: Final = 1
_XID_EVENT: Final = 0x8

T = TypeVar("T")


class NoGpusError(Exception):
    """There is no NVIDIA driver here, or it does not answer; says so in words."""


class _Memory(Protocol):
    total: int
    used: int


class _Utilisation(Protocol):
    gpu: int


class _Process(Protocol):
    pid: int
    usedGpuMemory: int | None


class _Event(Protocol):
    device: object
    eventData: int


class Library(Protocol):
    """What is used of `pynvml`; a handle is the library's own business."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int) -> object: ...
    def nvmlDeviceGetIndex(self, handle: object) -> int: ...
    def nvmlDeviceGetUUID(self, handle: object) -> str | bytes: ...
    def nvmlDeviceGetName(self, handle: object) -> str | bytes: ...
    def nvmlDeviceGetMemoryInfo(self, handle: object) -> _Memory: ...
    def nvmlDeviceGetUtilizationRates(self, handle: object) -> _Utilisation: ...
    def nvmlDeviceGetPowerUsage(self, handle: object) -> int: ...
    def nvmlDeviceGetEnforcedPowerLimit(self, handle: object) -> int: ...
    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int: ...
    def nvmlDeviceGetPcieThroughput(self, handle: object, counter: int) -> int: ...
    def nvmlDeviceGetRemappedRows(self, handle: object) -> Sequence[int]: ...
    def nvmlDeviceGetTotalEccErrors(self, handle: object, kind: int, since: int) -> int: ...
    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> Sequence[_Process]: ...
    def nvmlEventSetCreate(self) -> object: ...
    def nvmlEventSetFree(self, events: object) -> None: ...
    def nvmlDeviceRegisterEvents(self, handle: object, kinds: int, events: object) -> None: ...
    def nvmlEventSetWait_v2(self, events: object, wait_ms: int) -> _Event: ...


class NvmlGpus:
    """The GPUs that NVML finds. Of one GPU's methods only one runs at a time."""

    def __init__(self, library: Library) -> None:
        self._library = library
        try:
            library.nvmlInit()
            count = library.nvmlDeviceGetCount()
            self._handles = [library.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
            self._gpus = [self._found(index) for index in range(count)]
        except library.NVMLError as error:
            raise NoGpusError(f"NVML finds no GPUs: {error}") from error
        self._events = self._registered()

    def found(self) -> Sequence[Gpu]:
        """Return the GPUs in the order of NVML, which is that of their slots."""
        return self._gpus

    def read(self, index: int) -> GpuReading:
        """Read what this GPU tells."""
        library, handle = self._library, self._handles[index]
        rows = self._try(lambda: library.nvmlDeviceGetRemappedRows(handle))
        counters = (_SENT, _RECEIVED)
        pcie = self._try(
            lambda: sum(
                library.nvmlDeviceGetPcieThroughput(handle, counter) for counter in counters
            )
        )
        return GpuReading(
            utilisation=self._try(lambda: library.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            memory_used_mib=self._try(lambda: library.nvmlDeviceGetMemoryInfo(handle).used / _MIB),
            power_w=self._thousandth(lambda: library.nvmlDeviceGetPowerUsage(handle)),
            power_limit_w=self._thousandth(lambda: library.nvmlDeviceGetEnforcedPowerLimit(handle)),
            temperature_c=self._try(lambda: library.nvmlDeviceGetTemperature(handle, _GPU_SENSOR)),
            pcie_bytes_per_s=None if pcie is None else pcie * 1000.0,
            uncorrected_errors=self._try(
                lambda: library.nvmlDeviceGetTotalEccErrors(handle, _UNCORRECTED, _SINCE_LOADED)
            ),
            remapped_rows=None if rows is None else rows[0] + rows[1],
            remap_pending=None if rows is None else bool(rows[2]),
            remap_failed=None if rows is None else bool(rows[3]),
            process_memory_mib=self._processes(handle),
            lost=self._lost(handle),
        )

    @property
    def tells_xids(self) -> bool:
        """Whether at least one GPU lets itself be listened to."""
        return self._events is not None

    def await_xid(self, wait_s: float) -> Xid | None:
        """Wait for the next error of any GPU."""
        if self._events is None:
            return None
        library, events = self._library, self._events
        event = self._try(lambda: library.nvmlEventSetWait_v2(events, max(int(wait_s * 1e3), 1)))
        if event is None:
            return None
        index = self._try(lambda: library.nvmlDeviceGetIndex(event.device))
        return None if index is None else Xid(gpu=index, number=event.eventData)

    def close(self) -> None:
        """Let go of the library."""
        if self._events is not None:
            events, self._events = self._events, None
            self._try(lambda: self._library.nvmlEventSetFree(events))
        self._try(self._library.nvmlShutdown)

    def _found(self, index: int) -> Gpu:
        handle = self._handles[index]
        uuid = _text(self._library.nvmlDeviceGetUUID(handle))
        return Gpu(
            index=index,
            visible_as=uuid,
            memory_mib=self._library.nvmlDeviceGetMemoryInfo(handle).total // _MIB,
            uuid=uuid,
            model=_text(self._library.nvmlDeviceGetName(handle))[:64],
        )

    def _registered(self) -> object | None:
        library = self._library
        events = self._try(library.nvmlEventSetCreate)
        if events is None:
            return None
        told = 0
        for handle in self._handles:
            try:
                library.nvmlDeviceRegisterEvents(handle, _XID_EVENT, events)
                told += 1
            except library.NVMLError:
                continue
        return events if told else None

    def _try(self, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except self._library.NVMLError:
            return None

    def _thousandth(self, ask: Callable[[], int]) -> float | None:
        found = self._try(ask)
        return None if found is None else found / 1000

    def _processes(self, handle: object) -> dict[int, float] | None:
        found = self._try(lambda: self._library.nvmlDeviceGetComputeRunningProcesses(handle))
        if found is None:
            return None
        return {each.pid: (each.usedGpuMemory or 0) / _MIB for each in found}

    def _lost(self, handle: object) -> bool:
        """Ask for something that every GPU knows; one that is gone says so."""
        try:
            self._library.nvmlDeviceGetUUID(handle)
        except self._library.NVMLError as error:
            return getattr(error, "value", None) == _GPU_IS_LOST
        return False


def find() -> NvmlGpus:
    """Return the GPUs of this machine; raise `NoGpusError` where there is no way to them."""
    try:
        library = importlib.import_module("pynvml")
    except ImportError as error:
        raise NoGpusError("nvidia-ml-py is not installed") from error
    return NvmlGpus(cast("Library", library))


def _text(name: str | bytes) -> str:
    """Return a name: older libraries give bytes."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
