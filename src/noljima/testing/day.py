"""A day of a small workstation as its state is told of it: batches with what goes into the tables.

For tests and benchmarks of what keeps such a day; the same seed makes the same day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from noljima.app import EngineSpec, build_engine
from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event
from noljima.runtime.ports import Sink
from noljima.store.notices import Notice
from noljima.store.records import Clerk, JobRecord
from noljima.store.writes import AddNotice, NoticeTried, PutItem, PutRecord, Write
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.rehearsal import rehearse

SHAPE: Final = Shape(
    jobs_max=40,
    gpus_per_node=8,
    gpus_max=16,
    evictable=Evictable.SOME,
    grace_s=2.0,
    start_failures_share=0.1,
    actions_share=0.2,
)
SPEC: Final = EngineSpec(policy="fair", estimates="last-two", space="grid")


class Told(NamedTuple):
    """A batch with what is written beside it."""

    events: tuple[Event, ...]
    commands: tuple[Command, ...]
    writes: tuple[Write, ...]


class _Teller:
    """A sink that notes what a daemon would write."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clerk = Clerk()
        self.told: list[Told] = []

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Note one batch."""
        writes: list[Write] = []
        for record in self._clerk.records(self._engine, events, commands):
            writes += _writes_of(record, events[-1].at_s)
        self.told.append(Told(tuple(events), tuple(commands), tuple(writes)))


def engine_of(spec: Mapping[str, object]) -> Engine:
    """Build the engine that a state says it belongs to."""
    return build_engine(msgspec.convert(spec, EngineSpec))


def header(spec: EngineSpec = SPEC) -> dict[str, object]:
    """Return how an engine is built, as a state holds it."""
    made: dict[str, object] = msgspec.to_builtins(spec)
    return made


def day(seed: int, shape: Shape = SHAPE, spec: EngineSpec = SPEC) -> list[Told]:
    """Play a drawn scenario and return all that there is to write down of it."""
    engine = build_engine(spec)
    teller = _Teller(engine)
    watches: list[Sink] = [teller]
    rehearse(engine, draw(seed, shape).driver(), watches)
    return teller.told


def _writes_of(record: JobRecord, at_s: float) -> list[Write]:
    """Return the record, the job's run specification once, and a notice of where it stands now."""
    key = f"{record.job}/{record.state}/{record.evictions}"
    writes: list[Write] = [
        PutRecord(record),
        AddNotice(Notice(key=key, what=record.state, job=record.job, to=record.user, due_s=at_s)),
    ]
    if record.state == "queued":
        body = msgspec.json.encode({"argv": ["train", record.job], "env": {"SEED": record.job}})
        writes.append(PutItem("specs", record.job, body))
    if record.evictions:
        writes.append(NoticeTried(key, at_s, "" if record.evictions % 2 else "no route to host"))
    return writes
