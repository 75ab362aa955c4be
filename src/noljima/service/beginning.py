"""How a scheduler begins: anew, or where the last one stood; never empty by mistake."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from noljima.engine import Engine
from noljima.engine.succession import succeed
from noljima.model.commands import Command, Evict, Start, Stop
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId
from noljima.runtime import snapshot
from noljima.service import naming, shelves
from noljima.service.handed import Handed, read_handed
from noljima.service.ledger import Ledger
from noljima.service.office import Build, Header
from noljima.service.past import read_past
from noljima.store import resuming
from noljima.store.faults import Fault, StateError
from noljima.store.folder import folder_of
from noljima.store.reading import Reader
from noljima.store.resuming import Unresumed
from noljima.store.state import State

_PASSABLE: Final = 0o711
"""Users of the machine go through to the socket and to their jobs' own folders, and see nothing."""
_NOBODY: Final = JobId("another")


class Found(NamedTuple):
    """The engine that a scheduler begins with."""

    engine: Engine
    words: tuple[str, ...]
    new_era: bool
    """Whether it decides otherwise than what stands in the journal so far."""


def open_state(
    root: Path, wanted: Callable[[Header | None], Header], *, new: bool
) -> tuple[State, bool]:
    """Open the state in a folder, or begin one where none was; say whether it is new.

    A folder that is there and holds no state is refused unless a new one is asked for: it may be a
    disk that is not mounted, or a state that somebody has deleted.
    """
    fresh = new or not root.exists()
    os.umask(0o077)
    state = State.create(root, wanted(None)) if fresh else _opened(root)
    if os.geteuid() == 0:
        root.chmod(_PASSABLE)
    return state, fresh


def _opened(root: Path) -> State:
    try:
        return State.open(root)
    except StateError as error:
        folder = folder_of(root)
        if error.fault is Fault.MISSING and not (
            folder.database.exists() or folder.anchor.exists()
        ):
            advice = "if it is the right one, --new begins a state in it"
            raise StateError(error.fault, root, "holds no state", advice) from None
        raise


def engine_of(state: State, wanted: Header, build: Build, node: Callable[[], Node]) -> Found:
    """Return the engine as it stood.

    Where this program no longer decides as the one before did, it takes over the engine that was
    kept at the end in good order. Where another policy or other settings are wanted, another engine
    takes over what this one has. A new era begins with either.
    """
    found = resuming.resume(state.folder, state.now, build)
    if isinstance(found, Unresumed):
        engine = resuming.hand_over(state.folder)
        words = [found.words, "goes on from the engine as it was kept"]
    else:
        engine = found.engine
        words = [f"goes on from {found.began} and {found.replayed.batches:,} batches since"]
        words += found.notes
    before = state.now.era.engine
    if dict(before) != dict(wanted):
        words.append(f"has other settings from here on: {_differences(before, wanted)}")
        if before.get("estimates") != wanted.get("estimates"):
            words.append("what was learned of run times is left behind with the old estimates")
        engine = _succeeded(build(wanted), engine, before, wanted, node())
    new_era = isinstance(found, Unresumed) or dict(before) != dict(wanted)
    return Found(engine, tuple(words), new_era=new_era)


def _succeeded(new: Engine, old: Engine, before: Header, wanted: Header, node: Node) -> Engine:
    own = new.estimates
    succeed(new, old, [node])
    if before.get("estimates") != wanted.get("estimates"):
        new.estimates = own
    return new


def _differences(before: Header, wanted: Header) -> str:
    names = [name for name in sorted({*before, *wanted}) if before.get(name) != wanted.get(name)]
    found = [
        f"{name} {wanted.get(name)} instead of {before.get(name)}" if name != "settings" else name
        for name in names
    ]
    return ", ".join(found)


async def begin_era(state: State, engine: Engine, header: Header) -> None:
    """Let what is decided from here on be this engine's."""
    await state.begin_era(header, snapshot.save(engine))


def node_name(reader: Reader) -> NodeId:
    """Return what this machine is called: as it was at first, whatever its host name is now."""
    body = reader.item(shelves.SERVICE, shelves.NODE)
    return NodeId(body.decode() if body is not None else socket.gethostname())


def next_name(reader: Reader) -> int:
    """Return the next free name of a job."""
    body = reader.item(shelves.SERVICE, shelves.NEXT)
    return 1 if body is None else int(body)


def unanswered(engine: Engine) -> Iterator[Command]:
    """Give the commands that were given and not answered yet, by the engine's own books."""
    for job, ticket in engine.state.running.items():
        yield Start(job, ticket.placement, ticket.guest, ticket.attempt)
        if job in engine.state.stopping:
            if ticket.cancelled:
                yield Stop(job)
            else:
                blocking = engine.explain(job).blocking
                yield Evict(job, blocking[0] if blocking else _NOBODY)


def restore_ledger(ledger: Ledger, reader: Reader) -> None:
    """Give the ledger what the state knows of all jobs that have not ended."""
    records = reader.unended()
    bases = dict.fromkeys(naming.base_of(record.job) for record in records)
    handed = [each for base in bases if (each := _handed(reader, base)) is not None]
    held = set(reader.items(shelves.HELD))
    ledger.restore(handed, records, held)
    for record in records:
        body = reader.item(shelves.PASTS, record.job)
        if body is not None:
            ledger.pasts[JobId(record.job)] = read_past(body)


def _handed(reader: Reader, base: str) -> Handed | None:
    body = reader.item(shelves.SPECS, base)
    return None if body is None else read_handed(body)
