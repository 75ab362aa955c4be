"""How the program ends when it cannot go on: one line on standard error, and an exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Final, NoReturn, ParamSpec, TypeVar

import click

from noljima.model.bounds import InvalidFieldError

P = ParamSpec("P")
R = TypeVar("R")

BAD_INPUT: Final = 2
_Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers
_SIGNALLED: Final = 128  # what shells add to a signal's number


def fail(words: str) -> NoReturn:
    """End the program over bad input, in one sentence on standard error."""
    click.echo(f"noljima: {words}", err=True)
    sys.exit(BAD_INPUT)


def in_words(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a command refuses into a sentence and exit code 2, without a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from noljima.store.journal import JournalError  # noqa: PLC0415 - light commands skip it
        from noljima.workload.files import TraceError  # noqa: PLC0415

        try:
            return command(*args, **kwargs)
        except (InvalidFieldError, JournalError, TraceError) as error:
            fail(str(error))
        except BrokenPipeError:
            raise  # Nobody reads on, as in `noljima policies | head -1`: click ends it silently.
        except OSError as error:
            fail(f"{error.filename or 'file'}: {error.strerror or error}")

    return wrapped


@contextmanager
def in_one_line() -> Iterator[None]:
    """Tell of options that cannot be as of all other bad input: in one line."""
    try:
        yield
    except click.UsageError as error:
        inner = error.ctx is not None and error.ctx.parent is not None
        command = f"{error.ctx.info_name}" if inner and error.ctx is not None else ""
        words = error.format_message().rstrip(".")
        told = f"{command}: {words}" if command else words
        fail(f"{told} (see noljima {command + ' ' if command else ''}--help)")


class _Signalled(KeyboardInterrupt):
    """Somebody wants the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _raise(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - as signals call it
    raise _Signalled(number)


@contextmanager
def interruptible() -> Iterator[None]:
    """End at once at Ctrl-C or a termination, and leave nothing half done.

    Left to itself, asyncio would ask the loop to stop at its next pause, and a simulation has none.
    """
    before = _replaceable()
    for number in before:
        signal.signal(number, _raise)
    try:
        yield
    except _Signalled as signalled:
        click.echo("noljima: interrupted", err=True)
        sys.exit(_SIGNALLED + signalled.number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _replaceable() -> dict[signal.Signals, _Handler]:
    """Return the handlers to replace: what is ignored stays so, as shells start background jobs."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    return {n: h for n, h in handlers.items() if h is not None and h is not signal.SIG_IGN}
