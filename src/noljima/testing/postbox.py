"""What sending is tried against: a receiver of webhooks that misbehaves.

`Receiver` is an HTTP server of this machine that keeps what it is sent and answers as it is told
to.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, NamedTuple, Self

HANG: Final = b"hang"
"""An answer that never comes."""
DRIP: Final = b"drip"
"""An answer that comes byte by byte and never ends."""
ENDLESS: Final = b"endless"
"""A good answer with a body without end."""


class Received(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """An HTTP server on loopback; each request takes the next of its answers, and then 200."""

    def __init__(self, *answers: int | bytes, context: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.received: list[Received] = []
        self.connections = 0
        self._context = context
        self._talking: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Listen no longer, and let all who talk go."""
        self._server.close()
        for task in list(self._talking):
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}/hook?token=t0ken"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        task.add_done_callback(self._talking.discard)
        try:
            self.received.append(await _request(reader))
            await _answer(writer, self.answers.pop(0) if self.answers else 200)
        except (OSError, asyncio.IncompleteReadError):
            # Who asked has gone.
            pass
        finally:
            writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(head[0].split(" ")[1], headers, body)


async def _answer(writer: asyncio.StreamWriter, answer: int | bytes) -> None:
    if isinstance(answer, int):
        location = "Location: http://127.0.0.1:1/elsewhere\r\n" if 300 <= answer < 400 else ""
        writer.write(f"HTTP/1.1 {answer} As Told\r\n{location}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()
    elif answer == HANG:
        await asyncio.get_running_loop().create_future()
    elif answer == DRIP:
        while True:
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.01)
    elif answer == ENDLESS:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
    else:
        writer.write(answer)
        await writer.drain()
