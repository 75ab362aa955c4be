"""What a job is, for a driver that runs it: the engine knows only what it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import Gang, JobId

PASSED_ON: Final = ("PATH", "LANG", "LC_*", "TZ", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH")
"""What a job has of the scheduler's own environment unless it says otherwise."""

TEXT_MAX: Final = 128 * 1024 - 1
"""The most that Linux lets a program have in one argument or one variable."""
_ALL_MAX: Final = 1 << 20
_ID_MAX: Final = 2**32 - 2
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATTERN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


class GpuView(StrEnum):
    """Which of its gang's GPUs a worker sees."""

    OWN = "own"
    """Its own, counted from 0, as if it were alone on a machine: `LOCAL_RANK` is 0."""
    GANG = "gang"
    """All of the gang's, as torchrun does it: the worker takes the one of its `LOCAL_RANK`."""


class RunSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a job is run."""

    job: JobId
    gang: Gang
    """The workers and what each needs; the same as the job's."""
    folder: str
    """Where it works: an absolute path."""
    argv: tuple[str, ...] = ()
    """The program and its arguments, never seen by a shell; with a script, the script's."""
    script: str = ""
    """The text of a program that begins with `#!`, where that is what was handed in."""
    environment: Mapping[str, str] = {}
    passed_on: tuple[str, ...] = PASSED_ON
    """Names of the scheduler's own environment that the job gets; `LC_*` means all such."""
    uid: int | None = None
    """As whom it runs. Who is not root runs jobs as oneself; root has to say."""
    gid: int | None = None
    """Its main group; None takes that of the user."""
    limit_s: float | None = None
    """The hard limit; what earlier attempts have saved counts as run."""
    restart_s: float = 0.0
    """What loading a saved state costs."""
    checkpoint_grace_s: float = 30.0
    """To save its state when it is evicted, after SIGUSR1."""
    stop_grace_s: float = 10.0
    """To end, after SIGTERM."""
    peer_grace_s: float = 5.0
    """For the other workers to end, after one has failed and before they are told to."""
    leftover_grace_s: float = 1.0
    """For what is still there when all workers have ended."""
    log_bytes: int = 64 << 20
    """What is kept of each worker's log: its beginning and its end."""
    gpu_view: GpuView = GpuView.OWN
    umask: int = 0o022
    new_privileges: bool = False
    """Whether programs may gain rights by set-user-id bits: sudo, and some containers."""
    attempt: int = 0
    """Filled in by the driver, in the copy that it keeps in the run's folder."""

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        bounds.text("job id", self.job, low=1)
        self._look_at_program()
        self._look_at_environment()
        self._look_at_numbers()

    def _look_at_program(self) -> None:
        if not self.folder.startswith("/"):
            raise InvalidFieldError("folder", self.folder, "is not an absolute path")
        if not self.argv and not self.script:
            raise InvalidFieldError("argv", self.argv, "is empty and there is no script")
        if self.script and not self.script.startswith("#!"):
            raise InvalidFieldError("script", self.script[:20], "does not begin with #!")
        if not self.script and not self.argv[0]:
            raise InvalidFieldError("argv", self.argv, "names no program")
        for field, text in [("folder", self.folder), *(("argv", text) for text in self.argv)]:
            _passable(field, text)
        _passable("script", self.script, high=_ALL_MAX)

    def _look_at_environment(self) -> None:
        for name, value in self.environment.items():
            if not _NAME.fullmatch(name):
                raise InvalidFieldError("environment", name, "is no name of a variable")
            _passable(f"environment {name}", value)
        for name in self.passed_on:
            if not _PATTERN.fullmatch(name):
                raise InvalidFieldError("passed_on", name, "is no name, nor the beginning of some")
        words = [*self.argv, *self.environment, *self.environment.values()]
        if sum(map(len, words)) > _ALL_MAX:
            limit = f"are more than {_ALL_MAX:,} characters together"
            raise InvalidFieldError("argv and environment", len(words), limit)

    def _look_at_numbers(self) -> None:
        for field in ("uid", "gid"):
            if getattr(self, field) is not None:
                bounds.whole(field, getattr(self, field), low=0, high=_ID_MAX)
        if self.limit_s is not None:
            bounds.seconds("limit_s", self.limit_s)
        for field in _SECONDS:
            bounds.seconds(field, getattr(self, field))
        bounds.whole("log_bytes", self.log_bytes, low=1024, high=1 << 40)
        bounds.whole("umask", self.umask, low=0, high=0o777)
        bounds.whole("attempt", self.attempt, low=0, high=bounds.MILLION)


_SECONDS: Final = (
    "restart_s",
    "checkpoint_grace_s",
    "stop_grace_s",
    "peer_grace_s",
    "leftover_grace_s",
)


def _passable(field: str, text: str, high: int = TEXT_MAX) -> None:
    """Refuse what no program can be given."""
    if "\0" in text:
        raise InvalidFieldError(field, text[:20], "has a NUL character")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidFieldError(field, text[:20], "is not text") from None
    if size > high:
        raise InvalidFieldError(field, text[:20], f"is longer than {high:,} bytes")
