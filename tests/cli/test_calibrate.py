"""`noljima calibrate` as from a shell; what it measures is tested with the telemetry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.device_table import find
from noljima.prediction.analytic.precision import Precision
from noljima.telemetry import calibrations, torch_gpu
from noljima.telemetry.calibrate import NoGpuError

Run = Callable[..., Result]


class SteadyGpu:
    """A GPU that takes a millisecond for everything."""

    @property
    def device(self) -> Device:
        return find("T4")

    def product_s(self, shape: tuple[int, int, int, int, bool], precision: Precision) -> float:
        del shape, precision
        return 1e-3

    def copy_s(self, size: int) -> float:
        return size / 1e11

    def all_reduce_s(self, size: int) -> tuple[int, float]:
        del size
        return 1, 0.0


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.mark.parametrize(
    "words", ["PyTorch finds no GPU in this machine", "PyTorch is not installed: pip install it"]
)
def test_with_nothing_to_measure_it_says_so_in_one_sentence(
    noljima: Run, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def none() -> torch_gpu.TorchGpu:
        raise NoGpuError(words)

    monkeypatch.setattr(torch_gpu, "first", none)
    result = noljima("calibrate")

    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"noljima: {words}\n")


def test_the_row_goes_where_predict_finds_it(
    noljima: Run, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    monkeypatch.setattr(torch_gpu, "first", SteadyGpu)
    result = noljima("calibrate", "--json")

    assert result.exit_code == 0
    assert [row.device.name for row in calibrations.read_all()] == ["T4"]
    assert json.loads(result.stdout)["bandwidth"] == 2e11
    assert f"products measured; {data / 'noljima' / 'gpus' / 't4.json'}" in result.stderr


def test_the_row_goes_where_it_is_told_to(
    noljima: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch_gpu, "first", SteadyGpu)
    result = noljima("calibrate", "-o", tmp_path / "mine.json")

    assert result.exit_code == 0
    assert calibrations.read(tmp_path / "mine.json").device == find("T4")
    assert calibrations.read_all() == []
