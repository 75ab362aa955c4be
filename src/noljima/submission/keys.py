"""Every word that a job file knows, with its type and limits; options and directives know the same.

`docs/job-files.md` holds the table that is made of this one, so that neither knows more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import TaskGroup
from noljima.submission import amounts, arrays, dependencies, texts
from noljima.submission.drafts import Draft, Surroundings, group_of
from noljima.submission.nearest import meant
from noljima.submission.nouns import ARGUMENTS_MAX, ARRAY_MAX, SCRIPT_MAX

PRIORITIES: Final = ("urgent", "normal", "low")
NOTIFY_MAX: Final = 16
GPU_TYPES_MAX: Final = 32
GROUPS_MAX: Final = 64
_DAY_S: Final = 86_400.0
_Read = Callable[[str, object, Surroundings], object]


class Key(NamedTuple):
    """One word of a job file."""

    name: str
    kind: str
    """Its type in words, as on the page."""
    limit: str
    words: str
    """What it is for, in one line."""
    read: _Read
    flags: tuple[str, ...] = ()
    """How it is spelt as an option; empty where only a file can say it."""
    metavar: str = ""
    """Empty for an option without a value."""
    many: bool = False
    """Whether the option may be given several times."""
    off: str = ""
    """The option that says no."""


def _plain(read: Callable[[str, object], object]) -> _Read:
    return lambda field, raw, _: read(field, raw)


def _whole(high: int, low: int = 1) -> _Read:
    return lambda field, raw, _: amounts.count(field, raw, low=low, high=high)


def _time(low: float = 0.0, high: float = bounds.SECONDS_MAX) -> _Read:
    return lambda field, raw, _: amounts.seconds(field, raw, low=low, high=high)


def _size(high: int) -> _Read:
    return lambda field, raw, _: amounts.memory_mib(field, raw, high=high)


def _name(low: int = 0) -> _Read:
    return lambda field, raw, _: texts.name(field, raw, low=low)


def _names(high: int) -> _Read:
    def read(field: str, raw: object, _: Surroundings) -> tuple[str, ...]:
        """Read a list of names, or a text with commas between them."""
        words = [word.strip() for word in raw.split(",")] if isinstance(raw, str) else raw
        if not isinstance(words, Sequence) or isinstance(words, bytes):
            raise InvalidFieldError(field, raw, "is neither a name nor a list of names")
        bounds.whole(f"{field}: number of names", len(words), low=1, high=high)
        found = tuple(texts.name(field, word, low=1, high=64) for word in words)
        if len(set(found)) < len(found):
            raise InvalidFieldError(field, raw, "names something twice")
        return found

    return read


def _groups(field: str, raw: object, around: Surroundings) -> tuple[TaskGroup, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
        raise InvalidFieldError(field, raw, "is no list of task groups")
    bounds.whole(field, len(raw), low=1, high=GROUPS_MAX)
    found = tuple(_group(f"{field}.{place}", each, around) for place, each in enumerate(raw))
    names = [group.name for group in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidFieldError(field, name, "is the name of two groups")
    return found


def _group(field: str, raw: object, around: Surroundings) -> TaskGroup:
    if not isinstance(raw, Mapping):
        raise InvalidFieldError(field, raw, "is no table of keys")
    said = read_table(raw, GROUP_KEYS, around, below=f"{field}.")
    name = said.pop("name", None) or "worker"
    try:
        return group_of(Draft(**said), str(name))  # type: ignore[arg-type]  # each was read by its key
    except InvalidFieldError as error:
        raise InvalidFieldError(f"{field}: {error.field}", error.value, error.limit) from None


_OF_WORKERS: Final = (
    Key(
        "workers", "whole number", f"1 to {bounds.WORKERS_MAX:,}",
        "Workers that start together or not at all; 1 if left out.",
        _whole(bounds.WORKERS_MAX), ("-w", "--workers"), "N",
    ),
    Key(
        "gpus", "number", f"whole ones to {bounds.GPU_COUNT_MAX:,}, or a part of one: 0.5",
        "GPUs of each worker; 1 if left out.",
        _plain(amounts.gpu_milli), ("-g", "--gpus"), "N",
    ),
    Key(
        "gpu_type", "name or list of names", f"at most {GPU_TYPES_MAX}, of 64 characters",
        "GPU types that will do, with commas between them; any if left out.",
        _names(GPU_TYPES_MAX), ("--gpu-type",), "TYPE",
    ),
    Key(
        "gpu_memory", "size", f"at most {bounds.GPU_MEMORY_MIB_MAX:,} MiB",
        "Memory needed on each GPU, as in 16G.",
        _size(bounds.GPU_MEMORY_MIB_MAX), ("--gpu-memory",), "SIZE",
    ),
    Key(
        "cpus", "number", f"to the thousandth, at most {bounds.MILLION:,}",
        "CPUs of each worker.",
        _plain(amounts.cpu_milli), ("-c", "--cpus"), "N",
    ),
    Key(
        "memory", "size", f"at most {bounds.MEMORY_MIB_MAX:,} MiB",
        "Memory of each worker, as in 512M or 16G.",
        _size(bounds.MEMORY_MIB_MAX), ("-m", "--memory", "--mem"), "SIZE",
    ),
)  # fmt: skip

GROUP_KEYS: Final[Mapping[str, Key]] = {
    key.name: key
    for key in (
        Key(
            "name", "text", "1 to 64 characters, of each group another", "The group's name.",
            lambda field, raw, _: texts.name(field, raw, low=1, high=64),
        ),
        *_OF_WORKERS,
    )
}  # fmt: skip
"""What can be said of one task group."""

KEYS: Final[Mapping[str, Key]] = {
    key.name: key
    for key in (
        Key(
            "name", "text", f"at most {bounds.TEXT_MAX} characters",
            "What the job is called; its script or program if left out.",
            _name(), ("-J", "--name", "--job-name"), "NAME",
        ),
        Key(
            "command", "list of words, or text",
            f"at most {ARGUMENTS_MAX:,} words of {texts.ARGUMENT_MAX:,} bytes",
            "What is run. No shell sees it, and nothing in it is expanded.",
            _plain(texts.command),
        ),
        Key(
            "script", "text", f"begins with #!, at most {SCRIPT_MAX:,} bytes",
            "The text of a program, run instead of a command or with it as its arguments.",
            lambda field, raw, _: texts.script(field, raw, high=SCRIPT_MAX),
        ),
        Key(
            "workdir", "path", f"at most {texts.PATH_MAX:,} characters, without ..",
            "Where the job works; where it was handed in if left out.",
            lambda field, raw, around: texts.folder(field, raw, around.folder),
            ("-D", "--workdir", "--chdir"), "FOLDER",
        ),
        *_OF_WORKERS,
        Key(
            "groups", "list of tables", f"1 to {GROUPS_MAX}, each with the keys below",
            "Workers that are not alike, as in 1 master and 7 workers.",
            _groups,
        ),
        Key(
            "env", "table, or list of NAME=value and NAME",
            f"at most {texts.VARIABLES_MAX:,} variables",
            "Variables the job gets: NAME=value, or NAME to pass on one's own.",
            lambda field, raw, around: texts.variables(field, raw, around.environment),
            ("-e", "--env"), "NAME[=VALUE]", many=True,
        ),
        Key(
            "queue", "text", f"at most {bounds.TEXT_MAX} characters",
            "The queue it is handed in to.",
            _name(), ("-q", "--queue"), "NAME",
        ),
        Key(
            "priority", "urgent, normal or low", "", "Its class; normal if left out.",
            lambda field, raw, _: amounts.choice(field, raw, PRIORITIES),
            ("-p", "--priority"), "|".join(PRIORITIES),
        ),
        Key(
            "limit", "time", f"1 s to {bounds.SECONDS_MAX:g} s",
            "How long it may run at most, as in 90m, 4h or 1-12:00:00.",
            _time(amounts.LIMIT_S_MIN), ("-l", "-t", "--limit", "--time"), "TIME",
        ),
        Key(
            "evictable", "true or false", "",
            "It may be stopped and go on later, so that it starts sooner.",
            _plain(amounts.flag), ("--evictable",), off="--no-evictable",
        ),
        Key(
            "checkpoint", "time", f"0 s to {bounds.SECONDS_MAX:g} s",
            "How often it saves its state.",
            _time(), ("--checkpoint",), "TIME",
        ),
        Key(
            "restart", "time", f"0 s to {bounds.SECONDS_MAX:g} s; with checkpoint",
            "What loading a saved state takes.",
            _time(), ("--restart",), "TIME",
        ),
        Key(
            "after", "text, or list of them", "at most 64 jobs, each once",
            "Jobs that end before: ok:12,notok:13,any:14; 12 alone is ok:12.",
            _plain(dependencies.read), ("-d", "--after", "--dependency"), "ok:JOB,...",
        ),
        Key(
            "hold", "true or false", "", "It waits until it is released.",
            _plain(amounts.flag), ("-H", "--hold"),
        ),
        Key(
            "array", "text", f"at most {ARRAY_MAX:,} indices up to {bounds.MILLION:,}",
            "One job for each index: 0-9, 1,3,5-7, 0-9:2; 0-99%4 runs 4 at a time.",
            _plain(arrays.read), ("-a", "--array"), "INDICES",
        ),
        Key(
            "watched", "true or false", "", "Whether health looks for hangs; true if left out.",
            _plain(amounts.flag), off="--unwatched",
        ),
        Key(
            "silence", "time", f"60 s to {bounds.SECONDS_MAX:g} s",
            "How long it may be silent before it is suspected of hanging.",
            _time(60.0), ("--silence",), "TIME",
        ),
        Key(
            "checkpoint_grace", "time", f"0 s to {_DAY_S:g} s",
            "Time to save its state, after SIGUSR1; 30s if left out.",
            _time(high=_DAY_S), ("--checkpoint-grace",), "TIME",
        ),
        Key(
            "stop_grace", "time", f"0 s to {_DAY_S:g} s",
            "Time to end, after SIGTERM; 10s if left out.",
            _time(high=_DAY_S), ("--stop-grace",), "TIME",
        ),
        Key(
            "log_size", "size", "1 KiB to 1 TiB",
            "How much of each worker's log is kept; 64M if left out.",
            _plain(amounts.log_bytes), ("--log-size",), "SIZE",
        ),
        Key(
            "notify", "name or list of names", f"at most {NOTIFY_MAX}, of 64 characters",
            "What its owner wants to be told of, with commas between.",
            _names(NOTIFY_MAX), ("--notify",), "WHAT",
        ),
    )
}  # fmt: skip
"""What can be said of a job."""


def read_table(
    table: Mapping[object, object],
    keys: Mapping[str, Key],
    around: Surroundings,
    *,
    below: str = "",
) -> dict[str, object]:
    """Read a table of keys; refuse what is not known with the nearest that is."""
    found: dict[str, object] = {}
    for word, raw in table.items():
        if not isinstance(word, str) or word not in keys:
            limit = f"is no key; {meant(str(word), keys)}"
            raise InvalidFieldError(_unknown(word, below), word, limit)
        found[word] = keys[word].read(f"{below}{word}", raw, around)
    return found


def _unknown(word: object, below: str) -> str:
    """Name the place of a key that is not known, without what a terminal would obey."""
    if isinstance(word, str) and re.fullmatch(r"[\w\-]{1,40}", word, re.ASCII):
        return f"{below}{word}" if below else "key"
    return below.rstrip(".") or "key"


def draft_of(table: Mapping[object, object], around: Surroundings) -> Draft:
    """Read all that a table says of a job."""
    return Draft(**read_table(table, KEYS, around))  # type: ignore[arg-type]  # each was read by its key
