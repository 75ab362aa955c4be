"""A GPU type: what its data sheet says, and by which names people call it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic.precision import Precision

GIB: Final = float(1 << 30)
# Wide enough for any GPU of the next years, narrow enough that sums stay numbers.
_FLOPS_MAX: Final = 1e18
_BANDWIDTH_MAX: Final = 1e15
_MEMORY_MAX: Final = 1e14
_MULTIPROCESSORS_MAX: Final = 100_000


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One GPU as its data sheet has it; rates are per second, memory is in bytes."""

    name: str
    peak_flops: Mapping[Precision, float]
    """Dense peaks; what a sheet calls "with sparsity" is halved."""
    bandwidth: float
    memory_bytes: float
    multiprocessors: int
    link: str = "pcie3"
    """How GPUs of one node reach each other, by its name in `links`."""
    aliases: tuple[str, ...] = ()
    kin: str = ""
    """The measured type whose traits stand for this one's; empty where it has its own or none."""
    sources: Mapping[str, str] = {}
    """Figure or figures -> where it was published."""

    def __post_init__(self) -> None:
        """Refuse what no GPU can be."""
        bounds.text("gpu name", self.name, low=1)
        for precision, flops in self.peak_flops.items():
            _positive(f"peak_flops of {precision}", flops, _FLOPS_MAX)
        if Precision.FP32 not in self.peak_flops:
            raise InvalidFieldError("peak_flops", sorted(self.peak_flops), "lacks fp32")
        _positive("bandwidth", self.bandwidth, _BANDWIDTH_MAX)
        _positive("memory_bytes", self.memory_bytes, _MEMORY_MAX)
        bounds.whole("multiprocessors", self.multiprocessors, low=1, high=_MULTIPROCESSORS_MAX)

    def computed_in(self, wanted: Precision) -> Precision:
        """Return the format whose units compute the one wanted on this GPU."""
        return next(each for each in wanted.fallbacks if each in self.peak_flops)

    def peak(self, wanted: Precision) -> float:
        """Return the peak in FLOP/s of the units that compute the format wanted."""
        return self.peak_flops[self.computed_in(wanted)]


def plain(name: str) -> str:
    """Return a GPU's name without case, maker and separators, so that spellings compare."""
    return re.sub(r"nvidia|tesla|quadro|amd|instinct|geforce|[^a-z0-9]", "", name.lower())


def _positive(field: str, value: float, high: float) -> None:
    if type(value) is not float and type(value) is not int:
        raise InvalidFieldError(field, value, "is not a number")
    if not (math.isfinite(value) and 1.0 <= value <= high):
        raise InvalidFieldError(field, value, f"is outside 1 to {high:g}")
