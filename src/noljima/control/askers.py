"""Who asks: known from the kernel, not from what is said, and what that user may do."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from collections.abc import Callable
from typing import Final

import msgspec

_CREDENTIALS: Final = struct.Struct("3i")


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """The user at the other end of a connection."""

    uid: int
    gid: int
    user: str
    operator: bool = False
    """Whether everything is allowed: root, the scheduler's own user, the group of operators."""


class Askers:
    """Tells who is at the other end of sockets."""

    def __init__(self, operators: str = "", *, names: Callable[[int], str] | None = None) -> None:
        """Let the members of group `operators` do everything; empty for no such group."""
        self._operators = operators
        self._names = names or name_of

    def behind(self, connection: socket.socket) -> Asker:
        """Return who has connected, as the kernel had noted it at that moment."""
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, gid = _CREDENTIALS.unpack(raw)
        return self.of(uid, gid)

    def of(self, uid: int, gid: int) -> Asker:
        """Return a user of this machine as one who asks."""
        user = self._names(uid)
        operator = uid in {0, os.geteuid()} or self._in_group(user, gid)
        return Asker(uid=uid, gid=gid, user=user, operator=operator)

    def _in_group(self, user: str, gid: int) -> bool:
        if not self._operators:
            return False
        try:
            group = grp.getgrnam(self._operators)
        except KeyError:
            return False
        return group.gr_gid == gid or user in group.gr_mem


def name_of(uid: int) -> str:
    """Return what a user is called, or the number where the machine has no name for it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
