"""One measured figure with its budget, and what else a measurement brings."""

from __future__ import annotations

from statistics import median

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the table."""

    section: str
    what: str
    values: tuple[float, ...]
    """One for each run."""
    unit: str
    note: str = ""
    budget: float | None = None
    at_least: bool = False
    """Whether the budget is a floor rather than a ceiling."""

    @property
    def value(self) -> float:
        """The median of the runs."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the figure keeps to its budget; None where it has none."""
        if self.budget is None:
            return None
        return self.value >= self.budget if self.at_least else self.value <= self.budget


class Point(msgspec.Struct, frozen=True):
    """A point of a curve that shows how a figure grows."""

    curve: str
    series: str
    size: float
    value: float


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one measurement brings."""

    rows: list[Row] = []
    points: list[Point] = []
    remarks: list[str] = []
    """What was left out, and why."""
    failures: list[str] = []
    """What came to no end."""

    def add(self, other: Result) -> None:
        """Take in another measurement."""
        self.rows += other.rows
        self.points += other.points
        self.remarks += other.remarks
        self.failures += other.failures
