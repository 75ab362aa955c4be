"""The few calls of Linux that Python has no function for."""

from __future__ import annotations

import ctypes
import os
from typing import Final

_SET_DEATH_SIGNAL: Final = 1
_SET_NAME: Final = 15
_SET_SUBREAPER: Final = 36
_SET_NO_NEW_PRIVILEGES: Final = 38

_MODIFIED: Final = 0x2 | 0x4 | 0x8 | 0x80 | 0x100
"""Content, attributes, closed after writing, moved here, made."""

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _control(option: int, value: int | bytes, what: str) -> None:
    pointer = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, pointer, zero, zero, zero), what)


def become_subreaper() -> None:
    """Let every descendant that loses its parent become a child of this process."""
    _control(_SET_SUBREAPER, 1, "become a subreaper")


def die_with_parent(number: int) -> None:
    """Ask for a signal once the parent is gone."""
    _control(_SET_DEATH_SIGNAL, number, "ask for a signal at the parent's death")


def give_up_privileges() -> None:
    """Let no program that is run from now on gain rights by a set-user-id bit."""
    _control(_SET_NO_NEW_PRIVILEGES, 1, "give up new privileges")


def set_name(name: str) -> None:
    """Set what `ps` calls this process, in 15 characters."""
    _control(_SET_NAME, name.encode()[:15], "set the name")


def watch_folder(path: str) -> int:
    """Return a descriptor that becomes readable when something in a folder changes."""
    fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "watch")
    try:
        wanted = ctypes.c_uint32(_MODIFIED)
        _checked(_libc.inotify_add_watch(fd, os.fsencode(path), wanted), f"watch {path}")
    except OSError:
        os.close(fd)
        raise
    return fd
