"""Plain data to objects, in two rounds: first all of them, then what the changeable ones hold."""

from __future__ import annotations

import inspect
import types
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Final

from noljima.runtime.graph import REBUILT, Class, Coded, Graph, UnsavableError, of_core, shape_of


def read_graph(graph: Graph) -> object:
    """Build the objects again and return the first."""
    try:
        return _Reader(graph).run()
    except (
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        ImportError,
        RecursionError,
    ) as error:
        raise UnsavableError(f"does not fit this program: {error}") from None


class _Reader:
    def __init__(self, graph: Graph) -> None:
        self._coded = graph.objects
        self._classes: list[Callable[..., Any]] = [_class_of(one) for one in graph.classes]
        self._built: dict[int, Any] = {}
        self._fill_objects: list[Callable[[], None]] = []
        # After all fields are there: what is a key may be hashed by its fields.
        self._fill_containers: list[Callable[[], None]] = []

    def run(self) -> object:
        """Build everything and return the first."""
        for number in range(len(self._coded)):
            self._object(number)
        for fill in (*self._fill_objects, *self._fill_containers):
            fill()
        found: object = self._built[0]
        return found

    def value(self, coded: Coded) -> Any:  # noqa: ANN401 - whatever was written
        """Return what a field, a member or a key holds."""
        return self._object(coded[0]) if isinstance(coded, list) else coded

    def values(self, coded: Iterable[Coded]) -> list[Any]:
        """Return what several of them hold."""
        return [self.value(one) for one in coded]

    def _object(self, number: int) -> Any:  # noqa: ANN401 - whatever was written
        if number not in self._built:
            kind, *rest = self._coded[number]
            assert isinstance(kind, str)
            self._built[number] = _MAKERS[kind](self, *rest)
        return self._built[number]

    def a_sequence(
        self, made: list[object] | deque[object], coded: Iterable[Coded]
    ) -> list[object] | deque[object]:
        """Make a list or a queue, to be filled later."""
        self._fill_objects.append(lambda: made.extend(self.values(coded)))
        return made

    def a_set(self, coded: Iterable[Coded]) -> set[object]:
        """Make a set, to be filled last."""
        made: set[object] = set()
        self._fill_containers.append(lambda: made.update(self.values(coded)))
        return made

    def a_dict(self, made: dict[object, Any], coded: list[Coded]) -> dict[object, Any]:
        """Make a dictionary, to be filled last, in its order."""

        def fill() -> None:
            for key, value in zip(coded[::2], coded[1::2], strict=True):
                made[self.value(key)] = self.value(value)

        self._fill_containers.append(fill)
        return made

    def an_object(self, kind: int, fields: Mapping[str, Coded]) -> object:
        """Make an object of a class of the core, to be filled later."""
        chosen = self._classes[kind]
        assert isinstance(chosen, type)
        made: object = object.__new__(chosen)

        def fill() -> None:
            for name, coded in fields.items():
                object.__setattr__(made, name, self.value(coded))

        self._fill_objects.append(fill)
        return made

    def built(self, kind: int, fields: Mapping[str, Coded]) -> object:
        """Make an object by its class, which checks its fields."""
        return self._classes[kind](**{name: self.value(coded) for name, coded in fields.items()})

    def rebuilt(self, kind: int, fields: Mapping[str, Coded]) -> object:
        """Make an object by its class from the fields that all else follows from."""
        if self._classes[kind] not in REBUILT:
            raise UnsavableError(f"{self._classes[kind]} is not built anew")
        return self.built(kind, fields)

    def method(self, owner: Coded, name: str) -> types.MethodType:
        """Return a method of an object."""
        bound = self.value(owner)
        function = inspect.getattr_static(type(bound), name)
        if not isinstance(function, types.FunctionType):
            raise UnsavableError(f"{name} is no method of {type(bound).__name__}")
        return types.MethodType(function, bound)

    def kind(self, number: int) -> object:
        """Return a class of the core."""
        return self._classes[number]

    def member(self, kind: int, value: Coded) -> object:
        """Return a member of an enumeration."""
        return self._classes[kind](self.value(value))

    def named(self, kind: int, values: Iterable[Coded]) -> object:
        """Return a tuple with names."""
        return self._classes[kind](*self.values(values))


def _array(_: _Reader, dtype: str, shape: list[int], order: str, content: bytes) -> object:
    import numpy as np  # noqa: PLC0415 - an engine over a pool has none

    flat = np.frombuffer(content, np.dtype(dtype)).copy()  # else it could not be changed
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _number(_: _Reader, dtype: str, content: bytes) -> object:
    import numpy as np  # noqa: PLC0415 - an engine over a pool has none

    found: object = np.frombuffer(content, np.dtype(dtype))[0]
    return found


_MAKERS: Final[Mapping[str, Callable[..., object]]] = {
    "int": lambda _, words: int(words),
    "list": lambda reader, coded: reader.a_sequence([], coded),
    "deque": lambda reader, longest, coded: reader.a_sequence(deque(maxlen=longest), coded),
    "tuple": lambda reader, coded: tuple(reader.values(coded)),
    "set": _Reader.a_set,
    "frozenset": lambda reader, coded: frozenset(reader.values(coded)),
    "dict": lambda reader, coded: reader.a_dict({}, coded),
    "counter": lambda reader, coded: reader.a_dict(Counter(), coded),
    "class": _Reader.kind,
    "method": _Reader.method,
    "enum": _Reader.member,
    "named": _Reader.named,
    "built": _Reader.built,
    "rebuilt": _Reader.rebuilt,
    "object": _Reader.an_object,
    "array": _array,
    "number": _number,
}


def _class_of(named: Class) -> Callable[..., Any]:
    """Return a class of the core that still looks as it did."""
    if not of_core(named.module):
        raise UnsavableError(f"{named.module} is outside of the core")
    found: object = import_module(named.module)
    for part in named.name.split("."):
        found = inspect.getattr_static(found, part)
    if not isinstance(found, type):
        raise UnsavableError(f"{named.module}.{named.name} is no class")
    if shape_of(found) != named.shape:
        raise UnsavableError(f"{named.module}.{named.name} holds other fields now")
    return found
