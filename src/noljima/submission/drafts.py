"""What has been said of a job so far: by a file, a script's directives, the command line.

Each says what it says and leaves the rest; a later one is laid over an earlier one. Only what is
left at the end has to be whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from noljima.model.bounds import InvalidFieldError
from noljima.model.job import Checkpoint, Priority
from noljima.model.resources import GPU, Gang, Resources, TaskGroup
from noljima.submission.arrays import Array
from noljima.submission.naming import name_of
from noljima.submission.nouns import After, Submission

GPUS: Final = 1
"""GPUs of a job whose owner has not said: who wants none says 0."""


class Surroundings(NamedTuple):
    """Where somebody stands who hands in a job: relative folders and `env` names mean these."""

    folder: str
    environment: Mapping[str, str]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what can be said; None is not said."""

    name: str | None = None
    command: tuple[str, ...] | None = None
    script: str | None = None
    workdir: str | None = None
    workers: int | None = None
    gpus: int | None = None
    """In thousandths, as CPUs; memory is in MiB."""
    gpu_type: tuple[str, ...] | None = None
    gpu_memory: int | None = None
    cpus: int | None = None
    memory: int | None = None
    groups: tuple[TaskGroup, ...] | None = None
    env: dict[str, str] | None = None
    queue: str | None = None
    priority: str | None = None
    limit: float | None = None
    evictable: bool | None = None
    checkpoint: float | None = None
    restart: float | None = None
    after: tuple[After, ...] | None = None
    hold: bool | None = None
    array: Array | None = None
    watched: bool | None = None
    silence: float | None = None
    checkpoint_grace: float | None = None
    stop_grace: float | None = None
    log_size: int | None = None
    notify: tuple[str, ...] | None = None


_OF_A_GROUP: Final = ("workers", "gpus", "gpu_type", "gpu_memory", "cpus", "memory")
# draft -> submission, where nothing but the name differs
_AS_IT_IS: Final = {
    "queue": "queue",
    "limit": "limit_s",
    "evictable": "evictable",
    "after": "after",
    "hold": "held",
    "watched": "watched",
    "silence": "silence_s",
    "checkpoint_grace": "checkpoint_grace_s",
    "stop_grace": "stop_grace_s",
    "log_size": "log_bytes",
    "notify": "notify",
}


def over(upper: Draft, lower: Draft) -> Draft:
    """Lay a draft over another: what the upper one says holds, and variables come together."""
    said = {key: value for key, value in msgspec.structs.asdict(upper).items() if value is not None}
    if lower.env and upper.env is not None:
        said["env"] = {**lower.env, **upper.env}
    return msgspec.structs.replace(lower, **said)


def finished(draft: Draft, around: Surroundings) -> Submission:
    """Make a submission of a draft; refuse what is missing or contradicts itself."""
    command, script = draft.command or (), draft.script or ""
    if not command and not script:
        raise InvalidFieldError("command", "", "is missing: say what to run, behind --")
    name = name_of(command) if draft.name is None else draft.name
    _refuse_oneself(name, draft.after or ())
    array = draft.array or Array((), None)
    said = {ours: getattr(draft, theirs) for theirs, ours in _AS_IT_IS.items()}
    return Submission(
        name=name,
        gang=_gang(draft),
        folder=draft.workdir or around.folder,
        argv=command,
        script=script,
        environment=draft.env or {},
        priority=Priority[(draft.priority or "normal").upper()],
        checkpoint=_checkpoint(draft),
        array=array.indices,
        array_at_most=array.at_most,
        **{key: value for key, value in said.items() if value is not None},
    )


def _refuse_oneself(name: str, after: tuple[After, ...]) -> None:
    if name and any(each.job == name for each in after):
        raise InvalidFieldError("after", name, "is the job itself: it would wait for its own end")


def _gang(draft: Draft) -> Gang:
    if draft.groups is None:
        return Gang((group_of(draft),))
    for key in _OF_A_GROUP:
        if getattr(draft, key) is not None:
            limit = "does not go with groups: say it in each of them"
            raise InvalidFieldError(key, getattr(draft, key), limit)
    return Gang(draft.groups)


def group_of(draft: Draft, name: str = "worker") -> TaskGroup:
    """Make one task group of what a draft says of its workers."""
    each = Resources(
        gpu_milli=GPUS * GPU if draft.gpus is None else draft.gpus,
        gpu_memory_mib=draft.gpu_memory or 0,
        cpu_milli=draft.cpus or 0,
        memory_mib=draft.memory or 0,
    )
    workers = 1 if draft.workers is None else draft.workers
    if (each.gpu_memory_mib or draft.gpu_type) and not each.gpu_milli:
        field = "gpu_memory" if each.gpu_memory_mib else "gpu_type"
        raise InvalidFieldError(field, getattr(draft, field), "needs GPUs, and gpus is 0")
    return TaskGroup(workers=workers, each=each, gpu_types=draft.gpu_type or (), name=name)


def _checkpoint(draft: Draft) -> Checkpoint:
    if draft.restart is not None and draft.checkpoint is None:
        raise InvalidFieldError("restart", draft.restart, "does nothing without checkpoint")
    return Checkpoint(interval_s=draft.checkpoint, restart_s=draft.restart or 0.0)
