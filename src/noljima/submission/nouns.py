"""A submission: all that somebody says of a job when handing it in.

The client makes it from options, a job file or a script's directives and sends it whole; the
scheduler refuses what it cannot be, whoever sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.job import NO_CHECKPOINT, Checkpoint, Priority
from noljima.model.resources import Gang

ARRAY_MAX: Final = 10_000
"""Elements of one array; an array is so many jobs."""
AFTER_MAX: Final = 64
ARGUMENTS_MAX: Final = 4096
SCRIPT_MAX: Final = 1 << 20


class When(StrEnum):
    """Which end of another job a job waits for."""

    OK = "ok"
    """Its success; a job whose wait can no longer come true is cancelled, and its owner told."""
    NOT_OK = "notok"
    """Its failure."""
    ANY = "any"
    """Its end, whichever."""


class After(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job that has to end before."""

    job: str
    when: When = When.OK

    def __post_init__(self) -> None:
        """Refuse names that no job has."""
        bounds.text("after", self.job, low=1, high=64)


class Submission(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One job, or an array of them, as its owner wants it; its owner is who sends it."""

    gang: Gang
    folder: str
    """Where it works: an absolute path."""
    name: str = ""
    argv: tuple[str, ...] = ()
    """The program and its arguments, or with a script the script's; never seen by a shell."""
    script: str = ""
    """The text of a program that begins with `#!`."""
    environment: Mapping[str, str] = {}
    queue: str = ""
    priority: Priority = Priority.NORMAL
    limit_s: float | None = None
    evictable: bool | None = None
    checkpoint: Checkpoint = NO_CHECKPOINT
    after: tuple[After, ...] = ()
    """All of these, before it waits for GPUs."""
    held: bool = False
    """Whether it waits for `release` first."""
    array: tuple[int, ...] = ()
    """One job for each, with the number in NOLJIMA_ARRAY_INDEX; empty for a single job."""
    array_at_most: int | None = None
    """So many jobs of the array run at a time."""
    watched: bool = True
    """False for a job that nobody is to suspect of hanging."""
    silence_s: float | None = None
    """How long it may be silent; None for what its own steps suggest."""
    checkpoint_grace_s: float = 30.0
    stop_grace_s: float = 10.0
    log_bytes: int = 64 << 20
    notify: tuple[str, ...] = ()
    """What its owner wants to be told of; empty for what the site tells everybody."""

    def __post_init__(self) -> None:
        """Refuse what no job can be; `drivers.local.spec` looks at the program once more."""
        bounds.text("name", self.name)
        bounds.text("queue", self.queue)
        if not self.folder.startswith("/"):
            raise InvalidFieldError("folder", self.folder, "is not an absolute path")
        if not self.argv and not self.script:
            raise InvalidFieldError("command", "", "is missing: say what to run, behind --")
        bounds.whole("arguments", len(self.argv), low=0, high=ARGUMENTS_MAX)
        bounds.whole("characters of the script", len(self.script), low=0, high=SCRIPT_MAX)
        bounds.whole("after", len(self.after), low=0, high=AFTER_MAX)
        self._look_at_numbers()
        self._look_at_array()

    def _look_at_numbers(self) -> None:
        if self.limit_s is not None:
            bounds.seconds("limit", self.limit_s, low=1.0)
        if self.silence_s is not None:
            bounds.seconds("silence", self.silence_s, low=60.0)
        bounds.seconds("checkpoint grace", self.checkpoint_grace_s, high=86_400.0)
        bounds.seconds("stop grace", self.stop_grace_s, high=86_400.0)
        bounds.whole("log_bytes", self.log_bytes, low=1024, high=1 << 40)

    def _look_at_array(self) -> None:
        bounds.whole("elements of the array", len(self.array), low=0, high=ARRAY_MAX)
        for index in self.array:
            bounds.whole("array", index, low=0, high=bounds.MILLION)
        if len(set(self.array)) != len(self.array):
            raise InvalidFieldError("array", self.array, "names an index twice")
        if self.array_at_most is not None:
            bounds.whole("array: at most", self.array_at_most, low=1, high=ARRAY_MAX)
            if not self.array:
                raise InvalidFieldError("array: at most", self.array_at_most, "needs an array")
