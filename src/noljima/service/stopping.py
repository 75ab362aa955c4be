"""When and how the scheduler is to end: asked over the socket or by a signal, first come."""

from __future__ import annotations

import asyncio

from noljima.control.messages import Done


class Stopping:
    """Keeps what was asked until the scheduler comes to it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.stop_jobs = False
        """Whether what runs is evicted first, so that the machine can be switched off."""

    def ask(self, *, stop_jobs: bool = False) -> Done:
        """Let the scheduler end."""
        self.stop_jobs = self.stop_jobs or stop_jobs
        # Not before the answer was sent.
        asyncio.get_running_loop().call_later(0.05, self.asked.set)
        if stop_jobs:
            words = "the scheduler evicts what runs and ends; jobs go on where they were saved"
        else:
            words = "the scheduler ends; its jobs go on, and the next scheduler takes them over"
        return Done(words=(words,))
