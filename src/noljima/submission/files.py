"""Job files: YAML or TOML, told apart by their names, read into a draft."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Final

from noljima.model.bounds import InvalidFieldError
from noljima.submission.drafts import Draft, Surroundings
from noljima.submission.keys import draft_of

BYTES_MAX: Final = 2 << 20
YAML: Final = (".yaml", ".yml")
TOML: Final = (".toml",)
_TOML_DEPTH_MAX: Final = 8
_MARKS: Final = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\xef\xbb\xbf": "a byte order mark"}
_PLACE: Final = re.compile(r" \(at line (\d+), column \d+\)$")
_Lines = Mapping[tuple[str | int, ...], int]


def read(name: str, raw: bytes, around: Surroundings) -> Draft:
    """Read what a file says of a job; refuse in words with the file's name and the line."""
    suffix = PurePath(name).suffix.lower()
    shown = PurePath(name).name
    if suffix not in (*YAML, *TOML):
        limit = "is no job file: its name ends neither in .yaml nor in .toml"
        raise InvalidFieldError("job file", shown, limit)
    text = text_of(shown, raw)
    found, lines = _toml(shown, text) if suffix in TOML else _yaml(shown, text)
    if not isinstance(found, Mapping):
        raise InvalidFieldError(shown, found, "is no table of keys, such as name: train")
    try:
        return draft_of(found, around)
    except InvalidFieldError as error:
        where = _where(shown, error, lines)
        raise InvalidFieldError(f"{where}: {error.field}", error.value, error.limit) from None


def read_path(path: Path, around: Surroundings) -> Draft:
    """Read a file of this machine."""
    with path.open("rb") as file:
        return read(path.name, file.read(BYTES_MAX + 1), around)


def text_of(field: str, raw: bytes, *, high: int = BYTES_MAX) -> str:
    """Return the text of a file: UTF-8 without a mark, and not without end."""
    if len(raw) > high:
        raise InvalidFieldError(field, len(raw), f"bytes are more than {high:,}")
    for mark, words in _MARKS.items():
        if raw.startswith(mark):
            raise InvalidFieldError(f"{field}, line 1", mark, f"is {words}: save it as plain UTF-8")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        wrong = raw[error.start : error.start + 1]
        raise InvalidFieldError(f"{field}, line {line}", wrong, "is not UTF-8") from None


def _yaml(field: str, text: str) -> tuple[object, _Lines]:
    from noljima.submission import yaml_texts  # noqa: PLC0415 - 20 ms, only for YAML

    return yaml_texts.read(field, text)


def _toml(field: str, text: str) -> tuple[object, _Lines]:
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise InvalidFieldError(field, "", f"is deeper than {_TOML_DEPTH_MAX} levels") from None
    except (tomllib.TOMLDecodeError, ValueError) as error:
        words = str(error)
        place = _PLACE.search(words)
        where = f"{field}, line {place[1]}" if place else field
        raise InvalidFieldError(where, "", f"is no TOML: {_PLACE.sub('', words)}") from None
    _look_at(field, found, 0)
    return found, _lines_of(text)


def _look_at(field: str, value: object, depth: int) -> None:
    """Refuse what goes too deep, and whole numbers that no one could even print."""
    if depth > _TOML_DEPTH_MAX:
        raise InvalidFieldError(field, depth, f"is deeper than {_TOML_DEPTH_MAX} levels")
    if type(value) is int and abs(value) >= 1 << 63:
        raise InvalidFieldError(field, hex(value)[:20], "begins a number of more than 63 bits")
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in below:
        _look_at(field, each, depth + 1)


def _lines_of(text: str) -> dict[tuple[str | int, ...], int]:
    """Find the lines of the keys that are not in a table; tomllib does not tell them."""
    found: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("["):
            found.setdefault((line.strip("[] "),), number)
            continue
        key, mark, _ = line.partition("=")
        if mark:
            found.setdefault((key.strip().strip("\"'"),), number)
    return found


def _where(field: str, error: InvalidFieldError, lines: _Lines) -> str:
    """Find the line of what was refused: the deepest part of its path that has one."""
    words = error.field.partition(":")[0].split(".")
    path: tuple[str | int, ...] = tuple(int(word) if word.isdigit() else word for word in words)
    if error.field == "key":
        path = (str(error.value),)
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return f"{field}, line {lines[path[:length]]}"
    return field
