"""Space set aside, so that what has ended can still be written down on a full disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from noljima.store.folder import sync_folder

RESERVE_BYTES: Final = 16 << 20
"""Room for tens of thousands of batches."""
ROOM_BYTES: Final = 16 << 20
"""With less than this free, nothing new is accepted any more."""


class Reserve:
    """A file of zeros that is removed when the disk is full, and made again when it is not."""

    def __init__(
        self, path: Path, size_bytes: int = RESERVE_BYTES, room_bytes: int = ROOM_BYTES
    ) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._room_bytes = room_bytes
        self.held = self._is_whole()
        """Whether the space is still set aside."""
        self.restore()

    def release(self) -> bool:
        """Give the space up; False where it was given up already."""
        if not self.held:
            return False
        self._path.unlink(missing_ok=True)
        sync_folder(self._path.parent)
        self.held = False
        return True

    def restore(self) -> bool:
        """Set the space aside again where there is room for it; say whether it is set aside."""
        if not self.held and self.free_bytes() >= self._size_bytes + self._room_bytes:
            self.held = self._make()
        return self.held

    def short(self) -> bool:
        """Say whether there is too little space to accept anything new."""
        return not self.restore() or self.free_bytes() < self._room_bytes

    def free_bytes(self) -> int:
        """Return what this process may still write on the disk of the state."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize

    def _is_whole(self) -> bool:
        try:
            # By its blocks: a file with a hole is long and sets nothing aside.
            return self._path.stat().st_blocks * 512 >= self._size_bytes
        except FileNotFoundError:
            return False

    def _make(self) -> bool:
        descriptor = -1
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            if self._size_bytes:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            os.fsync(descriptor)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return True
