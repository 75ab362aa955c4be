"""A server with a host that says little, in a thread of its own: for tests of the socket.

Clients are to wait without an event loop, as people's commands do.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from noljima.control.askers import Asker, Askers
from noljima.control.messages import (
    Answered,
    Asked,
    Done,
    End,
    Hello,
    Jobs,
    LogPart,
    Logs,
    Nodes,
    Welcome,
    Why,
)
from noljima.control.server import Limits, RefusalError, Server

SECONDS: Final = 20.0
"""How long a test waits for what should not take a second."""


class Parrot:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Asker, Asked]] = []
        self.streaming = 0

    async def answers(self, asker: Asker, question: Asked) -> AsyncIterator[Answered]:
        """Answer as each kind of question is answered."""
        self.asked.append((asker, question))
        match question:
            case Hello():
                yield _welcome(asker)
            case End():
                raise RefusalError(Why.FORBIDDEN, "job 7 is somebody else's")
            case Nodes():
                raise FileNotFoundError("the machine")
            case Jobs():
                yield Done(words=("x" * (8 << 20),))
            case Logs():
                self.streaming += 1
                try:
                    yield LogPart(content=b"first")
                    yield LogPart(content=b"second")
                    if question.follow:
                        await asyncio.Event().wait()
                finally:
                    self.streaming -= 1
            case _:
                yield Done()


def _welcome(asker: Asker) -> Welcome:
    return Welcome(
        noljima="0",
        pid=1,
        began_s=0.0,
        now_s=0.0,
        policy="fair",
        node="here",
        user=asker.user,
        operator=asker.operator,
    )


class Running:
    """A server in a thread."""

    def __init__(self, path: Path, limits: Limits, askers: Askers) -> None:
        self.path = path
        self.host = Parrot()
        self._limits, self._askers = limits, askers
        self._up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()))
        self._thread.start()
        assert self._up.wait(SECONDS)

    async def _run(self) -> None:
        self._over = asyncio.Event()
        server = Server(self.path, self.host, self._askers, self._limits)
        await server.open()
        self._up.set()
        await self._over.wait()
        await server.close()

    def close(self) -> None:
        """End it; a second time does nothing."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        self._loop.close()
