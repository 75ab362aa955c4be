"""What `noljima replay` does once its options are read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.progress import Progress

from noljima import __version__, app
from noljima.app import EngineSpec
from noljima.engine import Engine
from noljima.engine.explain import UnknownJobError, explain
from noljima.model.commands import Command
from noljima.model.events import Event, Submitted
from noljima.model.resources import JobId
from noljima.report import atomic
from noljima.runtime.ports import Sink
from noljima.runtime.replay import Difference, Recorded, Replayed, replay, shown
from noljima.store.journal import JournalError, unknown_fields
from noljima.store.recording import JournalRecording, StateRecording, open_recording

_EQUAL: Final = 0
_DIFFERENT: Final = 1
_EVENTS_SHOWN: Final = 10
# Drawing after every batch would cost more than replaying it.
_STEP: Final = 512


@dataclass(frozen=True, slots=True)
class Order:
    """The options of the command."""

    journal: Path
    validate: bool = False
    until_s: float | None = None
    job: str | None = None
    json_to: str | None = None
    era: int | None = None


class Tale(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay tells of one job."""

    job: str
    words: str
    """Where it stands in the end, and why."""
    history: tuple[tuple[float, str], ...]
    """What has happened to it and what was decided of it, with the times."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All that the command finds out; `--json` writes it as it is."""

    journal: str
    noljima: str
    """The version that has recorded."""
    engine: EngineSpec
    equal: bool
    seconds: float
    """How long the replay took."""
    replayed: Replayed
    torn: str = ""
    """What is missing at the end of the journal, in words; mostly nothing."""
    tale: Tale | None = None


class _History:
    """A sink that notes what happens to one job."""

    def __init__(self, job: str) -> None:
        self._job = job
        self.notes: list[tuple[float, str]] = []

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Note what concerns the job."""
        for event in events:
            subject = event.job.id if isinstance(event, Submitted) else getattr(event, "job", None)
            if subject == self._job:
                self.notes.append((event.at_s, shown(event)))
        self.notes += [(events[-1].at_s, shown(c)) for c in commands if c.job == self._job]


def run(order: Order) -> int:
    """Replay the journal, tell, and return the exit code."""
    result = _result(order)
    if order.json_to is not None:
        text = msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n"
        if order.json_to == "-":
            click.echo(text, nl=False)
        else:
            atomic.write_text(Path(order.json_to), text)
    if order.json_to != "-":
        for line in _lines(result):
            click.echo(line)
    return _EQUAL if result.equal else _DIFFERENT


def _result(order: Order) -> Result:
    with closing(open_recording(order.journal, order.era)) as recording:
        spec = spec_of(order.journal, recording.header.engine)
        engine = recording.engine(lambda _: app.build_engine(spec))
        history = _History(order.job or "")
        sinks: list[Sink] = [history] if order.job is not None else []
        if order.validate:
            sinks.append(app.Validator(engine))
        began_s = time.perf_counter()
        replayed = replay(engine, _until(_watched(recording), order.until_s), sinks)
        seconds = time.perf_counter() - began_s
    return Result(
        journal=str(order.journal),
        noljima=recording.header.noljima,
        engine=spec,
        equal=replayed.difference is None,
        seconds=round(seconds, 3),
        replayed=replayed,
        torn=recording.torn,
        tale=None if order.job is None else _tale(engine, order.job, history),
    )


def spec_of(journal: Path, engine: Mapping[str, object]) -> EngineSpec:
    """Read how a recorded engine was built."""
    try:
        spec = msgspec.convert(engine, EngineSpec)
    except msgspec.ValidationError as error:
        raise JournalError(journal, f"names an engine that cannot be: {error}", line=1) from None
    unknown = next(unknown_fields(engine, spec), None)
    if unknown is not None:
        words = f"names an engine with an unknown field {unknown}"
        raise JournalError(journal, words, line=1)
    return spec


def _until(batches: Iterator[Recorded], until_s: float | None) -> Iterator[Recorded]:
    for batch in batches:
        if until_s is not None and batch.events[-1].at_s > until_s:
            return
        yield batch


def _watched(recording: JournalRecording | StateRecording) -> Iterator[Recorded]:
    """Pass the batches on, and draw how far they are where somebody watches."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("replay", total=recording.size)
        for count, batch in enumerate(recording):
            if count % _STEP == 0:
                progress.update(task, completed=recording.position)
            yield batch


def _tale(engine: Engine, job: str, history: _History) -> Tale:
    try:
        words = str(explain(engine, JobId(job)))
    except UnknownJobError as error:
        words = str(error)
    return Tale(job=job, words=words, history=tuple(history.notes))


def _lines(result: Result) -> Iterator[str]:
    spec, replayed = result.engine, result.replayed
    where = spec.space if spec.space == app.POOL else f"{spec.space} ({spec.placement})"
    yield f"engine    {spec.policy}, estimates {spec.estimates}, {where}"
    if result.noljima != __version__:
        yield f"note      recorded by version {result.noljima!r}; this is {__version__!r}"
    rate = replayed.batches / max(result.seconds, 1e-3)
    yield (
        f"replayed  {replayed.batches:,} batches: {replayed.events:,} events,"
        f" {replayed.commands:,} commands, up to {replayed.last_s:.15g} s"
    )
    yield f"speed     {result.seconds:.2f} s, {rate:,.0f} batches/s"
    yield f"digest    sha256:{replayed.digest}"
    if result.torn:
        yield f"note      {result.torn}; what comes before it was replayed"
    if replayed.difference is None:
        yield "result    equal: every decision is as recorded"
    else:
        yield from _difference(replayed.difference)
    if result.tale is not None:
        yield from _told(result.tale)


def _difference(difference: Difference) -> Iterator[str]:
    yield f"result    DIFFERENT at line {difference.line:,}, at {difference.at_s:.15g} s"
    yield "events"
    for event in difference.events[:_EVENTS_SHOWN]:
        yield f"  {shown(event)}"
    more = len(difference.events) - _EVENTS_SHOWN
    if more > 0:
        yield f"  and {more:,} more"
    if difference.failure:
        yield f"the engine breaks on them: {difference.failure!r}"
    yield "commands: recorded (-), now (+)"
    for line in difference.lines():
        yield f"  {line}"


def _told(tale: Tale) -> Iterator[str]:
    yield f"job       {tale.job}: {tale.words}"
    for at_s, words in tale.history:
        yield f"  {at_s:.15g} s  {words}"
