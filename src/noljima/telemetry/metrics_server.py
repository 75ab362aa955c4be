"""Serves /metrics and /healthz over HTTP, and nothing else.

It is on loopback unless somebody says otherwise: figures name users. Whoever is slow to ask or to
read is left after a while, and no more than a few are talked to at once, so that no client can
hold up the scheduler that this runs in.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, NamedTuple, Self

from noljima.telemetry.metrics import Figures, render
from noljima.telemetry.metrics_text import CONTENT_TYPE

PORT: Final = 9837
ASK_S: Final = 5.0
ANSWER_S: Final = 10.0
CLIENTS_MAX: Final = 16
_HEAD_BYTES_MAX: Final = 16_384
_REQUEST: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]\r?\n")
_PLAIN: Final = "text/plain; charset=utf-8"


class Patience(NamedTuple):
    """How long a client may take."""

    ask_s: float = ASK_S
    answer_s: float = ANSWER_S


PATIENCE: Final = Patience()


class _Answer(NamedTuple):
    status: str
    body: bytes
    content_type: str = _PLAIN
    more: str = ""


class MetricsServer:
    """An HTTP server for figures, open from `open` to `close`."""

    def __init__(
        self,
        figures: Callable[[], Figures],
        ill: Callable[[], str],
        *,
        warn: Callable[[str], None],
        patience: Patience = PATIENCE,
    ) -> None:
        """Ask `figures` for each /metrics, and `ill` (nothing, or what is wrong) for /healthz."""
        self._figures = figures
        self._ill = ill
        self._warn = warn
        self._patience = patience
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._broken = ""

    async def open(self, host: str = "127.0.0.1", port: int = PORT) -> int:
        """Listen, and return the port; raises `OSError` where that cannot be."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_HEAD_BYTES_MAX)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Listen no longer, and let all clients go."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Use it in a with statement, which closes it."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close it."""
        await self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if len(self._clients) >= CLIENTS_MAX:
                return
            self._clients.add(task)
            await self._talk(reader, writer)
        except (OSError, TimeoutError):
            # Gone, or too slow: nobody is left who wants to know.
            pass
        finally:
            self._clients.discard(task)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._patience.ask_s):
            try:
                head = await reader.readuntil(b"\n\r\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                head = b""
        answer = self._answer(head)
        # So that `drain` waits for the last byte: what is aborted then has arrived.
        writer.transport.set_write_buffer_limits(high=0)
        async with asyncio.timeout(self._patience.answer_s):
            writer.write(_encoded(answer))
            await writer.drain()
            writer.write_eof()
            # Until the client has gone too, lest the end of the answer is lost with the rest.
            await reader.read(1)

    def _answer(self, head: bytes) -> _Answer:
        request = _REQUEST.match(head)
        if request is None:
            return _Answer("400 Bad Request", b"not a request that is understood here\n")
        method, path = request[1].decode(), request[2].decode().partition("?")[0]
        if path not in {"/metrics", "/healthz"}:
            return _Answer("404 Not Found", b"there are /metrics and /healthz\n")
        if method != "GET":
            return _Answer("405 Method Not Allowed", b"only GET\n", more="Allow: GET\r\n")
        return self._health() if path == "/healthz" else self._metrics()

    def _health(self) -> _Answer:
        wrong = self._ill()
        if wrong:
            return _Answer("503 Service Unavailable", f"{wrong}\n".encode())
        return _Answer("200 OK", b"ok\n")

    def _metrics(self) -> _Answer:
        try:
            body = render(self._figures())
        except Exception as error:  # noqa: BLE001 - figures must not bring the scheduler down
            broken = f"the metrics cannot be made: {type(error).__name__}: {error}"
            if broken != self._broken:
                self._broken = broken
                self._warn(broken)
            return _Answer("500 Internal Server Error", b"the metrics cannot be made\n")
        self._broken = ""
        return _Answer("200 OK", body, CONTENT_TYPE)


def _encoded(answer: _Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        f"{answer.more}"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + answer.body
