"""Numbers as they go into the page: as short as a plot can do with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def short(value: float, digits: int = 1) -> float | int | None:
    """Round for JSON: a whole number loses its point, NaN is null."""
    if math.isnan(value):
        return None
    rounded = round(value, digits)
    return int(rounded) if rounded.is_integer() else rounded


def whole(column: NDArray[np.number], digits: int) -> list[float | int | None]:
    """Round a column to some digits after the point."""
    return [short(value, digits) for value in column.astype(np.float64).tolist()]


def significant(column: NDArray[np.floating]) -> list[float | None]:
    """Round a column to five significant digits."""
    return [None if math.isnan(value) else float(f"{value:.5g}") for value in column.tolist()]
