"""From a fork to the worker's own program: everything that has to happen in between, in order."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from typing import Final, NamedTuple, NoReturn

from noljima.drivers.local.shim import group as groups
from noljima.drivers.local.shim import kernel
from noljima.drivers.local.shim.orders import Identity, Orders

READY: Final = b"R"
_GO: Final = b"G"
_FAILED: Final = 127
_KILLED_FIRST: Final = "500"
"""When the machine runs out of memory, a job goes before what looks after it."""


_FILES: Final = resource.getrlimit(resource.RLIMIT_NOFILE)
"""As many open files as the scheduler may have had; what needs more is the shim of a large gang."""


def open_many_files() -> None:
    """Let this process have as many open files as the machine lets it."""
    _, most = _FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Ends(NamedTuple):
    """The ends of pipes that a worker has between the fork and its program."""

    log: int
    status: int
    """Says that it is ready; closes when the program runs; says why it does not."""
    gate: int
    """Lets all workers go at once."""


def fork(orders: Orders, environment: dict[str, str], ends: Ends) -> int:
    """Start a worker up to the gate; return its process number."""
    keeper = os.getpid()
    pid = os.fork()
    if not pid:
        _run(orders, environment, ends, keeper)
    return pid


def open_gate(gate: int, workers: int) -> None:
    """Let all workers go."""
    os.write(gate, _GO * workers)


def _run(orders: Orders, environment: dict[str, str], ends: Ends, keeper: int) -> NoReturn:
    doing = "prepare"
    try:
        _stand_alone(orders, ends)
        doing = f"become user {orders.identity.uid}" if orders.identity else doing
        _become(orders.identity)
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(_FAILED)
        if not orders.new_privileges:
            kernel.give_up_privileges()
        doing = f"go to the folder {orders.folder}"
        os.chdir(orders.folder)
        os.write(ends.status, READY)
        if os.read(ends.gate, 1) != _GO:
            os._exit(_FAILED)
        doing = f"run {orders.argv[0]}"
        os.closerange(3, ends.status)
        os.closerange(ends.status + 1, max(os.sysconf("SC_OPEN_MAX"), 4096))
        os.execvpe(orders.argv[0], orders.argv, environment)  # noqa: S606 - this is what it is for
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent has to know
        words = (error.strerror if isinstance(error, OSError) else None) or str(error)
        with contextlib.suppress(OSError):
            os.write(ends.status, f"cannot {doing}: {words}".encode()[:4000])
    os._exit(_FAILED)


def _stand_alone(orders: Orders, ends: Ends) -> None:
    """Leave everything behind that belongs to the shim."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    # Handlers end with the program; what is ignored stays so, and Python ignores these two.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    with contextlib.suppress(OSError):
        groups.put("/proc/self/oom_score_adj", _KILLED_FIRST)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(ends.log, 1)
    os.dup2(ends.log, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, _FILES)
    os.umask(orders.umask)


def _become(identity: Identity | None) -> None:
    """Become the user, with the user's groups and no other, and no way back."""
    if identity is None:
        return
    # `/dev/stdout` is opened anew through `/proc`: by the user, who has to be its owner then.
    os.fchown(1, identity.uid, identity.gid)
    os.setgroups(identity.groups)
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
