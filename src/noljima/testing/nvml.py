"""NVIDIA's management library without a GPU: what it answers is what a test sets."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

MIB: Final = 1 << 20
_TIMEOUT: Final = 10
_NOT_SUPPORTED: Final = 3
_GPU_IS_LOST: Final = 15

T = TypeVar("T")


class FakeNvmlError(Exception):
    """What the library raises; `value` is its number for it."""

    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


class FakeMemory:
    """Memory of a GPU, in bytes."""

    def __init__(self, total: int, used: int) -> None:
        self.total = total
        self.used = used


class FakeUtilisation:
    """How busy a GPU is, in hundredths."""

    def __init__(self, gpu: int) -> None:
        self.gpu = gpu


class FakeProcess:
    """A process that uses a GPU."""

    def __init__(self, pid: int, used: int | None) -> None:
        self.pid = pid
        self.usedGpuMemory = used


class FakeEvent:
    """An error of a GPU."""

    def __init__(self, device: object, number: int) -> None:
        self.device = device
        self.eventData = number


class FakeGpu:
    """One GPU; what is None is not supported by it."""

    def __init__(self, index: int, memory_mib: int = 81_920) -> None:
        self.index = index
        self.uuid = f"GPU-{index:08d}-0000-0000-0000-000000000000"
        self.name = "NVIDIA H100 80GB HBM3"
        self.memory_mib = memory_mib
        self.used_mib: int | None = 0
        self.utilisation: int | None = 0
        self.power_mw: int | None = 70_000
        self.limit_mw: int | None = 700_000
        self.temperature_c: int | None = 30
        self.pcie_kb: int | None = 0
        self.remapped: tuple[int, int, int, int] | None = (0, 0, 0, 0)
        self.uncorrected: int | None = 0
        self.processes: dict[int, int | None] | None = {}
        self.tells_events = True
        self.lost = False


class FakeNvml:
    """Stands for the module `pynvml`."""

    NVMLError: type[Exception] = FakeNvmlError

    def __init__(self, count: int = 8, *, missing: bool = False) -> None:
        self.gpus = [FakeGpu(index) for index in range(count)]
        self._missing = missing
        self._events: queue.Queue[FakeEvent] = queue.Queue()
        self.shut_down = False

    def tell_xid(self, gpu: int, number: int) -> None:
        """Let a GPU report an error."""
        self._events.put(FakeEvent(self.gpus[gpu], number))

    # The library's own functions.

    def nvmlInit(self) -> None:
        if self._missing:
            raise FakeNvmlError(12)

    def nvmlShutdown(self) -> None:
        self.shut_down = True

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:
        return self.gpus[index]

    def nvmlDeviceGetIndex(self, handle: object) -> int:
        return _ask(handle, lambda gpu: gpu.index)

    def nvmlDeviceGetUUID(self, handle: object) -> str:
        return _ask(handle, lambda gpu: gpu.uuid)

    def nvmlDeviceGetName(self, handle: object) -> bytes:
        return _ask(handle, lambda gpu: gpu.name.encode())

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> FakeMemory:
        used = _ask(handle, lambda gpu: gpu.used_mib)
        return FakeMemory(_ask(handle, lambda gpu: gpu.memory_mib) * MIB, used * MIB)

    def nvmlDeviceGetUtilizationRates(self, handle: object) -> FakeUtilisation:
        return FakeUtilisation(_ask(handle, lambda gpu: gpu.utilisation))

    def nvmlDeviceGetPowerUsage(self, handle: object) -> int:
        return _ask(handle, lambda gpu: gpu.power_mw)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: object) -> int:
        return _ask(handle, lambda gpu: gpu.limit_mw)

    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int:
        return _ask(handle, lambda gpu: gpu.temperature_c)

    def nvmlDeviceGetPcieThroughput(self, handle: object, counter: int) -> int:
        return _ask(handle, lambda gpu: gpu.pcie_kb)

    def nvmlDeviceGetRemappedRows(self, handle: object) -> Sequence[int]:
        return _ask(handle, lambda gpu: gpu.remapped)

    def nvmlDeviceGetTotalEccErrors(self, handle: object, kind: int, since: int) -> int:
        return _ask(handle, lambda gpu: gpu.uncorrected)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> Sequence[FakeProcess]:
        found = _ask(handle, lambda gpu: gpu.processes)
        return [FakeProcess(pid, used) for pid, used in found.items()]

    def nvmlEventSetCreate(self) -> object:
        return self._events

    def nvmlEventSetFree(self, events: object) -> None:
        assert events is self._events

    def nvmlDeviceRegisterEvents(self, handle: object, kinds: int, events: object) -> None:
        _ask(handle, lambda gpu: gpu.tells_events or None)

    def nvmlEventSetWait_v2(self, events: object, wait_ms: int) -> FakeEvent:
        try:
            return self._events.get(timeout=wait_ms / 1e3)
        except queue.Empty:
            raise FakeNvmlError(_TIMEOUT) from None


def _ask(handle: object, what: Callable[[FakeGpu], T | None]) -> T:
    assert isinstance(handle, FakeGpu)
    if handle.lost:
        raise FakeNvmlError(_GPU_IS_LOST)
    answer = what(handle)
    if answer is None:
        raise FakeNvmlError(_NOT_SUPPORTED)
    return answer
