"""One way in for every kind of trace: the content says what it is, not the name."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

from noljima.workload import jsonl, philly, pods, swf
from noljima.workload.files import TraceError, numbered_lines, open_text
from noljima.workload.trace import Trace


class Format(StrEnum):
    """The kinds of file that can be read."""

    SWF = "Standard Workload Format"
    PHILLY = "Philly CSV"
    OPENB = "openb pod list CSV"
    JSONL = "Noljima JSON lines"


_NUMBERS: Final = re.compile(r"\s*[-+.0-9eE]+(\s+[-+.0-9eE]+)+\s*")
_SHOWN: Final = 60


def read_trace(
    path: Path | str, *, gpus_per_node: int | None = None, strict: bool = False
) -> Trace:
    """Read a trace of any known format; a bare number of GPUs is shaped for `gpus_per_node`."""
    readers: dict[Format, Callable[..., Trace]] = {
        Format.SWF: swf.read,
        Format.PHILLY: philly.read,
        Format.OPENB: pods.read,
        Format.JSONL: jsonl.read,
    }
    return readers[recognise(path)](path, gpus_per_node=gpus_per_node, strict=strict)


def recognise(path: Path | str) -> Format:
    """Say what format a file has, from its first line that is not blank."""
    with open_text(path, errors="replace") as text:
        first = next((words for _, words in numbered_lines(text, path) if words.strip()), None)
    if first is None:
        raise TraceError(path, "is empty")
    found = _format(first.strip())
    if found is None:
        kinds = ", ".join(Format)
        shown = first.strip()[:_SHOWN]
        raise TraceError(path, f"begins with {shown!r}, which is none of: {kinds}")
    return found


def _format(first: str) -> Format | None:
    if first.startswith(";") or _NUMBERS.fullmatch(first):
        return Format.SWF
    if first.startswith("{"):
        return Format.JSONL
    columns = {column.strip() for column in first.split(",")}
    if set(philly.COLUMNS) <= columns:
        return Format.PHILLY
    # Also where the times are missing: its reader says so, which tells more than "unknown".
    if set(pods.COLUMNS) <= columns:
        return Format.OPENB
    return None
