"""Progress bars and progress lines as programs print them, one line at a time.

The formats are those of tqdm, of Keras 2 and 3, and of rich, which also draw the bars of PyTorch
Lightning and of the Hugging Face Trainer; real output of each is in the tests. What a line *means*
for the job is decided in `reader`.
"""

from __future__ import annotations

import math
import re
from enum import Enum, auto
from typing import Final, NamedTuple

from noljima.model.bounds import STEPS_MAX


class Style(Enum):
    """Who draws it."""

    TQDM = auto()
    KERAS = auto()
    RICH = auto()


class Bar(NamedTuple):
    """A progress bar as it stands."""

    style: Style
    label: str
    step: float
    total: float | None
    elapsed_s: float | None = None
    unit: str = ""
    step_s: float | None = None
    last_epoch_named: bool = False
    """Whether "Epoch 3/9" names the last epoch rather than counting them, as Lightning's does."""


class Heading(NamedTuple):
    """A line that says which epoch begins, of how many."""

    epoch: int
    epochs: int


class Declared(NamedTuple):
    """A line that says how many epochs there will be."""

    epochs: int


class Log(NamedTuple):
    """A line of figures that the Hugging Face Trainer prints."""

    epoch: float
    evaluated: bool


Item = Bar | Heading | Declared | Log

_NUMBER: Final = r"\d{1,18}(?:\.\d{1,9})?[kMGTPEZY]?"
_CLOCK: Final = r"(?:\d{1,9} days?, )?\d{1,9}(?::\d\d){1,2}"
_PREFIXES: Final = {prefix: 1e3 ** (power + 1) for power, prefix in enumerate("kMGTPEZY")}

# tqdm: {desc}: {percent}%|{bar}| {n}/{total} [{elapsed}<{remaining}, {rate}{postfix}]
_TQDM: Final = re.compile(
    rf"(?P<step>{_NUMBER})/(?P<total>{_NUMBER}|\?) "
    rf"\[(?P<elapsed>{_CLOCK})<[^,\]]{{1,32}}(?:, +(?P<rate>[^,\]]{{1,32}}))?",
    re.ASCII,
)
# tqdm without a total: {desc}: {n}{unit} [{elapsed}, {rate}{postfix}]
_TQDM_OPEN: Final = re.compile(
    rf"(?P<step>{_NUMBER}) ?(?P<unit>[A-Za-z]{{1,16}}) "
    rf"\[(?P<elapsed>{_CLOCK}), +(?P<rate>[^,\]]{{1,32}})",
    re.ASCII,
)
_TQDM_HEAD: Final = re.compile(r":? *(?:\d{1,3}%)?\|[^|]*\| *\Z|:? *\d{1,3}% *\Z|: *\Z", re.ASCII)
_RATE: Final = re.compile(
    rf"(?P<number>{_NUMBER}) ?(?:(?P<per_s>[^\s/]{{1,16}})/s|s/(?P<each>[^\s/]{{1,16}}))\Z",
    re.ASCII,
)
# Keras 2 and 3: 12/938 [==>...] - ETA: 4s - loss: ..., 12/938 ━━━━ 4s 5ms/step - loss: ...
_KERAS: Final = re.compile(
    r"(?P<step>\d{1,15})/(?P<total>\d{1,15}|Unknown)"
    r"(?: \[(?=[=>.])=*>?\.*\]| ━+|(?= - \d)|(?<=Unknown)(?= ))(?P<rest>.*)",
    re.ASCII,
)
_KERAS_STEP: Final = re.compile(r"(?P<number>\d{1,9})(?P<unit>us|ms|s)/step\b", re.ASCII)
# rich: {description} ━━━━╸━━━ {completed}/{total} 0:00:32 • 0:00:40 13.80it/s, or a percentage
_RICH: Final = re.compile(
    r"(?P<label>[^━╸╺]{0,200}?) *[━╸╺]{3,}(?P<rest> .*)\Z",
)
_RICH_COUNT: Final = re.compile(
    rf" *(?:(?P<step>{_NUMBER})/(?P<total>{_NUMBER}|\?)|(?P<percent>\d{{1,3}})%)(?![\w.])",
    re.ASCII,
)
_RICH_CLOCK: Final = re.compile(r"(?<![\d:])(\d{1,9}:\d\d:\d\d)(?![\d:])", re.ASCII)
_RICH_RATE: Final = re.compile(rf"(?<!\S)({_NUMBER})it/s", re.ASCII)
_RICH_LIGHTNING: Final = " • "

