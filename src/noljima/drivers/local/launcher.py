"""The zygote's other end: one process that forks shims as told, begun again where it has died."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from noljima.drivers.local import shim
from noljima.drivers.local.shim.zygote import MESSAGE_MAX, READY

_NEEDED: Final = ("LD_LIBRARY_PATH",)
"""What a Python that lies elsewhere needs to start at all."""
_SHIM: Final = Path(shim.__file__).parent
_READY_S: Final = 30.0
_FDS: Final = 4
_AGAIN_S: Final = 0.05
_AGAIN_MAX_S: Final = 5.0
_END_S: Final = 5.0


class LaunchError(Exception):
    """No shim could be started; says why in words."""


class Launcher:
    """Starts shims. `launched` is called with a folder and the shim's descriptor, which it owns."""

    def __init__(
        self,
        launched: Callable[[str, int], None],
        failed: Callable[[str, str], None],
    ) -> None:
        self._launched = launched
        self._failed = failed
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        # Told, and not answered yet: told again to the next zygote where this one dies.
        self._asked: list[str] = []
        self._closed = False
        self._again_s = _AGAIN_S

    @property
    def pid(self) -> int:
        """The zygote's process number."""
        return self._process.pid if self._process is not None else 0

    async def open(self) -> None:
        """Begin a zygote and see it ready."""
        ours = self._begin()
        try:
            async with asyncio.timeout(_READY_S):
                said = await self._loop.sock_recv(ours, MESSAGE_MAX)
        except (TimeoutError, OSError) as error:
            raise LaunchError(f"the process that starts jobs does not come up: {error}") from error
        if said != READY:
            raise LaunchError("the process that starts jobs ended at once")
        self._loop.add_reader(ours, self._hear)

    def start(self, folder: str) -> None:
        """Have a shim started for this folder."""
        self._asked.append(folder)
        self._ask(folder)

    async def close(self) -> None:
        """End the zygote; the shims go on."""
        self._closed = True
        self._drop()
        if self._process is not None:
            try:
                await asyncio.to_thread(self._process.wait, _END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)  # noqa: FBT003 - the socket's own word for it
            argv = [sys.executable, "-I", "-S", str(_SHIM), "--zygote", str(theirs.fileno())]
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={name: os.environ[name] for name in _NEEDED if name in os.environ},
                cwd="/",
                start_new_session=True,
            )
        self._socket = ours
        return ours

    def _ask(self, folder: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send(os.fsencode(folder))
        except BlockingIOError:
            # Many are being started: asked again with the next answer.
            self._loop.call_later(0.01, self._ask_again, folder)
        except OSError:
            self._begin_again()

    def _ask_again(self, folder: str) -> None:
        if folder in self._asked and not self._closed:
            self._ask(folder)

    def _hear(self) -> None:
        """Take an answer: a shim with its descriptor, or why there is none."""
        assert self._socket is not None
        try:
            said, fds, _, _ = socket.recv_fds(
                self._socket, MESSAGE_MAX, _FDS, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError:
            said, fds = b"", []
        if not said:
            self._begin_again()
            return
        if said == READY:
            return
        word, _, folder_bytes = said.partition(b"\0")
        folder = os.fsdecode(folder_bytes)
        self._again_s = _AGAIN_S
        if folder in self._asked:
            self._asked.remove(folder)
        if fds:
            self._launched(folder, fds[0])
        else:
            self._failed(folder, word[1:].decode("utf-8", "replace"))

    def _begin_again(self) -> None:
        """Replace a zygote that has died, a little later each time that one does at once."""
        self._drop()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._loop.call_later(self._again_s, self._replace)
            self._again_s = min(self._again_s * 2, _AGAIN_MAX_S)

    def _replace(self) -> None:
        """Begin the next zygote, and tell it what the last one left undone.

        What it did after all is not done twice: the first shim's claim keeps the second out.
        """
        if self._closed or self._process is not None:
            return
        self._loop.add_reader(self._begin(), self._hear)
        for folder in self._asked:
            self._ask(folder)

    def _drop(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
