"""The measured tables, row by row."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.device_table import find
from noljima.prediction.analytic.fitting import Product

SPEEDS: Final = Path(__file__).parents[3] / "shared" / "data" / "speeds"
KINDS: Final = ("linear", "bmm")
MILLI: Final = 1e-3


class MissingTablesError(Exception):
    """The measured tables are not there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the measured tables are not at {folder}")


def rows(name: str, folder: Path = SPEEDS) -> Iterator[Mapping[str, str]]:
    """Give the rows of a table, by column name."""
    path = folder / f"{name}.csv.gz"
    if not path.is_file():
        raise MissingTablesError(folder)
    with gzip.open(path, "rt", newline="") as lines:
        yield from csv.DictReader(lines)


def products(folder: Path = SPEEDS) -> dict[str, list[Product]]:
    """Return the measured matrix products of each GPU type, by the name in our own table.

    The tables call the depth N and the columns K: their grids and split factors show it.
    """
    found: dict[str, list[Product]] = defaultdict(list)
    for kind in KINDS:
        for row in rows(f"neusight_op_test_{kind}", folder):
            found[find(row["Device"]).name].append(_product(row, batched=kind == "bmm"))
    return dict(found)


def devices(names: list[str]) -> list[Device]:
    """Return the devices of these names."""
    return [find(name) for name in names]


def _product(row: Mapping[str, str], *, batched: bool) -> Product:
    batch, count, depth, columns = (int(row[name]) for name in "BMNK")
    return Product(batch, count, depth, columns, float(row["Latency"]) * MILLI, batched)
