"""An engine that stands where the last one stood: from its kept state, and the batches since.

A kept state is a memory of a replay by the same code. With other code, or where it turns out to be
wrong, all batches of the era are replayed; where the code no longer decides as it did, that is told
and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from noljima import __version__
from noljima.engine import Engine
from noljima.runtime import snapshot
from noljima.runtime.replay import Difference, Replayed, replay
from noljima.runtime.snapshot import UnsavableError
from noljima.store import vault
from noljima.store.chain import Head
from noljima.store.checking import ENGINE, EraAt
from noljima.store.faults import Fault, StateError, damaged
from noljima.store.folder import Folder
from noljima.store.reading import Reader

Build = Callable[[Mapping[str, object]], Engine]
"""Makes a new engine from what an era says of it."""

_HAND_OVER: Final = (
    "end it once with the program that has written it, which keeps the engine's state, and then"
    " hand over"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """An engine that is ready to go on."""

    engine: Engine
    replayed: Replayed
    """What was replayed on top of where it began."""
    began: str
    """What it began with, in words."""
    notes: tuple[str, ...] = ()
    """What was tried before and did not do, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresumed:
    """No engine stands where the last one stood: other code decides otherwise."""

    difference: Difference
    words: str


def resume(folder: Folder, now: EraAt, build: Build) -> Resumed | Unresumed:
    """Build the engine of the present era as the journal says it stands."""
    with Reader(folder) as reader:
        notes: list[str] = []
        kept = _kept(folder, reader, notes, same_code=True)
        if kept is not None:
            engine, at = kept
            replayed = replay(engine, reader.batches(at))
            if replayed.difference is None and _valid(engine, notes):
                began = f"the engine's state after row {at.sequence:,}"
                return Resumed(engine=engine, replayed=replayed, began=began, notes=tuple(notes))
            notes.append(f"the kept state after row {at.sequence:,} does not fit what followed")
        return _from_the_beginning(folder, reader, now, build, notes)


def hand_over(folder: Folder) -> Engine:
    """Take over the engine's kept state with other code than has written it.

    For a new version that does not decide as was decided: an era of its own is to begin with what
    this returns. Only the last row will do, since what followed it was decided by other code.
    """
    with Reader(folder) as reader:
        notes: list[str] = []
        kept = _kept(folder, reader, notes, same_code=False)
        if kept is None:
            words = notes[-1] if notes else "keeps no engine's state"
            raise StateError(Fault.REFUSED, folder.root, words, _HAND_OVER)
        engine, at = kept
        if next(reader.batches(at), None) is not None:
            words = "goes on behind the engine's kept state"
            raise StateError(Fault.REFUSED, folder.root, words, _HAND_OVER)
        if not _valid(engine, notes):
            raise StateError(Fault.REFUSED, folder.root, notes[-1], _HAND_OVER)
        return engine


def _kept(
    folder: Folder, reader: Reader, notes: list[str], *, same_code: bool
) -> tuple[Engine, Head] | None:
    """Return the engine whose state is kept, and after which row; None where there is none."""
    kept = reader.kept(ENGINE)
    if kept is None:
        return None
    if same_code and kept.label != snapshot.fingerprint():
        notes.append("the engine's kept state is of another version of the program")
        return None
    try:
        engine = snapshot.restore(vault.fetch(folder, ENGINE, kept))
        at = reader.head(kept.sequence)
    except (UnsavableError, StateError) as error:
        notes.append(f"the engine's kept state cannot be used: {error}")
        return None
    return None if at is None else (engine, at)


def _valid(engine: Engine, notes: list[str]) -> bool:
    try:
        engine.validate()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not used
        notes.append(f"the engine's kept state is not sound: {error}")
        return False
    return True


def _from_the_beginning(
    folder: Folder, reader: Reader, now: EraAt, build: Build, notes: list[str]
) -> Resumed | Unresumed:
    engine, at, began = first_engine(folder, reader, now, build)
    replayed = replay(engine, reader.batches(at))
    if replayed.difference is None:
        return Resumed(engine=engine, replayed=replayed, began=began, notes=tuple(notes))
    words = (
        f"version {__version__} does not decide as was recorded by {now.era.noljima}: it differs"
        f" at row {replayed.difference.line:,}"
    )
    return Unresumed(difference=replayed.difference, words=words)


def first_engine(
    folder: Folder, reader: Reader, now: EraAt, build: Build
) -> tuple[Engine, Head, str]:
    """Return the engine that an era begins with, and the row behind which its batches are."""
    base = reader.base()
    if base.sequence >= now.sequence:
        # What comes before was lost in a damage, but for the state that was kept then.
        return (*_kept_at(folder, reader, BASE, base), "the state kept where the journal begins")
    at = reader.head(now.sequence)
    if at is None:
        raise damaged(folder.database, "has lost the row that its era begins with")
    if now.era.start:
        began = "the state that its era begins with"
        return (*_kept_at(folder, reader, now.era.start, at), began)
    return build(now.era.engine), at, "a new engine"


BASE: Final = "base"


def _kept_at(folder: Folder, reader: Reader, name: str, at: Head) -> tuple[Engine, Head]:
    kept = reader.kept(name)
    if kept is None:
        raise damaged(folder.vault, f"has lost {name}, which the journal goes on from")
    try:
        return snapshot.restore(vault.fetch(folder, name, kept)), at
    except UnsavableError as error:
        words = f"{name}, which the journal goes on from, is of another version: {error}"
        raise StateError(Fault.VERSION, folder.vault, words) from None
