"""The durable state of a scheduler: its journal with the tables beside it, owned by one process.

`State.create` and `State.open` are two things: a state that should be there and is not is refused,
never begun anew. What `append` has returned from is on the disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec

from noljima import __version__
from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event
from noljima.runtime import snapshot
from noljima.store import beginning, checking, database, recovery, schema, vault
from noljima.store.anchor import Anchor
from noljima.store.books import Books
from noljima.store.chain import UNDECODABLE, Batch, Entry, Era, Head, Note, decode, encode
from noljima.store.checking import ENGINE, Checked, EraAt
from noljima.store.committing import Committer, Desk, data_version
from noljima.store.faults import Fault, StateError
from noljima.store.folder import Folder, folder_of, told
from noljima.store.owner import Owner
from noljima.store.reading import Reader
from noljima.store.reserve import RESERVE_BYTES, ROOM_BYTES, Reserve
from noljima.store.vault import Kept
from noljima.store.writes import DropItem, PutItem, Write

T = TypeVar("T")

ROW_BYTES_MAX: Final = 1 << 28
"""A batch that starts a gang of a million workers is about 40 MB long."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much space is set aside, and with how little left nothing new is accepted."""

    reserve_bytes: int = RESERVE_BYTES
    room_bytes: int = ROOM_BYTES


STANDARD: Final = Sizes()


