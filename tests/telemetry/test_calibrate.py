"""Calibration: the right probes are measured, and their row says what they said."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic import device_table, fitted, fitting, gpus, matmul
from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.matmul import Shapes
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.traits import Shared, Traits, shared_columns, trait_columns
from noljima.telemetry import calibrate, calibrations, torch_gpu
from noljima.telemetry.calibrate import NoGpuError, described
from noljima.telemetry.torch_gpu import TorchGpu


class FakeGpu:
    """A GPU whose times are those of known traits."""

    def __init__(self, name: str = "H100", ranks: int = 1) -> None:
        self._device = device_table.find(name)
        self._traits: Traits[float] = fitted.TRAITS[name]
        self._shared: Shared[float] = fitted.SHARED
        self._ranks = ranks
        self.asked: list[tuple[tuple[int, ...], Precision]] = []

    @property
    def device(self) -> Device:
        return self._device

    def product_s(self, shape: tuple[int, int, int, int, bool], precision: Precision) -> float:
        self.asked.append((shape, precision))
        found = matmul.times(
            Shapes(*(np.array([float(size)]) for size in shape)),
            matmul.machine(self._device, precision),
            trait_columns(np.array(self._traits)),
            shared_columns(np.array(self._shared)),
        )
        return float(np.exp(found.whole[0]))

    def copy_s(self, size: int) -> float:
        return 2.0 * size / (0.8 * self._device.bandwidth)

    def all_reduce_s(self, size: int) -> tuple[int, float]:
        return self._ranks, 2.0 * (self._ranks - 1) / self._ranks * size / 1e11


def ticking(step_s: float) -> Iterator[float]:
    return (step_s * tick for tick in itertools.count())


def test_a_calibrated_gpu_is_predicted_from_what_was_measured() -> None:
    gpu = FakeGpu("H100")
    found = calibrate.calibrate(gpu, lambda: 0.0)
    predicted = gpus.gpu("H100", [found])
    shape = (1, 6144, 2048, 8192, False)
    own = gpu.product_s(shape, Precision.FP32)
    sample = fitting.sample([[fitting.Product(*shape[:4], own)]], [gpu.device])
    off = fitting.log_errors(sample, [predicted.traits], predicted.shared)

    assert found.bandwidth == pytest.approx(0.8 * gpu.device.bandwidth)
    assert found.link_rate is None
    assert predicted.doubt == gpus.DOUBT_CALIBRATED
    assert abs(off[0]) < 0.1


def test_several_gpus_tell_the_rate_of_their_link() -> None:
    found = calibrate.calibrate(FakeGpu(ranks=4), lambda: 0.0)

    assert found.link_rate == pytest.approx(1e11)
    assert gpus.calibrated(found).link_rate == found.link_rate


def test_fp32_comes_first_and_no_probe_begins_after_the_budget() -> None:
    gpu, clock = FakeGpu(), ticking(10.0)
    found = calibrate.calibrate(gpu, lambda: next(clock))

    assert 0 < len(found.probes) < len(fitting.PROBES)
    assert {probe.precision for probe in found.probes} == {Precision.FP32}


def test_matrix_units_are_measured_where_there_are_some() -> None:
    new = calibrate.calibrate(FakeGpu("H100"), lambda: 0.0)
    old = calibrate.calibrate(FakeGpu("V100"), lambda: 0.0)
    none = calibrate.calibrate(FakeGpu("P4"), lambda: 0.0)

    kinds = [{probe.precision for probe in found.probes} for found in (new, old, none)]
    assert [Precision.BF16 in kind for kind in kinds] == [True, False, False]
    assert [Precision.FP16 in kind for kind in kinds] == [False, True, False]


def test_a_probe_that_needs_too_much_memory_is_left_out() -> None:
    gpu = FakeGpu("P4")
    gpu._device = msgspec.structs.replace(gpu.device, memory_bytes=4e9)
    calibrate.calibrate(gpu, lambda: 0.0)

    assert (1, 16_384, 50_272, 4096, False) not in [shape for shape, _ in gpu.asked]


def test_every_probe_is_told() -> None:
    told: list[str] = []
    calibrate.calibrate(FakeGpu(), lambda: 0.0, told.append)

    assert told[0].startswith("fp32 1x1024x1024x1024: ")
    assert told[-1].startswith("copying: ")


def test_a_gpu_with_no_memory_cannot_be_measured() -> None:
    gpu = FakeGpu()
    gpu._device = msgspec.structs.replace(gpu.device, memory_bytes=1000.0)

    with pytest.raises(NoGpuError, match="too little memory"):
        calibrate.calibrate(gpu, lambda: 0.0)


def test_what_the_driver_says_completes_the_table() -> None:
    known = described("NVIDIA A100-SXM4-80GB", 84e9, 108)
    unknown = described("Homemade 9000", 20e9, 70)

    assert (known.name, known.memory_bytes, known.aliases) == (
        "NVIDIA A100-SXM4-80GB",
        84e9,
        ("A100-80GB",),
    )
    assert unknown.peak_flops == device_table.find("RTX-6000").peak_flops
    assert unknown.aliases == ()


def test_a_row_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    found = calibrate.calibrate(FakeGpu(ranks=2), lambda: 0.0)
    path = calibrations.path_of(found)
    calibrations.write(path, found)

    assert path == tmp_path / "noljima" / "gpus" / "h100.json"
    assert calibrations.read_all() == [found]
    assert [each.name for each in path.parent.iterdir()] == ["h100.json"]


def test_without_a_folder_there_are_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert calibrations.read_all() == []
    assert calibrations.folder() == tmp_path / ".local" / "share" / "noljima" / "gpus"


@pytest.mark.parametrize("text", ["", "{}", "[" * 9999, "\udcff", '{"device": 1}'])
def test_a_broken_row_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "gpu.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(InvalidFieldError, match=r"calibration: 'gpu.json' cannot be used"):
        calibrations.read_all(tmp_path)


def test_a_huge_row_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gpu.json").write_bytes(b" " * (1 << 20) + b" ")

    with pytest.raises(InvalidFieldError, match="has more than 1,048,576 bytes"):
        calibrations.read(tmp_path / "gpu.json")


class _Event:
    """A CUDA event on a clock that counts operations, a millisecond each."""

    now_ms = 0.0

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing
        self.at_ms = 0.0

    def record(self) -> None:
        self.at_ms = _Event.now_ms

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end: _Event) -> float:
        return end.at_ms - self.at_ms


class _Tensor:
    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def __getitem__(self, _: int) -> _Tensor:
        return _Tensor(*self.shape[1:])

    def copy_(self, _: _Tensor) -> None:
        _Event.now_ms += 2.0


def _fake_torch(count: int = 1) -> SimpleNamespace:
    """Return as much of PyTorch as is used, where each operation takes a millisecond or two."""

    def compute(*_: object) -> None:
        _Event.now_ms += 1.0

    properties = SimpleNamespace(name="Tesla T4", total_memory=15e9, multi_processor_count=40)
    cuda = SimpleNamespace(
        is_available=lambda: count > 0,
        get_device_properties=lambda _: properties,
        device_count=lambda: count,
        Event=_Event,
        nccl=SimpleNamespace(all_reduce=compute),
    )
    return SimpleNamespace(
        cuda=cuda,
        backends=SimpleNamespace(cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=True))),
        nn=SimpleNamespace(functional=SimpleNamespace(linear=compute)),
        bmm=compute,
        randn=lambda *shape, **_: _Tensor(*shape),
        zeros=lambda *shape, **_: _Tensor(*shape),
        empty=lambda *shape, **_: _Tensor(*shape),
        empty_like=lambda tensor: tensor,
        float32="fp32",
        float16="fp16",
        bfloat16="bf16",
        uint8="uint8",
    )


def test_pytorch_is_asked_for_plain_fp32_and_for_times_between_events() -> None:
    torch = _fake_torch()
    gpu = TorchGpu(torch)

    assert gpu.device.name == "Tesla T4"
    assert torch.backends.cuda.matmul.allow_tf32 is False
    assert gpu.product_s((1, 8, 8, 8, False), Precision.FP32) == pytest.approx(1e-3)
    assert gpu.product_s((4, 8, 8, 8, True), Precision.FP16) == pytest.approx(1e-3)
    assert gpu.copy_s(1000) == pytest.approx(2e-3)
    assert gpu.all_reduce_s(1000) == (1, 0.0)
    ranks, seconds = TorchGpu(_fake_torch(4)).all_reduce_s(1000)
    assert (ranks, round(seconds, 9)) == (4, 1e-3)


@pytest.mark.parametrize("count", [0, 1])
def test_the_first_gpu_is_found_or_the_reason_told(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda _: _fake_torch(count))
    if count:
        assert math.isfinite(torch_gpu.first().device.memory_bytes)
        return
    with pytest.raises(NoGpuError, match="PyTorch finds no GPU in this machine"):
        torch_gpu.first()
