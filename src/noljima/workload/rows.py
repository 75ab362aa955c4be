"""CSV lists with named columns, and what a row of Alibaba's openb pod lists asks for.

`pods` reads such a list as a trace, with times; `openb` reads it for packing, without. What a row
means and why it is refused is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import GPU, Gang, Resources, TaskGroup
from noljima.workload.files import TraceError, numbered_lines, open_text

POD_COLUMNS: Final = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")

Row = Mapping[str, str]


def read_rows(
    path: Path | str,
    columns: Sequence[str],
    take: Callable[[int, Row], None],
    refuse: Callable[[int, str], None],
) -> None:
    """Hand over each row with its line; `refuse` is told of those that cannot be used, and why.

    A file that lacks a column is refused as a whole. Columns may stand in any order.
    """
    with open_text(path) as text:
        lines = numbered_lines(text, path)
        header = _header(path, next(lines, (1, ""))[1], columns)
        for line, words in lines:
            if not words.strip():
                continue
            try:
                take(line, _fields(header, words))
            except InvalidFieldError as error:
                refuse(line, str(error))


def whole(row: Row, column: str, high: int) -> int:
    """Read a whole number of the row; times are written as such, or with `.0`."""
    words = row[column]
    digits = words.removesuffix(".0")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15):
        raise InvalidFieldError(column, words, "is not a whole number of 0 or more")
    return bounds.whole(column, int(digits), low=0, high=high)


def pod_gang(row: Row) -> Gang:
    """Read what a pod asks for, as a gang of one worker; `T4|P100` means that either will do."""
    gpus = whole(row, "num_gpu", bounds.GPU_COUNT_MAX)
    share = whole(row, "gpu_milli", GPU)
    if gpus > 1 and share != GPU:
        raise InvalidFieldError("gpu_milli", share, f"is not {GPU} for each of {gpus} GPUs")
    each = Resources(
        gpu_milli=gpus * share,
        cpu_milli=whole(row, "cpu_milli", bounds.CPU_MILLI_MAX),
        memory_mib=whole(row, "memory_mib", bounds.MEMORY_MIB_MAX),
    )
    return _gang(each, tuple(part for part in row.get("gpu_spec", "").split("|") if part))


@lru_cache(maxsize=65_536)
def _gang(each: Resources, gpu_types: tuple[str, ...]) -> Gang:
    return Gang((TaskGroup(workers=1, each=each, gpu_types=gpu_types),))


def _header(path: Path | str, words: str, columns: Sequence[str]) -> tuple[str, ...]:
    found = tuple(column.strip() for column in words.split(","))
    missing = [column for column in columns if column not in found]
    if missing:
        raise TraceError(path, f"has no column {', '.join(missing)}", line=1)
    return found


def _fields(header: Sequence[str], words: str) -> Row:
    fields = [field.strip() for field in words.split(",")]
    if len(fields) != len(header):
        raise InvalidFieldError("row", len(fields), f"is not the {len(header)} fields of line 1")
    return dict(zip(header, fields, strict=True))
