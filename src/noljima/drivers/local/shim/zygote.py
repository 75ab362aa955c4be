"""A process that has imported everything and forks a shim for each attempt, in a millisecond.

It is told a folder at a time through a socket, and answers with the shim's process number and a
descriptor of it. Shims do not depend on it: when its socket closes it ends, and they go on.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
from typing import Final, NoReturn

from noljima.drivers.local.shim import kernel
from noljima.drivers.local.shim.attempt import BROKEN, attend

MESSAGE_MAX: Final = 8192
READY: Final = b"ready"
_HELD_BACK: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGURG)


def serve(fd: int) -> None:
    """Fork shims as told through this socket, until the other end closes."""
    kernel.set_name("noljima-zygote")
    # What is left of a job whose shim was killed comes to this process, where it can be found.
    kernel.become_subreaper()
    signal.signal(signal.SIGCHLD, _bury)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=fd) as orders:
        orders.send(READY)
        while True:
            try:
                folder = orders.recv(MESSAGE_MAX)
            except ConnectionError:
                return
            if not folder:
                return
            with contextlib.suppress(BrokenPipeError):
                _start(orders, folder)


def _start(orders: socket.socket, folder: bytes) -> None:
    # Held back until the child is ready for them and the parent has its descriptor.
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        pid = os.fork()
        if not pid:
            _become_shim(os.fsdecode(folder))
        child = os.pidfd_open(pid)
    except OSError as error:
        words = f"{error.strerror}".encode()
        orders.send(b"!" + words[:200] + b"\0" + folder)
        return
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
    try:
        socket.send_fds(orders, [str(pid).encode() + b"\0" + folder], [child])
    finally:
        os.close(child)


def _become_shim(folder: str) -> NoReturn:
    code = BROKEN
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        os.closerange(3, max(os.sysconf("SC_OPEN_MAX"), 4096))
        code = attend(folder)
    finally:
        os._exit(code)


def _bury(number: int, frame: object) -> None:  # noqa: ARG001 - as handlers are called
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
