"""What a shim writes down, and how it lets the scheduler know that it has."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any, Final

from noljima.drivers.local.shim import folder as files

_FULL: Final = (BlockingIOError, InterruptedError)


class Teller:
    """Tells the scheduler, where one listens, that there is something new in a folder.

    Only where to look is told, so that a forged word does no harm and a lost one little: the files
    are what counts, and the shim's own end is seen without any word.
    """

    def __init__(self, folder: str) -> None:
        above, attempt = os.path.split(os.path.abspath(folder))
        runs, job = os.path.split(above)
        self._word = f"{job}/{attempt}".encode()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0.0)
        # Through a descriptor: the path itself may be longer than a socket's address.
        state = os.path.dirname(runs)
        self._state = os.open(state, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.waiting = False
        """Whether a word could not be said yet, because many are talking."""

    def tell(self) -> None:
        """Say that there is something new."""
        try:
            self._socket.sendto(self._word, f"/proc/self/fd/{self._state}/{files.SOCKET}")
        except _FULL:
            self.waiting = True
            return
        except OSError:
            pass  # Nobody listens: the next scheduler looks by itself.
        self.waiting = False


class Report:
    """The state of one attempt, as it stands in its folder."""

    def __init__(self, folder: str, claim: dict[str, Any]) -> None:
        self._folder = folder
        self._claim = claim
        self._teller = Teller(folder)

    @property
    def unheard(self) -> bool:
        """Whether the scheduler has not been told of the last thing yet."""
        return self._teller.waiting

    def repeat(self) -> None:
        """Try again to tell."""
        self._teller.tell()

    def state(self, phase: str, *, loud: bool, **more: object) -> None:
        """Write down how far it is."""
        with contextlib.suppress(OSError):  # A full disk is no reason to end a job.
            files.dump(f"{self._folder}/{files.STATE}", {"phase": phase, **self._claim, **more})
        if loud:
            self._teller.tell()

    def settle(self) -> None:
        """See claim and state onto the disk."""
        for name in (files.CLAIM, files.STATE):
            files.settle(f"{self._folder}/{name}")
        files.settle(self._folder)

    def exit(self, ending: dict[str, Any]) -> None:
        """Write down how it ended, tell, and only then wait for the disk.

        The scheduler has its own record on the disk before it acts on this one, and nothing of the
        job outlives a loss of power.
        """
        files.end(self._folder, {**self._claim, **ending})
        self._teller.tell()
        files.settle(f"{self._folder}/{files.EXIT}")
        files.settle(self._folder)
