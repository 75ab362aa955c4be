"""A scheduler that is none: it answers on a UNIX socket as scripted, and notes what it was asked.

For tests of whoever asks, in the state folder where a real one would be:

    with Desk(folder, {Jobs: JobRows(now_s=0.0)}) as desk:
        ...
    assert desk.asked == [Jobs()]
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from noljima.control.messages import Answer, Asked, Question, Refused, Why
from noljima.control.place import socket_path

Script = Answer | Sequence[Answer] | Callable[[Question], Answer | Sequence[Answer]]
"""One answer, several for a stream, or what makes them of the question."""
WAIT_S: Final = 30.0
_questions: Final[msgspec.json.Decoder[Asked]] = msgspec.json.Decoder(Asked)
_encode: Final = msgspec.json.Encoder().encode


class Desk:
    """Answers each kind of question with what its script says, and hangs up."""

    def __init__(self, state: Path, script: Mapping[type[Question], Script]) -> None:
        self.asked: list[Question] = []
        """All questions so far, in order."""
        self.script = dict(script)
        self._path = socket_path(state)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, name="desk", daemon=True)

    def __enter__(self) -> Self:
        """Open the socket; questions are answered from here on."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Through a descriptor: a test's own folder may be longer than a socket's address.
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._listener.bind(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)
        self._listener.listen()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the socket, and wait until the last answer is given."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT_S)
        self._listener.close()
        self._path.unlink()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # It was shut down: the test is over.
            with connection:
                connection.settimeout(WAIT_S)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            question = _questions.decode(lines.readline())
        self.asked.append(question)
        try:
            for answer in self._answers(question):
                connection.sendall(_encode(answer) + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return  # Who asked has enough of a stream.

    def _answers(self, question: Question) -> Sequence[Answer]:
        script = self.script.get(type(question))
        if script is None:
            return [Refused(why=Why.FAULT, words=f"no script for {type(question).__name__}")]
        found = script(question) if callable(script) else script
        return [found] if isinstance(found, Answer) else found
