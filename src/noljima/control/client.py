"""The asking end of the socket: a question, and its answer or answers.

Commands are short-lived and start often, so that this is small, waits without an event loop and
imports nothing but the language itself.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import msgspec

from noljima.control.messages import LINE_MAX, Answered, Asked, Refused, Why
from noljima.control.place import own_folder, socket_path, state_folder

__all__ = [
    "Client",
    "ControlError",
    "NoSchedulerError",
    "RefusedError",
    "own_folder",
    "socket_path",
    "state_folder",
]

ANSWER_S: Final = 60.0
"""How long an answer may take. A scheduler whose disk is full or slow keeps askers waiting."""
_CONNECT_S: Final = 5.0
_AGAIN_S: Final = 0.01
_CHUNK: Final = 1 << 16
_encode: Final = msgspec.json.Encoder().encode
_answer: Final[msgspec.json.Decoder[Answered]] = msgspec.json.Decoder(Answered)


class ControlError(Exception):
    """A question that got no answer; says why in words."""


class NoSchedulerError(ControlError):
    """Nobody is there who could answer."""


class RefusedError(ControlError):
    """The scheduler does not do what was asked, and says why."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.words)
        self.why: Why = refused.why


class Client:
    """Asks one scheduler; each question goes over a connection of its own."""

    def __init__(self, path: Path, *, answer_s: float = ANSWER_S) -> None:
        self.path = path
        self._answer_s = answer_s

    def ask(self, question: Asked) -> Answered:
        """Return the answer; raise `RefusedError` where it is a refusal."""
        for answer in self._answers(question, self._answer_s):
            return answer
        raise NoSchedulerError(f"the scheduler at {self.path} hung up without an answer")

    def stream(self, question: Asked) -> Iterator[Answered]:
        """Give answers as they come, until the scheduler has no more; raise a refusal.

        Waits for each as long as it takes. Who has enough closes the iterator.
        """
        return self._answers(question, None)

    def _answers(self, question: Asked, answer_s: float | None) -> Iterator[Answered]:
        with closing(self._connect()) as connection:
            try:
                connection.settimeout(self._answer_s)
                with suppress(BrokenPipeError):
                    # Who is not let in is told so at once, before it has asked.
                    connection.sendall(_encode(question) + b"\n")
                connection.settimeout(answer_s)
                for line in self._lines(connection):
                    yield _read(line)
            except TimeoutError:
                words = f"the scheduler at {self.path} does not answer within {self._answer_s:g} s"
                raise NoSchedulerError(words) from None
            except OSError as error:
                words = f"the scheduler at {self.path} hung up: {error.strerror}"
                raise NoSchedulerError(words) from None

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _reach(connection, self.path)
        except OSError as error:
            connection.close()
            raise NoSchedulerError(_nobody(self.path, error)) from None
        return connection

    def _lines(self, connection: socket.socket) -> Iterator[bytes]:
        whole = bytearray()
        while chunk := connection.recv(_CHUNK):
            *ended, rest = chunk.split(b"\n")
            for part in ended:
                yield bytes(whole + part)
                whole.clear()
            whole += rest
            if len(whole) > LINE_MAX:
                raise ControlError(f"an answer is longer than {LINE_MAX:,} bytes")
        if whole:
            raise NoSchedulerError(f"the scheduler at {self.path} ended in the middle of an answer")


def _reach(connection: socket.socket, path: Path) -> None:
    """Connect through a descriptor: the path itself may be longer than a socket's address."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    give_up_s = time.monotonic() + _CONNECT_S
    connection.settimeout(_CONNECT_S)
    try:
        while True:
            try:
                return connection.connect(f"/proc/self/fd/{folder}/{path.name}")
            except BlockingIOError:
                # Too many wait to be let in; a socket with a time-out is not made to queue for it.
                if time.monotonic() > give_up_s:
                    raise
                time.sleep(_AGAIN_S)
    finally:
        os.close(folder)


def _nobody(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"the scheduler at {path.parent} is another user's, and answers that user only"
    if isinstance(error, TimeoutError | BlockingIOError):
        return f"the scheduler at {path.parent} does not answer: it is stopped, or overrun"
    start = "start one with `noljima up`"
    if path.parent not in {own_folder(), state_folder()}:
        start = f"start one with `noljima up --state {path.parent}`"
    return f"no scheduler is running at {path.parent}: {start}"


def _read(line: bytes) -> Answered:
    try:
        answer = _answer.decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        words = f"an answer that this version does not understand: {error}"
        raise ControlError(words) from None
    if isinstance(answer, Refused):
        raise RefusedError(answer)
    return answer
