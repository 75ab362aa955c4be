"""The GPU types that are known by name, with where each figure was published.

Peaks are dense, at the boost clock of the sheet where not said otherwise. What a GPU reaches of
them is not a property of its sheet: that is measured, and lives in `fitted`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic.device import GIB, Device, plain
from noljima.prediction.analytic.precision import Precision

_TERA: Final = 1e12
_GIGA: Final = 1e9


def _peaks(
    fp32: float, half: float | None = None, tf32: float | None = None, fp8: float | None = None
) -> dict[Precision, float]:
    """Return peaks in FLOP/s from TFLOP/s; `half` stands for fp16 and bf16 together."""
    given = {
        Precision.FP32: fp32,
        Precision.TF32: tf32,
        Precision.FP16: half,
        Precision.BF16: half,
        Precision.FP8: fp8,
    }
    return {precision: tera * _TERA for precision, tera in given.items() if tera is not None}


def _fp16_only(fp32: float, fp16: float) -> dict[Precision, float]:
    """Return the peaks of a GPU whose half-precision units know no bf16."""
    return {Precision.FP32: fp32 * _TERA, Precision.FP16: fp16 * _TERA}


def _sheet(sheet: str, paper: str) -> dict[str, str]:
    """Name the sources: rates and memory from the data sheet, the rest from the white paper."""
    return {
        "peak_flops": sheet,
        "bandwidth": sheet,
        "memory_bytes": sheet,
        "multiprocessors": paper,
        "link": sheet,
    }


_KEPLER = _sheet("Tesla K80 board specification BD-07317-001", "NVIDIA Kepler GK110/210 whitepaper")
_MAXWELL = _sheet("GeForce GTX TITAN X specifications", "NVIDIA GeForce GTX 980 whitepaper")
_PASCAL = "NVIDIA Tesla P100 whitepaper WP-08019-001"
_PASCAL_SMALL = "NVIDIA GeForce GTX 1080 whitepaper"
_VOLTA = "NVIDIA Tesla V100 whitepaper WP-08608-001"
_TURING = "NVIDIA Turing GPU architecture whitepaper WP-09183-001"
_AMPERE = "NVIDIA A100 Tensor Core GPU architecture whitepaper"
_AMPERE_SMALL = "NVIDIA Ampere GA102 GPU architecture whitepaper"
_ADA = "NVIDIA Ada GPU architecture whitepaper"
_HOPPER = "NVIDIA H100 Tensor Core GPU architecture whitepaper"
_CDNA = "AMD CDNA 2 architecture whitepaper"

DEVICES: Final = (
    Device(
        # One of the board's two GPUs, at the base clock it keeps where nobody set it higher.
        name="K80",
        peak_flops=_peaks(2.8),
        bandwidth=240 * _GIGA,
        memory_bytes=12 * GIB,
        multiprocessors=13,
        kin="P4",
        sources=_KEPLER,
    ),
    Device(
        name="TITAN-X",
        aliases=("titan x maxwell", "gtx titan x"),
        peak_flops=_peaks(6.144),
        bandwidth=336.5 * _GIGA,
        memory_bytes=12 * GIB,
        multiprocessors=24,
        kin="P4",
        sources=_MAXWELL,
    ),
    Device(
        name="P4",
        peak_flops=_peaks(5.5),
        bandwidth=192 * _GIGA,
        memory_bytes=8 * GIB,
        multiprocessors=20,
        sources=_sheet("NVIDIA Tesla P4 data sheet", _PASCAL_SMALL),
    ),
    Device(
        name="P100",
        aliases=("p100-pcie-16gb", "p100-pcie"),
        peak_flops=_fp16_only(9.3, 18.7),
        bandwidth=732 * _GIGA,
        memory_bytes=16 * GIB,
        multiprocessors=56,
        sources=_sheet("NVIDIA Tesla P100 PCIe data sheet", _PASCAL),
    ),
    Device(
        name="V100",
        aliases=("v100-pcie-32gb", "v100-pcie-16gb", "v100-pcie"),
        peak_flops=_fp16_only(14.0, 112.0),
        bandwidth=900 * _GIGA,
        memory_bytes=32 * GIB,
        multiprocessors=80,
        sources=_sheet("NVIDIA V100 data sheet, PCIe", _VOLTA),
    ),
    Device(
        name="V100-SXM",
        aliases=("v100-sxm2", "v100-sxm2-16gb", "v100-sxm2-32gb"),
        peak_flops=_fp16_only(15.7, 125.0),
        bandwidth=900 * _GIGA,
        memory_bytes=16 * GIB,
        multiprocessors=80,
        link="nvlink2",
        kin="V100",
        sources=_sheet("NVIDIA V100 data sheet, SXM2", _VOLTA),
    ),
    Device(
        name="T4",
        peak_flops=_fp16_only(8.1, 65.0),
        bandwidth=320 * _GIGA,
        memory_bytes=15 * GIB,
        multiprocessors=40,
        sources=_sheet("NVIDIA T4 data sheet", _TURING),
    ),
    Device(
        name="RTX-6000",
        aliases=("rtx6000", "quadro rtx 6000"),
        peak_flops=_fp16_only(16.3, 130.5),
        bandwidth=672 * _GIGA,
        memory_bytes=24 * GIB,
        multiprocessors=72,
        sources=_sheet("NVIDIA Quadro RTX 6000 data sheet", _TURING),
    ),
    Device(
        name="A100-40GB-PCIe",
        aliases=("a100-pcie-40gb",),
        peak_flops=_peaks(19.5, 312, 156),
        bandwidth=1555 * _GIGA,
        memory_bytes=40 * GIB,
        multiprocessors=108,
        link="pcie4",
        sources=_sheet("NVIDIA A100 40GB PCIe product brief", _AMPERE),
    ),
    Device(
        name="A100-80GB-PCIe",
        aliases=("a100 80gb pcie", "a100-pcie-80gb"),
        peak_flops=_peaks(19.5, 312, 156),
        bandwidth=1935 * _GIGA,
        memory_bytes=80 * GIB,
        multiprocessors=108,
        link="pcie4",
        sources=_sheet("NVIDIA A100 data sheet, 80GB PCIe", _AMPERE),
    ),
    Device(
        name="A100-40GB",
        aliases=("a100", "a100-sxm4-40gb", "a100-sxm-40gb"),
        peak_flops=_peaks(19.5, 312, 156),
        bandwidth=1555 * _GIGA,
        memory_bytes=40 * GIB,
        multiprocessors=108,
        link="nvlink3",
        kin="A100-80GB-PCIe",
        sources=_sheet("NVIDIA A100 data sheet, 40GB SXM", _AMPERE),
    ),
    Device(
        name="A100-80GB",
        aliases=("a100-sxm4-80gb", "a100-sxm-80gb"),
        peak_flops=_peaks(19.5, 312, 156),
        bandwidth=2039 * _GIGA,
        memory_bytes=80 * GIB,
        multiprocessors=108,
        link="nvlink3",
        kin="A100-80GB-PCIe",
        sources=_sheet("NVIDIA A100 data sheet, 80GB SXM", _AMPERE),
    ),
    Device(
        name="A10",
        peak_flops=_peaks(31.2, 125, 62.5),
        bandwidth=600 * _GIGA,
        memory_bytes=24 * GIB,
        multiprocessors=72,
        link="pcie4",
        sources=_sheet("NVIDIA A10 data sheet", _AMPERE_SMALL),
    ),
    Device(
        name="A40",
        peak_flops=_peaks(37.4, 149.7, 74.8),
        bandwidth=696 * _GIGA,
        memory_bytes=48 * GIB,
        multiprocessors=84,
        link="pcie4",
        sources=_sheet("NVIDIA A40 data sheet", _AMPERE_SMALL),
    ),
    Device(
        name="L4",
        peak_flops=_peaks(30.3, 121, 60, 242.5),
        bandwidth=300 * _GIGA,
        memory_bytes=24 * GIB,
        multiprocessors=58,
        link="pcie4",
        sources=_sheet("NVIDIA L4 data sheet", _ADA),
    ),
    Device(
        name="H100-PCIe",
        aliases=("h100 80gb pcie",),
        peak_flops=_peaks(51.2, 756, 378, 1513),
        bandwidth=2000 * _GIGA,
        memory_bytes=80 * GIB,
        multiprocessors=114,
        link="pcie5",
        kin="H100",
        sources=_sheet("NVIDIA H100 data sheet, PCIe", _HOPPER),
    ),
    Device(
        name="H100",
        aliases=("h100 80gb hbm3", "h100-sxm", "h100-sxm5", "h100-sxm5-80gb"),
        peak_flops=_peaks(66.9, 989.4, 494.7, 1978.9),
        bandwidth=3350 * _GIGA,
        memory_bytes=80 * GIB,
        multiprocessors=132,
        link="nvlink4",
        sources=_sheet("NVIDIA H100 data sheet, SXM", _HOPPER),
    ),
    Device(
        name="H200",
        aliases=("h200-sxm", "h200-141gb"),
        peak_flops=_peaks(66.9, 989.4, 494.7, 1978.9),
        bandwidth=4800 * _GIGA,
        memory_bytes=141e9,
        multiprocessors=132,
        link="nvlink4",
        kin="H100",
        sources=_sheet("NVIDIA H200 data sheet", _HOPPER),
    ),
    Device(
        name="MI100",
        peak_flops=_peaks(23.1, 184.6),
        bandwidth=1228.8 * _GIGA,
        memory_bytes=32 * GIB,
        multiprocessors=120,
        link="pcie4",
        sources=_sheet("AMD Instinct MI100 brochure", "AMD CDNA architecture whitepaper"),
    ),
    Device(
        name="MI210",
        peak_flops=_peaks(22.6, 181.0),
        bandwidth=1638.4 * _GIGA,
        memory_bytes=64 * GIB,
        multiprocessors=104,
        link="pcie4",
        sources=_sheet("AMD Instinct MI210 data sheet", _CDNA),
    ),
    Device(
        # One of the two dies, which software sees as a GPU each.
        name="MI250",
        peak_flops=_peaks(22.6, 181.0),
        bandwidth=1638.4 * _GIGA,
        memory_bytes=64 * GIB,
        multiprocessors=104,
        link="infinity-fabric",
        sources=_sheet("AMD Instinct MI250 data sheet, half of the package", _CDNA),
    ),
)


def _by_name() -> dict[str, Device]:
    names = ((name, device) for device in DEVICES for name in (device.name, *device.aliases))
    return {plain(name): device for name, device in names}


_DEVICES: Final[Mapping[str, Device]] = MappingProxyType(_by_name())
NAMES: Final = tuple(device.name for device in DEVICES)


def known(name: str) -> Device | None:
    """Return the GPU of this name or alias, however it is spelt, or None."""
    return _DEVICES.get(plain(name))


def find(name: str) -> Device:
    """Return the GPU of this name, or refuse it with what it may have been meant to be."""
    device = known(name)
    if device is not None:
        return device
    near = difflib.get_close_matches(plain(name), _DEVICES, n=1)
    hint = f"did you mean {_DEVICES[near[0]].name}?" if near else f"known: {', '.join(NAMES)}"
    raise InvalidFieldError("gpu", name, f"is not in the table; {hint}")
