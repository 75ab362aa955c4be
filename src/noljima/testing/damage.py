"""What becomes of a state on a bad disk: one fault at a time, and what the next start makes of it.

Used by the tests and by `python -m bench.journal_faults`, which prints the figures.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from noljima.store import checking
from noljima.store.anchor import read_anchor
from noljima.store.faults import StateError
from noljima.store.folder import Folder, folder_of
from noljima.store.journal import Batch
from noljima.store.notices import Outgoing
from noljima.store.reading import Numbered, Question, Reader
from noljima.store.state import Sizes, State
from noljima.testing.day import SPEC, day, engine_of, header

SIZES: Final = Sizes(reserve_bytes=1 << 12, room_bytes=0)
FILES: Final = ("noljima.db", "noljima.db-wal")
_LARGEST: Final = 1 << 20


class Verdict(StrEnum):
    """What the next start made of a fault."""

    NOTICED = "noticed"
    """It was refused, in words."""
    HARMLESS = "harmless"
    """It was not refused, and all that is read is what was written."""
    SERVED = "served"
    """Something is read that was never written, or something is missing, and nobody says so."""
    BROKE = "broke"
    """It ended in an error that nobody had thought of."""


class Flip(NamedTuple):
    """One bit turned."""

    file: str
    at: int
    bit: int


class Cut(NamedTuple):
    """A file that ends too early; at 0 it is empty."""

    file: str
    at: int


class Gone(NamedTuple):
    """A file that is not there."""

    file: str


class Blank(NamedTuple):
    """A sector that reads as zeros."""

    file: str
    at: int


Fault = Flip | Cut | Gone | Blank
_SECTOR: Final = 512


class Truth(NamedTuple):
    """All that can be read of a state."""

    batches: list[Batch]
    records: list[Numbered]
    outbox: list[Outgoing]
    items: dict[str, dict[str, bytes]]


def crashed_state(folder: Path, days: int = 6) -> Truth:
    """Make a state as a crash leaves it: most of it in the database, a last day in its log.

    Returns all that was acknowledged. The engine's state was kept before the last day, so that a
    start verifies that day alone.
    """
    made = folder.with_name(folder.name + ".made")
    with State.create(made, header(), sizes=SIZES) as state:
        asyncio.run(_live(state, range(days - 1)))
    state = State.open(made, sizes=SIZES)
    asyncio.run(_live(state, range(days - 1, days)))
    shutil.copytree(made, folder)
    state.close()
    truth = read_all(folder_of(made))
    shutil.rmtree(made)
    (folder / "noljima.db-shm").unlink(missing_ok=True)
    return truth


async def _live(state: State, days: range) -> None:
    """Write days one after the other, and keep the engine of the last of them."""
    engine = engine_of(header(SPEC))
    for seed in days:
        engine = engine_of(header(SPEC))
        for batch in day(seed):
            await state.append(*batch)
            engine.handle(*batch.events)
    if days.start == 0:
        await state.save_engine(engine)


def read_all(folder: Folder) -> Truth:
    """Read a state from its first row to its last, with all tables."""
    with Reader(folder) as reader:
        # Recovered behind a damage, it may begin later than with its first row.
        start = reader.head(1) or reader.base()
        return Truth(
            batches=list(reader.batches(start)),
            records=reader.records(Question(limit=_LARGEST)),
            outbox=reader.outbox(limit=_LARGEST),
            items={shelf: reader.items(shelf) for shelf in ("specs", "kept", "era")},
        )


def verdict(folder: Path, truth: Truth, *, full: bool = True) -> Verdict:
    """Say what the next start makes of a state, and what readers would be told by it."""
    places = folder_of(folder)
    (folder / "noljima.db-shm").unlink(missing_ok=True)
    try:
        checked = checking.check(places, full=full)
        found = read_all(places)
    except StateError:
        return Verdict.NOTICED
    except Exception:  # noqa: BLE001 - to be counted, and looked into by hand
        return Verdict.BROKE
    acknowledged = read_anchor(places.anchor).head.sequence
    whole = checked.head.sequence >= acknowledged and found == truth
    return Verdict.HARMLESS if whole else Verdict.SERVED


@contextmanager
def damaged(folder: Path, fault: Fault) -> Iterator[None]:
    """Do damage to a state, and put it right again."""
    path = folder / fault.file
    content = path.read_bytes()
    match fault:
        case Flip(_, at, bit):
            spoiled = bytearray(content)
            spoiled[at] ^= 1 << bit
            path.write_bytes(spoiled)
        case Cut(_, at):
            path.write_bytes(content[:at])
        case Gone():
            path.unlink()
        case Blank(_, at):
            at -= at % _SECTOR
            path.write_bytes(content[:at] + bytes(_SECTOR) + content[at + _SECTOR :])
    try:
        yield
    finally:
        path.write_bytes(content)


def drawn(kind: type[Fault], sizes: dict[str, int], random: Random) -> Fault:
    """Draw a fault of a kind, anywhere in the files, each byte as likely as any other."""
    (file,) = random.choices(list(sizes), weights=list(sizes.values()))
    at = random.randrange(sizes[file])
    if kind is Flip:
        return Flip(file, at, random.randrange(8))
    return Blank(file, at) if kind is Blank else Cut(file, at)


def sizes_of(folder: Path) -> dict[str, int]:
    """Return how long the files are that a fault may be in."""
    there = [file for file in FILES if (folder / file).exists()]
    sizes = {file: (folder / file).stat().st_size for file in there}
    return {file: size for file, size in sizes.items() if size}


def counted(
    folder: Path, truth: Truth, faults: list[Fault], *, full: bool = True
) -> dict[Verdict, list[Fault]]:
    """Try one fault after the other; return them by what became of each."""
    found: dict[Verdict, list[Fault]] = {kind: [] for kind in Verdict}
    for fault in faults:
        with damaged(folder, fault):
            found[verdict(folder, truth, full=full)].append(fault)
    return found