_HEADING: Final = re.compile(r"Epoch (\d{1,9})/(\d{1,9})\Z", re.ASCII)
_DECLARED: Final = re.compile(r"Num Epochs = ([\d,]{1,12})\Z")
_LOG_EPOCH: Final = re.compile(r"'epoch': '?(\d{1,9}(?:\.\d{1,18})?(?:e-\d{1,2})?)'?[,}]", re.ASCII)
_STEP_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def read(line: str) -> Item | None:
    """Say what a line tells of progress; None where it tells nothing."""
    if line.startswith("{'"):
        return _log(line)
    if "poch" in line:
        heading = _heading(line)
        if heading is not None:
            return heading
    if "━" in line or "╸" in line or "╺" in line:
        return _keras(line) or _rich(line)
    if "/" not in line:
        return None
    return _tqdm(line) or _keras(line)


def _heading(line: str) -> Heading | Declared | None:
    found = _HEADING.match(line)
    if found is not None:
        return Heading(int(found[1]), int(found[2]))
    found = _DECLARED.search(line)
    if found is not None:
        digits = found[1].replace(",", "")
        return Declared(int(digits)) if digits else None
    return None


def _log(line: str) -> Log | None:
    found = _LOG_EPOCH.search(line)
    if found is None or "'train_runtime'" in line:
        return None
    return Log(float(found[1]), evaluated="'eval_" in line)


def _tqdm(line: str) -> Bar | None:
    if "[" not in line or not ("<" in line or "/s" in line or "s/" in line):
        return None
    # The last one: another bar may have been left on the same line.
    found = _last(_TQDM, line)
    if found is None:
        found = _last(_TQDM_OPEN, line)
        if found is None:
            return None
        total, unit = None, found["unit"]
    else:
        total, unit = (None if found["total"] == "?" else _count(found["total"])), ""
    step = _count(found["step"])
    if step is None or (total is None and found.re is _TQDM and found["total"] != "?"):
        return None
    step_s, rate_unit = _rate(found["rate"] or "")
    label = _TQDM_HEAD.sub("", line[: found.start()]).strip()
    elapsed_s = _clock_s(found["elapsed"])
    return Bar(Style.TQDM, label, step, total, elapsed_s, unit or rate_unit, step_s)


def _last(pattern: re.Pattern[str], line: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(line):
        found = match
    return found


def _rate(words: str) -> tuple[float | None, str]:
    """Return the seconds for a step, and what a step is called."""
    found = _RATE.match(words)
    if found is None:
        return None, ""
    number = _count(found["number"])
    unit = found["per_s"] or found["each"]
    if not number:
        return None, unit
    return (1.0 / number if found["per_s"] else number), unit


def _keras(line: str) -> Bar | None:
    found = _KERAS.match(line)
    if found is None:
        return None
    total = None if found["total"] == "Unknown" else float(found["total"])
    each = _KERAS_STEP.search(found["rest"])
    step_s = None if each is None else float(each["number"]) * _STEP_UNITS[each["unit"]]
    return Bar(Style.KERAS, "", float(found["step"]), total, None, "step", step_s)


def _rich(line: str) -> Bar | None:
    found = _RICH.match(line)
    if found is None:
        return None
    rest = found["rest"]
    count = _RICH_COUNT.match(rest)
    if count is None:
        return None
    step, total, unit = _count(count["step"] or ""), _count(count["total"] or ""), ""
    if count["percent"] is not None:
        step, total, unit = float(count["percent"]), 100.0, "percent"
    if step is None:
        return None
    clock, rate = _RICH_CLOCK.search(rest), _RICH_RATE.search(rest)
    per_s = None if rate is None else _count(rate[1])
    return Bar(
        Style.RICH,
        found["label"].strip(),
        step,
        total,
        None if clock is None else _clock_s(clock[1]),
        unit,
        1.0 / per_s if per_s else None,
        last_epoch_named=_RICH_LIGHTNING in rest,
    )


def _count(words: str) -> float | None:
    """Return a number such as 938, 1.2k or 3.40M; None where it is beyond any count of steps."""
    if not words or words == "?":
        return None
    scale = _PREFIXES.get(words[-1])
    number = float(words) if scale is None else float(words[:-1]) * scale
    return number if number <= STEPS_MAX else None


def _clock_s(words: str) -> float:
    """Return the seconds of 00:32, 1:02:03 or "2 days, 1:02:03"."""
    days, _, clock = words.rpartition(", ")
    seconds = math.nan
    for part in clock.split(":"):
        seconds = float(part) if math.isnan(seconds) else 60.0 * seconds + float(part)
    return seconds + (86400.0 * float(days.split()[0]) if days else 0.0)
