"""Which traits a GPU type has: measured here, measured by others, its kin's, or the average.

How sure they are follows from where they come from, and widens the forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic import device_table, fitted, fitting
from noljima.prediction.analytic.device import Device, plain
from noljima.prediction.analytic.fitting import Product
from noljima.prediction.analytic.kernels import Gpu

# Deviations of ln seconds; docs/analytic.md shows which errors they were read from.
DOUBT_CALIBRATED: Final = 0.2
DOUBT_MEASURED: Final = 0.25
DOUBT_KIN: Final = 0.35
DOUBT_AVERAGE: Final = 0.45

_PROBES_MAX: Final = 1_000
_SIZE_MAX: Final = 10_000_000
_RATE_MAX: Final = 1e15


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GPU as it was measured in the machine that it is in."""

    device: Device
    probes: tuple[Product, ...]
    bandwidth: float | None = None
    """Bytes a second that copying reached, reads and writes together."""
    link_rate: float | None = None
    """Bytes a second of one GPU's link in a ring all-reduce inside the machine."""

    def __post_init__(self) -> None:
        """Refuse what cannot have been measured."""
        bounds.whole("number of probes", len(self.probes), low=1, high=_PROBES_MAX)
        for probe in self.probes:
            for name, size in zip(Product._fields, probe[:4], strict=False):
                bounds.whole(f"probe {name}", size, low=1, high=_SIZE_MAX)
            if not 0.0 < probe.seconds <= bounds.SECONDS_MAX:
                raise InvalidFieldError("probe seconds", probe.seconds, "is not a time")
        for name in ("bandwidth", "link_rate"):
            rate = getattr(self, name)
            if rate is not None and not 1.0 <= rate <= _RATE_MAX:
                raise InvalidFieldError(name, rate, f"is outside 1 to {_RATE_MAX:g}")


def gpu(name: str, calibrations: Sequence[Calibration] = ()) -> Gpu:
    """Return the GPU of this name, as it was calibrated or as the table has it."""
    listed_as = device_table.known(name)
    wanted = {plain(name), plain(listed_as.name) if listed_as else plain(name)}
    for found in calibrations:
        if wanted & {plain(each) for each in (found.device.name, *found.device.aliases)}:
            return calibrated(found)
    return listed(device_table.find(name))


def listed(device: Device) -> Gpu:
    """Return a device of the table with the best traits known for it."""
    for name, doubt in ((device.name, DOUBT_MEASURED), (device.kin, DOUBT_KIN)):
        if name in fitted.TRAITS:
            return Gpu(device, fitted.TRAITS[name], fitted.SHARED, doubt)
    return Gpu(device, fitted.POPULATION.mean, fitted.SHARED, DOUBT_AVERAGE)


def calibrated(found: Calibration) -> Gpu:
    """Return a calibrated device, its traits fitted to its probes."""
    prior = fitted.POPULATION
    if found.bandwidth is not None:
        prior = fitting.with_bandwidth(prior, found.bandwidth / found.device.bandwidth)
    traits = fitting.fit_traits(found.probes, found.device, prior)
    return Gpu(found.device, traits, fitted.SHARED, DOUBT_CALIBRATED, found.link_rate)
