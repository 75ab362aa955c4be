"""The text form of Prometheus (0.0.4): families of samples, written line by line.

It is written here because it is so little: the client library would be 0.7 MB of the core's last
megabyte and 50 ms of imports, for a registry of changing values where all figures are at hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

import msgspec

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NO_LABELS: Final[Mapping[str, str]] = {}


class Form(StrEnum):
    """What kind of number a family is."""

    COUNTER = "counter"
    """Only grows, until the program is started anew."""
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Sample(msgspec.Struct, frozen=True):
    """One number; None and what is no number are left out."""

    value: float | None
    labels: Mapping[str, str] = NO_LABELS
    suffix: str = ""
    """What a part of a histogram is called besides."""


class Family(msgspec.Struct, frozen=True):
    """Samples of one name."""

    name: str
    form: Form
    words: str
    samples: tuple[Sample, ...]


def written(families: Iterable[Family]) -> bytes:
    """Write all families; one without a known number is left out whole."""
    return "".join(line for family in families for line in _lines(family)).encode()


def _lines(family: Family) -> Iterator[str]:
    known = [each for each in family.samples if each.value is not None]
    known = [each for each in known if each.value is not None and math.isfinite(each.value)]
    if not known:
        return
    yield f"# HELP {family.name} {_escaped(family.words)}\n"
    yield f"# TYPE {family.name} {family.form}\n"
    for sample in known:
        assert sample.value is not None
        yield f"{family.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    # What is half of a character cannot be sent.
    whole = text.encode("utf-8", "replace").decode()
    return _escaped(whole).replace('"', '\\"')