class State:
    """A state in use; implements `runtime.ports.Journal`."""

    def __init__(self, folder: Folder, owner: Owner, checked: Checked, sizes: Sizes) -> None:
        # Now, while the files that it is taken from are those that run.
        self._code = snapshot.fingerprint()
        self.folder = folder
        """Where what lies."""
        self._owner = owner
        with database.readable(folder.database), ExitStack() as undone:
            self._connection = database.own(folder.database)
            undone.callback(self._connection.close)
            if checked.version < schema.VERSION:
                checked = beginning.migrated(self._connection, checked)
            self._reserve = Reserve(folder.reserve, sizes.reserve_bytes, sizes.room_bytes)
            self._anchor = Anchor(folder.anchor, checked.anchored)
            undone.callback(self._anchor.close)
            with told(folder.anchor, "written"):
                self._anchor.set(checked.head)
            undone.pop_all()
        self.checked = checked
        """What was found when it was opened."""
        self.now = checked.now
        """The era it is in."""
        self._committer = Committer(
            Desk(
                connection=self._connection,
                books=Books(self._connection, checked.total),
                anchor=self._anchor,
                reserve=self._reserve,
                path=folder.database,
                head=checked.head,
                version=data_version(self._connection),
            )
        )
        self._batches_waiting = 0
        self._keeping = asyncio.Lock()
        self._reader: Reader | None = None
        self._closed = False

    @classmethod
    def create(
        cls,
        state: Path | str,
        engine: Mapping[str, object],
        *,
        anchors: Path | str | None = None,
        sizes: Sizes = STANDARD,
    ) -> Self:
        """Begin a new state in a folder that holds none."""
        folder = folder_of(state, anchors)
        with told(folder.root, "made"):
            folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = Owner(folder.lock)
        try:
            beginning.begin(folder, engine)
            return cls(folder, owner, checking.check(folder), sizes)
        except BaseException:
            owner.release()
            raise

    @classmethod
    def open(
        cls,
        state: Path | str,
        *,
        anchors: Path | str | None = None,
        full: bool = False,
        sizes: Sizes = STANDARD,
    ) -> Self:
        """Verify the state in a folder and own it; with `full`, every row and page of it."""
        folder = folder_of(state, anchors)
        if not folder.root.is_dir():
            raise StateError(Fault.MISSING, folder.root, "is no folder", "a state has to be begun")
        owner = Owner(folder.lock)
        try:
            recovery.carry_out(folder)
            beginning.finish(folder)
            try:
                opened = cls(folder, owner, checking.check(folder, full=full), sizes)
            except StateError as refusal:
                if refusal.fault is not Fault.FULL or not folder.reserve.exists():
                    raise
                # What was set aside is enough to open it, and to write down what ends.
                folder.reserve.unlink()
                opened = cls(folder, owner, checking.check(folder, full=full), sizes)
        except BaseException:
            owner.release()
            raise
        opened._sweep()
        return opened

    def __enter__(self) -> Self:
        """Use the state in a with statement, which closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what waits and close."""
        self.close()

    @property
    def head(self) -> Head:
        """The last row that is on the disk."""
        return self._committer.head

    @property
    def commits(self) -> int:
        """How many transactions were needed since the state was opened."""
        return self._committer.commits

    # --- Writing ---

    async def append(
        self, events: Sequence[Event], commands: Sequence[Command], writes: Sequence[Write] = ()
    ) -> None:
        """Write a batch, with what goes into the tables for it, and return when it is on the disk.

        Batches are written in the order of the calls. Where the disk is full nothing is written,
        and the same batch may be tried again.
        """
        if not events:
            raise self._refused("a batch without events cannot be written")
        self._batches_waiting += 1
        try:
            batch = Batch(events=tuple(events), commands=tuple(commands), writes=tuple(writes))
            await _answer(self._put(batch))
        finally:
            self._batches_waiting -= 1

    async def write(self, *writes: Write, words: str = "") -> None:
        """Write what concerns the tables alone; refused where the disk is full."""
        await _answer(self._put(Note(words=words, writes=writes)))

    async def keep(self, name: str, content: bytes, label: str = "") -> None:
        """Keep a large content under a name, in place of the one before."""
        await self._keep(name, content, label, self.head.sequence)

    async def drop(self, name: str) -> None:
        """Keep what is under a name no longer."""
        async with self._keeping:
            await self.write(DropItem(vault.SHELF, vault.checked_name(name)))
            await asyncio.to_thread(self._sweep)

    async def save_engine(self, engine: Engine) -> str:
        """Keep the engine's state, so that the next start need not go through all batches.

        To be called when all that the engine has handled was appended. Returns why it could not be
        kept, in words; nothing is lost then but time.
        """
        if self._batches_waiting:
            return "batches are still being written"
        sequence = self.head.sequence
        try:
            content = snapshot.save(engine)
            if not self.refusal():
                await self._keep(ENGINE, content, self._code, sequence)
        except (snapshot.UnsavableError, StateError) as error:
            return str(error)
        return self.refusal()

    async def begin_era(self, engine: Mapping[str, object], start: bytes = b"") -> None:
        """Let another engine decide from here on: a new one, or one that goes on from a state."""
        if self._batches_waiting:
            raise self._refused("an era begins between two batches")
        writes: list[Write] = [DropItem(vault.SHELF, ENGINE)]
        name = f"era-{self.head.sequence + 1}" if start else ""
        async with self._keeping:
            if start:
                writes.append(await self._store(name, start, "", self.head.sequence))
            era = Era(
                state=self.now.era.state,
                noljima=__version__,
                engine=engine,
                start=name,
                writes=tuple(writes),
            )
            head = await _answer(self._put(era))
            self.now = EraAt(sequence=head.sequence, era=era)
            await asyncio.to_thread(self._sweep)

    def refusal(self) -> str:
        """Say in words why nothing new can be accepted now; empty where it can.

        To be asked before a submission is given to the engine. What was accepted is written also
        on a full disk, as far as the reserve goes.
        """
        if self._closed:
            return "the state is closed"
        if self._committer.broken is not None:
            return str(self._committer.broken)
        if self._reserve.short():
            free_mib = self._reserve.free_bytes() / (1 << 20)
            return (
                f"the disk of {self.folder.root} is full ({free_mib:,.0f} MiB free): what runs"
                " goes on, and new jobs are accepted again when there is room"
            )
        return ""

    # --- Reading ---

    def reader(self) -> Reader:
        """Return what reads the state beside whoever writes; its owner is to close it."""
        return Reader(self.folder)

    def kept(self, name: str) -> bytes | None:
        """Return what is kept under a name; refused where it is not what was handed over."""
        found = self._own_reader().kept(name)
        return None if found is None else vault.fetch(self.folder, name, found)

    def engine_kept(self) -> Kept | None:
        """Return what is known of the engine's kept state; None where there is none."""
        return self._own_reader().kept(ENGINE)

    # --- The end ---

    def close(self) -> None:
        """Write what waits, move the log into the database and let the state go."""
        if self._closed:
            return
        self._closed = True
        self._committer.stop()
        if self._reader is not None:
            self._reader.close()
        try:
            if self._committer.broken is None:
                # On a full disk the log stays, and is moved at the next start.
                with suppress(sqlite3.Error):
                    database.checkpoint(self._connection, "TRUNCATE")
                # Both slots, so that either alone says how far it went.
                with suppress(OSError):
                    self._anchor.set(self.head)
                    self._anchor.set(self.head)
        finally:
            self._connection.close()
            self._anchor.close()
            self._owner.release()

    # --- What the above is made of ---

    def _put(self, entry: Entry) -> Future[Head]:
        """Look at a row once more as a reader will, and hand it over to the thread that writes."""
        if self._closed:
            raise StateError(Fault.BROKEN, self.folder.root, "is closed")
        try:
            payload = encode(entry)
            same = decode(payload) == entry
        except (*UNDECODABLE, TypeError, OverflowError) as error:
            raise self._refused(f"cannot be written: {error}") from None
        if not same:
            raise self._refused("cannot be written: it would read differently")
        if len(payload) > ROW_BYTES_MAX:
            raise self._refused(f"cannot be written: it is longer than {ROW_BYTES_MAX:,} bytes")
        return self._committer.put(payload, essential=isinstance(entry, Batch))

    async def _keep(self, name: str, content: bytes, label: str, sequence: int) -> None:
        async with self._keeping:
            await self.write(await self._store(name, content, label, sequence))
            await asyncio.to_thread(self._sweep)

    async def _store(self, name: str, content: bytes, label: str, sequence: int) -> PutItem:
        vault.checked_name(name)
        digest = await asyncio.to_thread(vault.store, self.folder, name, content)
        kept = Kept(digest=digest, size_bytes=len(content), sequence=sequence, label=label)
        return PutItem(vault.SHELF, name, msgspec.json.encode(kept))

    def _sweep(self) -> None:
        vault.sweep(self.folder, self._own_reader().all_kept())

    def _own_reader(self) -> Reader:
        if self._reader is None:
            self._reader = self.reader()
        return self._reader

    def _refused(self, words: str) -> StateError:
        return StateError(Fault.REFUSED, self.folder.database, words)


async def _answer(done: Future[T]) -> T:
    """Wait for the thread that writes; who gives up waiting does not stop the writing."""
    return await asyncio.shield(asyncio.wrap_future(done))
