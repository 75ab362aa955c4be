"""An engine's whole state as bytes, and back: a start that need not replay everything.

What is saved is the graph of objects that an engine is: every object of the core by its class and
its fields, shared ones once. Only classes of the core and a few plain containers are written or
read, so that reading runs no code that the bytes name. A state is a memory of a replay and no more:
`fingerprint` says which code it belongs to, and with other code it is worked out anew.
"""

from __future__ import annotations

import zlib
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Final

import msgspec

from noljima import __version__
from noljima.engine import Engine
from noljima.runtime.graph import CORE, Graph, UnsavableError
from noljima.runtime.graph_reading import read_graph
from noljima.runtime.graph_writing import write_graph

FORMAT: Final = "noljima-engine"
VERSION: Final = 1
BYTES_MAX: Final = 1 << 31
"""What a state may unpack to."""
_LEVEL: Final = 1

__all__ = ["UnsavableError", "code_of", "fingerprint", "restore", "save"]


class _Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the bytes hold once they are unpacked."""

    format: str
    version: int
    code: str
    graph: Graph


def save(engine: Engine) -> bytes:
    """Write down all that an engine is."""
    saved = _Saved(format=FORMAT, version=VERSION, code=fingerprint(), graph=write_graph(engine))
    return zlib.compress(msgspec.msgpack.encode(saved), _LEVEL)


def restore(content: bytes) -> Engine:
    """Build the engine that was written down, which goes on exactly as that one would have.

    The content is to be known as what was saved, by its digest. Code that differs from that which
    has saved it is refused only where a class no longer has the fields that it had.
    """
    engine = read_graph(_read(content).graph)
    if not isinstance(engine, Engine):
        raise UnsavableError("holds no engine")
    return engine


def code_of(content: bytes) -> str:
    """Return the fingerprint of the code that has saved this."""
    return _read(content).code


@cache
def fingerprint() -> str:
    """Return what this code of the core is recognised by: equal ones decide equally."""
    digest = sha256(__version__.encode())
    for package in CORE:
        module = import_module(f"noljima.{package}")
        for path in _sources(module.__file__):
            digest.update(f"{package} {path.name} ".encode() + path.read_bytes())
    return digest.hexdigest()


def _sources(file: str | None) -> list[Path]:
    """Return the source files of a module, or of a package with all that is in it."""
    if file is None or not Path(file).is_file():
        return []  # No files to look at, as in a zip: the version has to do.
    path = Path(file)
    return sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]


def _read(content: bytes) -> _Saved:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(content, BYTES_MAX)
        if not unpacker.eof:
            raise UnsavableError("is cut off, or too large")
        saved = msgspec.msgpack.decode(plain, type=_Saved)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise UnsavableError(f"is no engine's state: {error}") from None
    if (saved.format, saved.version) != (FORMAT, VERSION):
        raise UnsavableError(f"is a {saved.format[:40]!r} of version {saved.version}")
    return saved
