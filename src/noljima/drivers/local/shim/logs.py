"""What the workers write: kept to a size, the beginning and the end of it, whatever they write.

A log is files named by the place of their first byte, `worker-0.0.log` and, once that is full,
`worker-0.16777216.log` and so on, of which only the last two stay. So a log takes no more than it
may, its beginning and its end are there at any time, and a reader sees from the names what is
missing.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

_CHUNK: Final = 1 << 18
_PIPE: Final = 1 << 20
_SET_PIPE_SIZE: Final = 1031
HEAD_SHARE: Final = 4
"""A quarter of a log's room is its beginning; the rest, in two files by turns, is its end."""


class Log:
    """One worker's output on its way from the pipe to the disk."""

    def __init__(self, folder: str, worker: int, source: int, bytes_max: int) -> None:
        self.source = source
        self.written = 0
        """All bytes that came, kept or not."""
        self.lost = 0
        """Bytes that the disk did not take."""
        self._stem = f"{folder}/worker-{worker}"
        self._head = max(bytes_max // HEAD_SHARE, 1)
        self._each = max((bytes_max - self._head) // 2, 1)
        self._parts: list[str] = []
        self._left = 0
        self._fd = -1
        os.set_blocking(source, False)
        with contextlib.suppress(OSError):  # A wish: a user may have only so many large pipes.
            import fcntl  # noqa: PLC0415 - for this line only

            fcntl.fcntl(source, _SET_PIPE_SIZE, _PIPE)

    def take(self) -> bool:
        """Take what has come; say whether more can come."""
        try:
            chunk = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._keep(memoryview(chunk))
        return bool(chunk)

    def drain(self) -> None:
        """Take what is still in the pipe when nobody can write to it any more."""
        while True:
            before = self.written
            if not self.take() or self.written == before:
                return

    def close(self) -> None:
        """Let go of pipe and file."""
        for fd in (self.source, self._fd):
            if fd >= 0:
                os.close(fd)
        self.source = self._fd = -1

    def _keep(self, chunk: memoryview) -> None:
        while chunk:
            try:
                if not self._left:
                    self._turn()
                count = os.write(self._fd, chunk[: self._left])
            except OSError:
                # A full disk takes the log, never the job.
                self.lost += len(chunk)
                self.written += len(chunk)
                # What comes next stands in a file of its own, so that its place is right.
                self._left = 0
                return
            self.written += count
            self._left -= count
            chunk = chunk[count:]

    def _turn(self) -> None:
        """Begin the next file, and take the oldest but the first away."""
        path = f"{self._stem}.{self.written}.log"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._left = self._each if self._parts else self._head
        self._parts.append(path)
        if len(self._parts) > 3:
            with contextlib.suppress(OSError):
                os.unlink(self._parts.pop(1))
