"""Our own trace format: one JSON object a line, everything a job can have, exact both ways.

docs/traces.md describes it field by field. It is what a simulation saves, so that somebody else can
run the very same jobs.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Outcome
from noljima.model.job import NO_CHECKPOINT, Checkpoint, Job, Priority
from noljima.model.resources import Gang, JobId, Resources, TaskGroup
from noljima.workload.draft import Draft
from noljima.workload.files import TraceError, numbered_lines, open_text
from noljima.workload.shape import shape
from noljima.workload.trace import Trace, TraceJob

VERSION: Final = 1
_ONE_GPU: Final = shape(1)


class _Header(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The first line."""

    noljima_trace: int
    name: str = ""
    epoch_s: float | None = None
    gpus: int | None = None


class _Group(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Workers that are alike."""

    workers: int = 1
    gpu_milli: int = 0
    gpu_memory_mib: int = 0
    cpu_milli: int = 0
    memory_mib: int = 0
    gpu_types: tuple[str, ...] = ()
    name: str = "worker"


class _Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Every other line."""

    id: str
    submit_s: float
    run_s: float
    outcome: Outcome = Outcome.SUCCEEDED
    gpus: int | None = None
    groups: tuple[_Group, ...] | None = None
    user: str = ""
    name: str = ""
    queue: str = ""
    priority: Priority = Priority.NORMAL
    limit_s: float | None = None
    evictable: bool | None = None
    checkpoint_s: float | None = None
    restart_s: float = 0.0


FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(_Row))
GROUP_FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(_Group))


def read(path: Path | str, *, gpus_per_node: int | None = None, strict: bool = False) -> Trace:
    """Read a file of ours; `gpus` is shaped for `gpus_per_node`, groups are kept as they are."""
    draft = Draft(path, strict=strict)
    decoder = msgspec.json.Decoder(_Row)
    with open_text(path) as text:
        lines = numbered_lines(text, path)
        header = _header(path, next(lines, (1, ""))[1])
        for line, words in lines:
            if not words.strip():
                continue
            try:
                draft.accept(line, _job(decoder.decode(words), gpus_per_node))
            except (msgspec.MsgspecError, InvalidFieldError, RecursionError) as error:
                draft.refuse(line, str(error))
    return draft.finish(name=header.name, epoch_s=header.epoch_s, gpus=header.gpus)


def write(trace: Trace, path: Path | str) -> None:
    """Write a trace, compressed where the name ends in .gz; a reader never sees half of it."""
    file = Path(path)
    try:
        part = file.with_name(file.name + ".part")
        try:
            _write(trace, part, packed=file.suffix == ".gz")
            part.replace(file)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    except OSError as error:
        raise TraceError(file, f"cannot be written ({error.strerror or error})") from None
    except ValueError as error:  # a NUL in the name, or no name at all
        raise TraceError(file, f"cannot be written ({error})") from None


def _write(trace: Trace, file: Path, *, packed: bool) -> None:
    with file.open("wb") as raw:
        if packed:
            # No name and no time inside: the same trace is the same file.
            with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packer:
                packer.writelines(encode(trace))
        else:
            raw.writelines(encode(trace))


def encode(trace: Trace) -> Iterator[bytes]:
    """Give the lines of a trace, each with its line end."""
    encoder = msgspec.json.Encoder()
    header = _Header(noljima_trace=VERSION, name=trace.name, epoch_s=trace.epoch_s, gpus=trace.gpus)
    yield encoder.encode(header) + b"\n"
    for job in trace.jobs:
        yield encoder.encode(_row(job)) + b"\n"


def _header(path: Path | str, words: str) -> _Header:
    try:
        header = msgspec.json.decode(words, type=_Header)
        bounds.text("name", header.name)
        if header.epoch_s is not None:
            bounds.seconds("epoch_s", header.epoch_s)
        if header.gpus is not None:
            bounds.whole("gpus", header.gpus, low=1, high=bounds.GPU_COUNT_MAX)
    except (msgspec.MsgspecError, InvalidFieldError, RecursionError) as error:
        begin = f'does not begin with a header like {{"noljima_trace": {VERSION}}}'
        raise TraceError(path, f"{begin}: {error}", line=1) from None
    if header.noljima_trace != VERSION:
        words = f"is version {header.noljima_trace} of the format; this reads version {VERSION}"
        raise TraceError(path, words, line=1)
    return header


def _job(row: _Row, gpus_per_node: int | None) -> TraceJob:
    job = Job(
        id=JobId(row.id),
        gang=_gang(row, gpus_per_node),
        user=row.user,
        name=row.name,
        queue=row.queue,
        priority=row.priority,
        limit_s=row.limit_s,
        evictable=row.evictable,
        checkpoint=_checkpoint(row.checkpoint_s, row.restart_s),
    )
    return TraceJob(row.submit_s, row.run_s, job, row.outcome)


def _checkpoint(interval_s: float | None, restart_s: float) -> Checkpoint:
    if interval_s is None and restart_s == 0:
        return NO_CHECKPOINT
    return Checkpoint(interval_s=interval_s, restart_s=restart_s)


def _gang(row: _Row, gpus_per_node: int | None) -> Gang:
    if (row.gpus is None) == (row.groups is None):
        raise InvalidFieldError("job", row.id, "needs either gpus or groups")
    if row.gpus is not None:
        return shape(row.gpus, gpus_per_node)
    return _gang_of(row.groups or ())


@lru_cache(maxsize=65_536)
def _gang_of(groups: tuple[_Group, ...]) -> Gang:
    return Gang(
        tuple(
            TaskGroup(
                workers=group.workers,
                each=Resources(
                    gpu_milli=group.gpu_milli,
                    gpu_memory_mib=group.gpu_memory_mib,
                    cpu_milli=group.cpu_milli,
                    memory_mib=group.memory_mib,
                ),
                gpu_types=group.gpu_types,
                name=group.name,
            )
            for group in groups
        )
    )


def _row(job: TraceJob) -> _Row:
    """Write `gpus` only where it means the same on every kind of node: for a single GPU."""
    one = job.job.gang == _ONE_GPU
    return _Row(
        id=job.job.id,
        submit_s=job.submit_s,
        run_s=job.run_s,
        outcome=job.outcome,
        gpus=1 if one else None,
        groups=None if one else tuple(_groups(job.job.gang)),
        user=job.job.user,
        name=job.job.name,
        queue=job.job.queue,
        priority=job.job.priority,
        limit_s=job.job.limit_s,
        evictable=job.job.evictable,
        checkpoint_s=job.job.checkpoint.interval_s,
        restart_s=job.job.checkpoint.restart_s,
    )


def _groups(gang: Gang) -> Iterator[_Group]:
    for group in gang.groups:
        yield _Group(
            workers=group.workers,
            gpu_milli=group.each.gpu_milli,
            gpu_memory_mib=group.each.gpu_memory_mib,
            cpu_milli=group.each.cpu_milli,
            memory_mib=group.each.memory_mib,
            gpu_types=group.gpu_types,
            name=group.name,
        )
