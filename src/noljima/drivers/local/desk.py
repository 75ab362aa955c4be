"""The GPUs of this machine in use: which take nothing new and why, and word of their errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from noljima.drivers.local.facts import GpuBack, GpuOut, Told
from noljima.drivers.local.gpus import GpuReading, Gpus, Xid

_WAIT_S: Final = 1.0


class Desk:
    """Keeps the GPUs; `changed` is called when one goes out of use or comes back."""

    def __init__(self, gpus: Gpus, facts: Told, changed: Callable[[], None]) -> None:
        self._gpus = gpus
        self._facts = facts
        self._changed = changed
        self.found = list(gpus.found())
        self.out: dict[int, str] = {}
        """GPUs that take nothing new, and why."""
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    def drain(self, gpu: int, reason: str) -> None:
        """Let a GPU take nothing new; the first reason stays."""
        if gpu not in self.out:
            self.out[gpu] = reason
            self._facts(GpuOut(gpu, reason))
            self._changed()

    def restore(self, gpu: int, reason: str | None = None) -> None:
        """Let a GPU take work again; with a reason, only where it was taken out for that."""
        if gpu in self.out and reason in {None, self.out[gpu]}:
            del self.out[gpu]
            self._facts(GpuBack(gpu))
            self._changed()

    async def read(self) -> dict[int, GpuReading]:
        """Read every GPU, beside the loop: each may take its time."""
        return await asyncio.to_thread(
            lambda: {gpu.index: self._gpus.read(gpu.index) for gpu in self.found}
        )

    def watch(self, seen: Callable[[Xid], None]) -> None:
        """Have errors told from now on, where GPUs tell them."""
        if self._gpus.tells_xids:
            self._watch = asyncio.create_task(self._tell(seen))

    async def _tell(self, seen: Callable[[Xid], None]) -> None:
        while not self._closed:
            xid = await asyncio.to_thread(self._gpus.await_xid, _WAIT_S)
            if xid is not None:
                seen(xid)

    async def close(self) -> None:
        """Let go of the GPUs, once nobody waits for word of them any more."""
        self._closed = True
        if self._watch is not None:
            # To its end: what it waits in must not be closed under it.
            await self._watch
            self._watch = None
        self._gpus.close()
