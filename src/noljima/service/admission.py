"""Submissions between the door and the disk: what is written with them, and who waits for that."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from noljima.service import shelves
from noljima.service.handed import Handed
from noljima.store.writes import PutItem, Write
from noljima.submission.nouns import Submission


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a submission with an idempotency key has become."""

    digest: str
    """Of what was handed in: the same key for something else is a mistake."""
    bases: tuple[str, ...]
    at_s: float = 0.0


class Admission:
    """What one question has handed in, as it is on its way."""

    def __init__(self, handed: tuple[Handed, ...], next_name: int, key: str, at_s: float) -> None:
        self.handed = handed
        self.first = handed[0].jobs()[0]
        """The job whose event brings all of it to the disk."""
        self.key = key
        self.what = key_of(tuple(each.submission for each in handed), handed, at_s)
        self.written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next_name = next_name
        self._bodies = [each.encoded() for each in handed]

    @property
    def size_bytes(self) -> int:
        """What it takes on the disk, about."""
        jobs = sum(len(each.jobs()) for each in self.handed)
        return sum(map(len, self._bodies)) + 1000 * jobs

    def writes(self) -> Iterator[Write]:
        """Give what is written with its jobs."""
        yield PutItem(shelves.SERVICE, shelves.NEXT, str(self._next_name).encode())
        for handed, body in zip(self.handed, self._bodies, strict=True):
            yield PutItem(shelves.SPECS, handed.base, body)
        if self.key:
            yield PutItem(shelves.KEYS, self.key, msgspec.json.encode(self.what))


def key_of(submissions: tuple[Submission, ...], handed: tuple[Handed, ...], at_s: float) -> Key:
    """Say what a key stands for."""
    bases = tuple(each.base for each in handed)
    return Key(digest=digest(submissions), bases=bases, at_s=at_s)


def digest(submissions: tuple[Submission, ...]) -> str:
    """Return what submissions are compared by."""
    return hashlib.sha256(_encode(submissions)).hexdigest()


def read_key(body: bytes) -> Key:
    """Read what was kept."""
    return _key.decode(body)


_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_key: Final[msgspec.json.Decoder[Key]] = msgspec.json.Decoder(Key)
