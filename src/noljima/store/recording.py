"""What was recorded, whichever way: a journal in JSON Lines, or the journal of a state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from noljima.engine import Engine
from noljima.store import checking, database
from noljima.store.anchor import read_anchor
from noljima.store.checking import EraAt
from noljima.store.faults import Fault, StateError, damaged
from noljima.store.folder import Folder, folder_of
from noljima.store.journal import FORMAT, VERSION, Batch, Header, read_journal
from noljima.store.reading import Reader
from noljima.store.resuming import Build, first_engine

_MAGIC: Final = b"SQLite format 3\0"


class JournalRecording:
    """The whole of a journal in JSON Lines."""

    def __init__(self, path: Path) -> None:
        self.header, self._batches = read_journal(path)

    def engine(self, build: Build) -> Engine:
        """Return the engine that it begins with."""
        return build(self.header.engine)

    def __iter__(self) -> Iterator[Batch]:
        """Go through the batches, once."""
        return self._batches

    @property
    def torn(self) -> str:
        """What is missing at the end, in words; known when the end is reached, mostly nothing."""
        return self._batches.torn

    @property
    def size(self) -> int:
        """How much there is to read."""
        return self._batches.bytes_total

    @property
    def position(self) -> int:
        """How much of it has been read."""
        return self._batches.bytes_read

    def close(self) -> None:
        """Let the file go."""
        self._batches.close()


class StateRecording:
    """One era of a state's journal, a time in which one engine has decided; mostly there is one."""

    def __init__(self, folder: Folder, era: int | None = None) -> None:
        self._folder = folder
        self.position = 0
        with database.readable(folder.database), closing(database.look(folder.database)) as looked:
            version = checking.check_schema(looked, folder.database)
            now = checking.era_now(looked, folder.database, version)
            self.size: int = looked.execute("SELECT max(sequence) FROM journal").fetchone()[0] or 0
        self._reader = Reader(folder)
        try:
            self._now = now if era is None else self._chosen(era)
            self.torn = _missing(folder, self._reader, self.size) if self._now == now else ""
        except BaseException:
            self._reader.close()
            raise
        self.header = Header(
            format=FORMAT,
            version=VERSION,
            noljima=self._now.era.noljima,
            engine=self._now.era.engine,
        )
        self._after = self._reader.base()

    def engine(self, build: Build) -> Engine:
        """Return the engine that the era begins with."""
        engine, self._after, _ = first_engine(self._folder, self._reader, self._now, build)
        return engine

    def __iter__(self) -> Iterator[Batch]:
        """Go through the batches behind where the engine begins; each is verified first."""
        for batch in self._reader.batches(self._after):
            self.position = batch.line
            yield batch

    def close(self) -> None:
        """Let the database go."""
        self._reader.close()

    def _chosen(self, era: int) -> EraAt:
        eras = self._reader.eras()
        if not 1 <= era <= len(eras):
            words = f"has no era {era}: there are {len(eras)}"
            raise StateError(Fault.REFUSED, self._folder.root, words)
        return eras[era - 1]


def open_recording(path: Path, era: int | None = None) -> JournalRecording | StateRecording:
    """Open what was recorded: a journal's file, a state's folder, or the database in it.

    Of a state the present era is taken unless another one is asked for, counted from 1.
    """
    if path.is_dir():
        return StateRecording(folder_of(path), era)
    try:
        with path.open("rb") as file:
            is_database = file.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        is_database = False  # the reader of journals says why
    if is_database:
        folder = folder_of(path.parent)
        if folder.database.name != path.name:
            words = f"is to be in a folder of its own, with the name {folder.database.name}"
            raise StateError(Fault.REFUSED, path, words)
        return StateRecording(folder, era)
    return JournalRecording(path)


def _missing(folder: Folder, reader: Reader, last: int) -> str:
    """Say what the anchor knows of and the journal does not hold, or that there is no anchor."""
    try:
        anchored = read_anchor(folder.anchor).head
    except StateError as error:
        return f"whether rows are missing at the end is not known: {error.words}"
    if last < anchored.sequence:
        return checking.gone(last, anchored.sequence - last, "missing")
    if reader.head(anchored.sequence) != anchored:
        raise damaged(folder.database, f"and its anchor differ at row {anchored.sequence:,}")
    return ""
