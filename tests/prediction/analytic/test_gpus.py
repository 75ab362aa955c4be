"""The table of GPU types, and where a type's traits come from."""

from __future__ import annotations

import math

import msgspec
import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic import device_table, fitted, fitting, gpus
from noljima.prediction.analytic.device import GIB, Device, plain
from noljima.prediction.analytic.fitting import PROBES, Product
from noljima.prediction.analytic.gpus import Calibration
from noljima.prediction.analytic.precision import Precision

WANTED = ("P100", "V100", "T4", "A100", "A10", "L4", "H100", "H200", "K80", "TITAN-X", "A40")


def calibration(name: str, slower: float = 1.0) -> Calibration:
    """Return what a GPU measures that is an L4, or so many times slower."""
    device = device_table.find("L4")
    blank = [Product(*shape[:4], 1.0, shape[4]) for shape in PROBES]
    logs = fitting.log_errors(
        fitting.sample([blank], [device]), [fitted.TRAITS["L4"]], fitted.SHARED
    )
    probes = tuple(
        product._replace(seconds=math.exp(log) * slower)
        for product, log in zip(blank, logs, strict=True)
    )
    renamed = msgspec.structs.replace(device, name=name, aliases=("L4",))
    return Calibration(device=renamed, probes=probes)


@pytest.mark.parametrize("name", WANTED)
def test_the_usual_types_are_known(name: str) -> None:
    assert device_table.find(name).memory_bytes >= 8 * GIB


@pytest.mark.parametrize("device", device_table.DEVICES, ids=lambda device: device.name)
def test_every_figure_says_where_it_was_published(device: Device) -> None:
    figures = {"peak_flops", "bandwidth", "memory_bytes", "multiprocessors"}

    assert figures <= set(device.sources)
    assert all(device.sources.values())


def test_no_two_types_share_a_name() -> None:
    names = [
        plain(name)
        for device in device_table.DEVICES
        for name in {plain(each) for each in (device.name, *device.aliases)}
    ]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("Tesla V100-PCIE-32GB", "V100"),
        ("nvidia a100-sxm4-80gb", "A100-80GB"),
        ("NVIDIA A100 80GB PCIe", "A100-80GB-PCIe"),
        ("Quadro RTX 6000", "RTX-6000"),
        ("titan x", "TITAN-X"),
    ],
)
def test_a_type_is_found_by_what_its_driver_calls_it(spelt: str, name: str) -> None:
    assert device_table.find(spelt).name == name


@pytest.mark.parametrize(
    ("name", "words"),
    [("H20O", r"did you mean H200\?"), ("abacus", "known: K80, TITAN-X")],
)
def test_an_unknown_type_is_refused_with_what_it_may_have_been(name: str, words: str) -> None:
    with pytest.raises(InvalidFieldError, match=words):
        gpus.gpu(name)


def test_a_type_has_its_own_traits_or_its_kins_or_the_average() -> None:
    own, kin, average = (gpus.gpu(name) for name in ("V100", "V100-SXM", "A10"))

    assert own.traits == kin.traits == fitted.TRAITS["V100"]
    assert average.traits == fitted.POPULATION.mean
    assert own.doubt < kin.doubt < average.doubt


def test_a_calibrated_gpu_is_preferred_by_its_name_and_by_the_tables() -> None:
    measured = calibration("NVIDIA L4", slower=3.0)

    for name in ("L4", "NVIDIA L4", "nvidia-l4"):
        found = gpus.gpu(name, [measured])
        assert found.doubt == gpus.DOUBT_CALIBRATED
        assert found.traits.peak < fitted.TRAITS["L4"].peak - 0.5
    assert gpus.gpu("T4", [measured]).traits == fitted.TRAITS["T4"]


def test_a_gpu_that_no_table_has_is_known_once_it_is_calibrated() -> None:
    measured = msgspec.structs.replace(calibration("Homemade 9000"))
    device = msgspec.structs.replace(measured.device, aliases=())
    measured = msgspec.structs.replace(measured, device=device)

    assert gpus.gpu("homemade-9000", [measured]).device.name == "Homemade 9000"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"probes": ()}, "number of probes: 0 is outside"),
        ({"bandwidth": math.nan}, "bandwidth: nan is outside"),
        ({"link_rate": -1.0}, "link_rate: -1.0 is outside"),
        ({"probes": (Product(1, 1, 1, 1, 0.0),)}, "probe seconds: 0.0 is not a time"),
        ({"probes": (Product(1, 0, 1, 1, 1.0),)}, "probe rows: 0 is outside"),
    ],
)
def test_what_cannot_have_been_measured_is_refused(changed: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidFieldError, match=words):
        msgspec.structs.replace(calibration("L4"), **changed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"peak_flops": {}}, "peak_flops: .* lacks fp32"),
        ({"bandwidth": 0.0}, "bandwidth: 0.0 is outside"),
        ({"memory_bytes": math.inf}, "memory_bytes: inf is outside"),
        ({"multiprocessors": 0}, "multiprocessors: 0 is outside"),
        ({"peak_flops": {Precision.FP32: -1.0}}, "peak_flops of fp32: -1.0 is outside"),
    ],
)
def test_what_is_no_gpu_is_refused(changed: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidFieldError, match=words):
        msgspec.structs.replace(device_table.find("T4"), **changed)
