"""Where a scheduler keeps its state, and where in there its socket is.

Both ends look here, so that a command finds the scheduler that was brought up with the same words.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

SOCKET: Final = "control"
"""The name of the socket in the state folder."""
_ROOTS: Final = "/var/lib/noljima"


def state_folder(state: Path | None = None) -> Path:
    """Return the folder that is meant: the one named, `$NOLJIMA_STATE`, or the user's own.

    Root's is `/var/lib/noljima`. Who names nothing and has no scheduler of one's own means root's
    where there is one, so that the users of a machine need not know where it is.
    """
    if state is not None:
        return state.absolute()
    own = named_folder()
    if os.environ.get("NOLJIMA_STATE", ""):
        return own
    roots = Path(_ROOTS)
    if not (own / SOCKET).exists() and (roots / SOCKET).exists():
        return roots
    return own


def named_folder() -> Path:
    """Return the folder that a new scheduler keeps its state in: `$NOLJIMA_STATE` or its own."""
    named = os.environ.get("NOLJIMA_STATE", "")
    return Path(named).absolute() if named else own_folder()


def own_folder() -> Path:
    """Return the folder of the user's own scheduler where nothing is named."""
    if os.geteuid() == 0:
        return Path(_ROOTS)
    home = os.environ.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local/state") / "noljima"


def socket_path(state: Path | None = None) -> Path:
    """Return the socket of the scheduler that keeps its state there."""
    return state_folder(state) / SOCKET
