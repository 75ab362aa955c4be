"""The chain: what a row of the journal holds, and how each row vouches for all before it.

A row's hash covers the hash before it, its own number, what the tables add up to after it, and its
bytes. So the last hash, kept in a second place too (`anchor`), vouches for every bit before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from noljima.model.commands import Command
from noljima.model.events import Event
from noljima.store.writes import Write

NOTHING: Final = bytes(32)
"""The hash before the first row."""
HASH_BYTES: Final = 32
SUM_BYTES: Final = 16


class Head(NamedTuple):
    """A row of the chain by its number and hash."""

    sequence: int
    hash: bytes


START: Final = Head(0, NOTHING)


class _Entry(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag=True,
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Base of what a row holds."""


class Era(_Entry, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """From here on a new engine decides; the first row is one."""

    state: str
    """The name of this state: chance, so that no anchor fits another state."""
    noljima: str
    """The version of the program that begins it."""
    engine: Mapping[str, object]
    """How the engine is built: what `noljima.app.EngineSpec` holds."""
    start: str = ""
    """The digest of the engine's state to begin with; empty for a new engine."""
    writes: tuple[Write, ...] = ()


class Batch(_Entry, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """What happened in one moment, what was decided, and what goes into the tables for it."""

    events: tuple[Event, ...]
    commands: tuple[Command, ...] = ()
    writes: tuple[Write, ...] = ()


class Note(_Entry, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """What concerns the tables alone, or somebody who reads the journal."""

    words: str = ""
    writes: tuple[Write, ...] = ()


Entry = Era | Batch | Note

encode: Final = msgspec.json.Encoder().encode
_decoder: Final[msgspec.json.Decoder[Entry]] = msgspec.json.Decoder(Entry)
# Not only msgspec's own errors: names of fields are decoded by other means, and nesting has an end.
UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)


def decode(payload: bytes) -> Entry:
    """Read what a row holds; raises one of `UNDECODABLE` where it is none."""
    return _decoder.decode(payload)


def link(before: bytes, sequence: int, total: bytes, payload: bytes) -> bytes:
    """Return the hash of a row."""
    return sha256(b"".join((before, sequence.to_bytes(8), total, payload))).digest()


class Row(NamedTuple):
    """A row as it stands in the database."""

    sequence: int
    total: bytes
    """What all seals of the tables add up to after this row."""
    hash: bytes
    payload: bytes

    def follows(self, before: Head) -> bool:
        """Say whether this row is the next after another, bit by bit as it was written."""
        return (
            self.sequence == before.sequence + 1
            and type(self.payload) is bytes
            and type(self.total) is bytes
            and self.hash == link(before.hash, self.sequence, self.total, self.payload)
        )

    @property
    def head(self) -> Head:
        """Its link of the chain."""
        return Head(self.sequence, self.hash)
