"""YAML as plain values, read from the parser's events: no objects, no references, no surprises.

Values are those of YAML 1.2's core: `no` is a text, `010` is a text, `12:30` is a text. What could
grow (aliases), hide (merge keys, duplicates) or run something (tags) is refused, with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NoReturn

import yaml

from noljima.model.bounds import InvalidFieldError

DEPTH_MAX: Final = 8
NODES_MAX: Final = 20_000
SCALAR_MAX: Final = 1 << 20
Path = tuple[str | int, ...]
_INT: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:e[-+]?\d+)?|[-+]?\.inf|\.nan", re.ASCII | re.IGNORECASE
)
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}


def read(field: str, text: str) -> tuple[object, dict[Path, int]]:
    """Read one document; return its value, and the line of each value in it."""
    reader = _Reader(field)
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        return reader.document(events), reader.lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f", line {mark.line + 1}"
        problem = error.problem or error.context or "it is broken"
        raise InvalidFieldError(field + where, "", f"is no YAML: {problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        found = text[error.position : error.position + 1]
        limit = "is no YAML: it has a control character"
        raise InvalidFieldError(f"{field}, line {line}", found, limit) from None


class _Reader:
    """Builds values from events, and counts what it builds."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._nodes = 0
        self.lines: dict[Path, int] = {}

    def document(self, events: Iterator[yaml.Event]) -> object:
        """Read the one document that there may be."""
        value: object = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, "---", "begins a second document: a file is one job")
            elif isinstance(event, yaml.NodeEvent):
                value = self._value(event, events, ())
        return value

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> object:
        self._look_at(event, path)
        self.lines[path] = _line(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        assert isinstance(event, yaml.ScalarEvent)
        return _scalar(event)

    def _look_at(self, event: yaml.Event, path: Path) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            self._refuse(event, self._nodes, f"is more than {NODES_MAX:,} values")
        if len(path) > DEPTH_MAX:
            self._refuse(event, len(path), f"is deeper than {DEPTH_MAX} levels")
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"*{event.anchor}", "is an alias: write the value out")
        if getattr(event, "anchor", None) is not None:
            self._refuse(
                event, f"&{getattr(event, 'anchor', '')}", "is an anchor: write values out"
            )
        if getattr(event, "tag", None) is not None:
            self._refuse(event, getattr(event, "tag", ""), "is a tag: only plain values are read")

    def _sequence(self, events: Iterator[yaml.Event], path: Path) -> list[object]:
        values: list[object] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            values.append(self._value(event, events, (*path, len(values))))
        return values

    def _mapping(self, events: Iterator[yaml.Event], path: Path) -> dict[str, object]:
        values: dict[str, object] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, path)
            if key in values:
                self._refuse(event, key, "is there twice")
            values[key] = self._value(next(events), events, (*path, key))
            self.lines[(*path, key)] = _line(event)
        return values

    def _key(self, event: yaml.Event, path: Path) -> str:
        self._look_at(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event, "?", "is a key that is no text")
        if event.value == "<<" and event.implicit[0]:
            self._refuse(event, "<<", "is a merge key: write the values out")
        return str(event.value)

    def _refuse(self, event: yaml.Event, value: object, limit: str) -> NoReturn:
        raise InvalidFieldError(f"{self._field}, line {_line(event)}", value, limit)


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1


def _scalar(event: yaml.ScalarEvent) -> object:
    """Give a plain word its meaning; what is quoted is text."""
    words = str(event.value)
    if not event.implicit[0]:
        return words
    if words.lower() in _WORDS:
        return _WORDS[words.lower()]
    if _INT.fullmatch(words):
        return int(words)
    if _FLOAT.fullmatch(words) and not words.isdigit():
        return float(words.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return words
