"""Objects to plain data: each one that is met gets the next number."""

from __future__ import annotations

import types
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

import msgspec

from noljima.runtime.graph import (
    REBUILT,
    Class,
    Coded,
    Graph,
    UnsavableError,
    of_core,
    shape_of,
    slots_of,
)

_PLAIN: Final = frozenset({type(None), bool, float, str, bytes})
_WHOLE_MAX: Final = 1 << 63
_SEQUENCES: Final = frozenset({list, tuple, set})
_MAPPINGS: Final = frozenset({dict, Counter})
_NUMBERS: Final = "biuf"
"""The kinds of numpy's types that are numbers."""


def write_graph(root: object) -> Graph:
    """Write down an object and all that it refers to."""
    writer = _Writer()
    writer.code(root)
    return Graph(writer.classes, writer.run())


class _Writer:
    def __init__(self) -> None:
        self.classes: list[Class] = []
        self._numbers: dict[int, int] = {}
        self._class_numbers: dict[type, int] = {}
        # Also keeps alive what was made on the way, so that no other object gets its identity.
        self._objects: list[object] = []
        self._memory: dict[int, int] = {}
        self._slots: dict[type, tuple[str, ...]] = {}

    def run(self) -> list[list[Coded]]:
        """Write all objects that have a number, until no new one is met."""
        written: list[list[Coded]] = []
        while len(written) < len(self._objects):
            written.append(self._written(self._objects[len(written)]))
        return written

    def code(self, value: object) -> Coded:
        """Return a plain value as itself, and the number of any other."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is int and isinstance(value, int) and -_WHOLE_MAX <= value < _WHOLE_MAX:
            return value
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return [number]

    def _codes(self, values: Iterable[object]) -> list[Coded]:
        return [self.code(value) for value in values]

    def _pairs(self, values: Mapping[object, object]) -> list[Coded]:
        return [self.code(one) for pair in values.items() for one in pair]

    def _written(self, value: object) -> list[Coded]:
        kind = type(value)
        written = self._container(kind, value)
        if written is None and kind.__module__.partition(".")[0] == "numpy":
            written = self._numpy(value)
        if written is None:
            written = self._named(kind, value)
        return self._object(kind, value) if written is None else written

    def _container(self, kind: type, value: object) -> list[Coded] | None:
        """Write what Python itself holds things in; None where it is no such thing."""
        match value:
            case list() | tuple() | set() if kind in _SEQUENCES:
                return [kind.__name__, self._codes(value)]
            case dict() if kind in _MAPPINGS:
                return [kind.__name__.lower(), self._pairs(value)]
            case deque():
                return ["deque", value.maxlen, self._codes(value)]
            case frozenset():
                return self._frozenset(value)
            case int() if kind is int:
                return ["int", str(value)]
            case _:
                return None

    def _named(self, kind: type, value: object) -> list[Coded] | None:
        """Write what is known by its name in a class; None where it is no such thing."""
        match value:
            case type():
                return ["class", self._class(value)]
            case types.MethodType():
                return ["method", self.code(value.__self__), value.__name__]
            case Enum():
                return ["enum", self._class(kind), self.code(value.value)]
            case tuple():
                return ["named", self._class(kind), self._codes(value)]
            case _:
                return None

    def _object(self, kind: type, value: object) -> list[Coded]:
        if kind in REBUILT:
            return ["rebuilt", self._class(kind), self._fields(value, REBUILT[kind])]
        if isinstance(value, msgspec.Struct):
            return ["built", self._class(kind), self._fields(value, value.__struct_fields__)]
        number = self._class(kind)
        if kind not in self._slots:
            self._slots[kind] = slots_of(kind)
        names = (*self._slots[kind], *getattr(value, "__dict__", ()))
        return ["object", number, self._fields(value, names)]

    def _fields(self, value: object, names: Iterable[str]) -> dict[str, Coded]:
        return {name: self.code(getattr(value, name)) for name in names if hasattr(value, name)}

    def _class(self, kind: type) -> int:
        number = self._class_numbers.get(kind)
        if number is None:
            name = f"{kind.__module__}.{kind.__qualname__}"
            if not of_core(kind.__module__) or "<" in kind.__qualname__:
                raise UnsavableError(f"{name} is no class of the core")
            if issubclass(kind, list | dict | set | BaseException):
                raise UnsavableError(f"{name} holds more than its fields")
            number = self._class_numbers[kind] = len(self.classes)
            self.classes.append(Class(kind.__module__, kind.__qualname__, shape_of(kind)))
        return number

    def _numpy(self, value: object) -> list[Coded]:
        import numpy as np  # noqa: PLC0415 - an engine over a pool has none

        if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in _NUMBERS:
            raise UnsavableError(f"numpy's {type(value).__name__} cannot be written down")
        if isinstance(value, np.generic):
            return ["number", value.dtype.str, value.tobytes()]
        base: object = value
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        if self._memory.setdefault(id(base), id(value)) != id(value):
            raise UnsavableError("two arrays share their memory")
        flags = value.flags
        order: str = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
        content = value.tobytes("F" if order == "F" else "C")
        return ["array", value.dtype.str, list(value.shape), order, content]

    def _frozenset(self, value: frozenset[object]) -> list[Coded]:
        # Its members are hashed before other objects have got their fields.
        if not all(isinstance(one, str | int | float | Enum | tuple) for one in value):
            raise UnsavableError("a frozen set of more than plain values")
        return ["frozenset", self._codes(sorted(value, key=repr))]
