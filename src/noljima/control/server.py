"""The answering end of the socket: reads one question of each connection and sends its answers.

Whoever connects is not trusted. A question has a length and a time in which it has to be there, an
answer a time in which it has to be taken, and a user so many connections. Nothing that an asker
does or leaves undone keeps the others waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Final, Protocol

import msgspec

from noljima.control.askers import Asker, Askers
from noljima.control.messages import LINE_MAX, Answered, Asked, Logs, Refused, Submit, Watch, Why

_encode: Final = msgspec.json.Encoder().encode
_asked: Final[msgspec.json.Decoder[Asked]] = msgspec.json.Decoder(Asked)
_UNDECODABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_CHUNK: Final = 1 << 16
_BACKLOG: Final = 1024


class RefusalError(Exception):
    """What was asked is not done, and why; becomes a `Refused`."""

    def __init__(self, why: Why, words: str) -> None:
        super().__init__(words)
        self.refused = Refused(why=why, words=words)


class _GoneError(Exception):
    """Whoever asked has gone, or does not take the answer: there is nobody to tell."""


class Host(Protocol):
    """Who knows the answers."""

    def answers(self, asker: Asker, question: Asked) -> AsyncIterator[Answered]:
        """Give the answers to a question; raise `RefusalError` where it is refused."""
        ...


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one asker may take."""

    question_s: float = 10.0
    """How long a question may take to come."""
    taken_s: float = 10.0
    """How long an answer may take to be taken."""
    line_bytes: int = LINE_MAX
    waiting_bytes: int = 4 * LINE_MAX
    """What all questions that are still coming may hold together."""
    connections: int = 256
    """Of all users together."""
    connections_each: int = 64
    """Of one user."""
    at_once_each: int = 2
    """So many questions of one user are worked on at a time; the others wait."""
    rest: float = 5.0
    """And so many times as long as one took, nothing of that user takes its place."""
    rest_s_max: float = 1.0


STANDARD: Final = Limits()


class Server:
    """Listens on a socket for one host."""

    def __init__(
        self, path: Path, host: Host, askers: Askers | None = None, limits: Limits = STANDARD
    ) -> None:
        self.path = path
        self._host = host
        self._askers = askers or Askers()
        self._limits = limits
        self._server: asyncio.Server | None = None
        self._open: Counter[int] = Counter()
        self._turns: dict[int, asyncio.Semaphore] = {}
        self._waiting_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to listen, in the place of whoever listened there before."""
        listening = _bound(self.path)
        self._server = await asyncio.start_unix_server(
            self._connected, sock=listening, backlog=_BACKLOG
        )

    async def close(self) -> None:
        """Hang up on everybody and listen no more."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        with contextlib.suppress(OSError):
            self.path.unlink()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        uid = -1
        try:
            asker = self._askers.behind(writer.get_extra_info("socket"))
            uid = asker.uid
            self._open[uid] += 1
            await self._attend(asker, reader, writer)
        except asyncio.CancelledError:
            # The server ends; nobody waits for this task who would want to know.
            writer.transport.abort()
        except _GoneError:
            # What it has not taken is not kept for it.
            writer.transport.abort()
        finally:
            self._open[uid] -= 1
            self._tasks.discard(task)
            writer.close()

    async def _attend(
        self, asker: Asker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Read the question of one connection and answer it."""
        try:
            self._admit(asker)
            question = await self._question(reader)
            if isinstance(question, Logs | Watch):
                await self._until_gone(self._answer(asker, question, writer), reader)
            else:
                await self._answer(asker, question, writer)
        except RefusalError as refusal:
            await self._send(writer, refusal.refused)

    def _admit(self, asker: Asker) -> None:
        limits = self._limits
        if self._open[asker.uid] > limits.connections_each:
            words = f"you have {limits.connections_each} connections open, which is the most"
            raise RefusalError(Why.BUSY, words)
        if self._open.total() > limits.connections:
            raise RefusalError(Why.BUSY, "too many connections are open; try again")

    async def _question(self, reader: asyncio.StreamReader) -> Asked:
        line = bytearray()
        try:
            async with asyncio.timeout(self._limits.question_s):
                while not line.endswith(b"\n"):
                    self._look_at_length(line)
                    chunk = await reader.read(_CHUNK)
                    if not chunk:
                        raise RefusalError(Why.BAD, "the question ends before its line does")
                    line += chunk
                    self._waiting_bytes += len(chunk)
        except TimeoutError:
            words = f"the question was not there within {self._limits.question_s:g} s"
            raise RefusalError(Why.BAD, words) from None
        except OSError:
            raise _GoneError from None
        finally:
            self._waiting_bytes -= len(line)
        try:
            return _asked.decode(line)
        except _UNDECODABLE as error:
            raise RefusalError(Why.BAD, f"the question is not understood: {error}") from None

    def _look_at_length(self, line: bytearray) -> None:
        if len(line) > self._limits.line_bytes:
            words = f"the question is longer than {self._limits.line_bytes:,} bytes"
            raise RefusalError(Why.BAD, words)
        if self._waiting_bytes > self._limits.waiting_bytes:
            raise RefusalError(Why.BUSY, "too much is being asked at once; try again")

    async def _answer(self, asker: Asker, question: Asked, writer: asyncio.StreamWriter) -> None:
        try:
            answers = aiter(self._host.answers(asker, question))
            while True:
                async with self._turn(asker, question):
                    answer = await anext(answers, None)
                if answer is None:
                    return
                await self._send(writer, answer)
        except (RefusalError, _GoneError):
            raise
        except Exception as error:  # noqa: BLE001 - a fault in one answer must not end the scheduler
            traceback.print_exc(file=sys.stderr)
            words = f"the scheduler has a fault: {type(error).__name__}: {error}"
            raise RefusalError(Why.FAULT, words) from None

    @contextlib.asynccontextmanager
    async def _turn(self, asker: Asker, question: Asked) -> AsyncIterator[None]:
        """Let a user's questions take their turn, and leave most of the time to others.

        Those that wait themselves most of the time, for the disk or for news, need no turn.
        """
        waits = isinstance(question, Logs | Watch)
        if waits or (isinstance(question, Submit) and not question.dry_run):
            yield
            return
        limits = self._limits
        turns = self._turns.setdefault(asker.uid, asyncio.Semaphore(limits.at_once_each))
        await turns.acquire()
        began_s = time.monotonic()
        try:
            yield
        finally:
            rest_s = min(limits.rest * (time.monotonic() - began_s), limits.rest_s_max)
            asyncio.get_running_loop().call_later(rest_s, turns.release)

    async def _until_gone(
        self, answering: Coroutine[None, None, None], reader: asyncio.StreamReader
    ) -> None:
        """Answer for as long as the asker is there."""
        answers = asyncio.ensure_future(answering)
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answers, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answers.done():
                answers.result()
        finally:
            for task in (answers, gone):
                task.cancel()
            await asyncio.gather(answers, gone, return_exceptions=True)

    async def _send(self, writer: asyncio.StreamWriter, answer: Answered) -> None:
        try:
            writer.write(_encode(answer) + b"\n")
            async with asyncio.timeout(self._limits.taken_s):
                await writer.drain()
        except (OSError, TimeoutError):
            raise _GoneError from None


def _bound(path: Path) -> socket.socket:
    """Bind a socket through a descriptor: its path may be longer than a socket's address."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)  # noqa: FBT003 - the socket's own word for it
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listening.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o666 if os.geteuid() == 0 else 0o600)
    except BaseException:
        listening.close()
        raise
    finally:
        os.close(folder)
    return listening
