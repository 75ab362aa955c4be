"""One process owns a state. A lock of the system says which, and is gone with its process."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from noljima.store.faults import Fault, StateError
from noljima.store.folder import told

_WORDS_BYTES_MAX: Final = 200


class Owner:
    """The lock on a state, held from its making until it is let go."""

    def __init__(self, path: Path) -> None:
        with told(path, "opened"):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, _WORDS_BYTES_MAX, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise StateError(
                Fault.IN_USE,
                path.parent,
                f"is in use by {holder or 'another process'}",
                "one process at a time may own a state",
            ) from None
        except OSError as error:
            os.close(self._file)
            words = f"cannot be locked ({error.strerror}); the folder must be on a local disk"
            raise StateError(Fault.MISSING, path, words) from None
        # The file stays when the lock goes: whoever waits for it must not lock a removed one.
        with suppress(OSError):  # on a full disk nobody reads who it is, and the lock holds
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"process {os.getpid()}\n".encode(), 0)

    def __enter__(self) -> Self:
        """Hold the lock in a with statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the lock go."""
        self.release()

    def release(self) -> None:
        """Let the lock go; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
