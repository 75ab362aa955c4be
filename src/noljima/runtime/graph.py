"""A graph of objects as plain data: what `snapshot` makes of an engine.

Each object has a number, and where it is referred to stands its number, so that what was shared
stays shared and circles stay circles. Nothing outside of the core's classes, numpy's arrays and a
few containers is written, and nothing else can be named when it is read.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from noljima.placement.demand import Demand

CORE: Final = ("config", "engine", "model", "placement", "policy", "prediction")
"""The packages whose classes an engine is made of."""

REBUILT: Final[Mapping[type, tuple[str, ...]]] = {Demand: ("gang",)}
"""Built anew from these fields: what else they hold depends on the process, as hashes do."""

Coded = object
"""What msgpack knows: a plain value as itself, or [number] for an object."""


class UnsavableError(Exception):
    """Something that cannot be written down or read back; says what."""


class Class(msgspec.Struct, frozen=True, array_like=True):
    """A class of the core, and what it looked like when its objects were written."""

    module: str
    name: str
    shape: str


class Graph(msgspec.Struct, frozen=True, array_like=True):
    """All objects; the first is the one that was asked for."""

    classes: list[Class]
    objects: list[list[Coded]]
    """Of each its kind and what that kind holds."""


def of_core(module: str) -> bool:
    """Say whether a module belongs to the core."""
    head, _, rest = module.partition(".")
    return head == "noljima" and rest.split(".")[0] in CORE


def slots_of(kind: type) -> tuple[str, ...]:
    """Return the slots of a class and of all before it."""
    found: list[str] = []
    for one in reversed(kind.__mro__):
        slots = one.__dict__.get("__slots__", ())
        found += (slots,) if isinstance(slots, str) else slots
    return tuple(name for name in found if name not in {"__dict__", "__weakref__"})


def shape_of(kind: type) -> str:
    """Describe what the objects of a class hold: other fields make another shape."""
    names = [*slots_of(kind), *getattr(kind, "__struct_fields__", ())]
    make = inspect.getattr_static(kind, "__init__", None)
    if isinstance(make, types.FunctionType):
        names += make.__code__.co_names  # what it sets, among other names
    return sha256(" ".join(names).encode()).hexdigest()[:16]
