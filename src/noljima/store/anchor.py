"""The anchor: the last row that was acknowledged, written a second time outside of the database.

SQLite cannot know that the end of its log was cut off: it reads up to where the log makes sense and
takes that for all. The anchor says how far it must reach. It is one small file with two slots that
are written in turn and in place: one write and one sync for each commit, and a write that a power
cut tears spoils one slot only.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from noljima.store.chain import HASH_BYTES, Head
from noljima.store.faults import RECOVER, Fault, StateError, damaged
from noljima.store.folder import told, write_whole

_WORD: Final = "noljima-anchor"
_VERSION: Final = "1"
_SLOT_BYTES: Final = 4096
"""Each slot in a sector of its own, on any disk."""
_LINE_BYTES: Final = 256
_CHECK_CHARACTERS: Final = 32


class Anchored(NamedTuple):
    """What an anchor says."""

    state: str
    """The name of the state that it belongs to."""
    head: Head
    slot: int
    """Which slot says it."""
    words: str = ""
    """What is wrong with the other slot; mostly nothing."""


def read_anchor(path: Path) -> Anchored:
    """Read the newest slot that is whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise StateError(
            Fault.MISSING, path, "is missing, so that nobody knows where the journal ends", RECOVER
        ) from None
    except OSError as error:
        raise StateError(Fault.MISSING, path, f"cannot be read ({error.strerror})") from None
    slots = [_slot(content, number) for number in (0, 1)]
    whole = [slot for slot in slots if slot is not None]
    if not whole:
        raise damaged(path, "is damaged in both of its slots")
    newest = max(whole, key=lambda slot: slot.head.sequence)
    if len(whole) == 1:
        return newest._replace(words=f"slot {1 - newest.slot} of the anchor was spoiled")
    return newest


def create_anchor(path: Path, state: str, head: Head) -> None:
    """Write a new anchor whose slots say the same."""
    line = _line(state, head).ljust(_SLOT_BYTES, b"\0")
    with told(path, "written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, line * 2)


class Anchor:
    """The anchor of the state that is in use."""

    def __init__(self, path: Path, anchored: Anchored) -> None:
        self._state = anchored.state
        self._slot = anchored.slot
        with told(path, "opened"):
            self._file = os.open(path, os.O_RDWR)

    def set(self, head: Head) -> None:
        """Note the last row in the older slot, and see it onto the disk."""
        slot = 1 - self._slot
        line = _line(self._state, head)
        written = os.pwrite(self._file, line, slot * _SLOT_BYTES)
        assert written == len(line), "a slot lies within one sector"
        os.fdatasync(self._file)
        self._slot = slot

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _line(state: str, head: Head) -> bytes:
    words = f"{_WORD} {_VERSION} {state} {head.sequence} {head.hash.hex()}"
    return f"{words} {_check(words)}\n".encode().ljust(_LINE_BYTES, b"\0")


def _check(words: str) -> str:
    return sha256(words.encode()).hexdigest()[:_CHECK_CHARACTERS]


def _slot(content: bytes, number: int) -> Anchored | None:
    """Read a slot; None where it is not as it was written."""
    line = content[number * _SLOT_BYTES : number * _SLOT_BYTES + _LINE_BYTES]
    try:
        words, _, check = line.rstrip(b"\0").decode("ascii").removesuffix("\n").rpartition(" ")
        word, version, state, sequence, digest = words.split(" ")
        head = Head(int(sequence), bytes.fromhex(digest))
    except ValueError:
        return None
    whole = (word, version) == (_WORD, _VERSION) and len(head.hash) == HASH_BYTES
    return Anchored(state, head, number) if whole and check == _check(words) else None
