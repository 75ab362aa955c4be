"""One process, one attempt: what a shim does between its own beginning and its own end."""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from typing import Final

from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim import group as groups
from noljima.drivers.local.shim import kernel, worker
from noljima.drivers.local.shim.keeper import Keeper
from noljima.drivers.local.shim.orders import Orders, decoded
from noljima.drivers.local.shim.tree import Tree

DONE: Final = 0
NO_ORDERS: Final = 2
NOT_MINE: Final = 3
BROKEN: Final = 4


def attend(folder: str) -> int:
    """Run the attempt whose folder this is, unless somebody does or did; return an exit code."""
    os.umask(0o077)
    kernel.set_name("noljima-shim")
    plain = files.load(f"{folder}/{files.ORDERS}")
    if plain is None:
        return NO_ORDERS
    orders = decoded(plain)
    claimant = files.claimant()
    # Kept open to the end: who can lock it knows that this process is gone.
    lock = files.claim(folder, claimant)
    if lock is None:
        return NOT_MINE
    kernel.become_subreaper()
    worker.open_many_files()
    try:
        files.take_room(folder)
        Keeper(folder, orders, claimant).run()
    except Exception:  # noqa: BLE001 - a fault of ours must not leave a job without a keeper
        _break_off(folder, orders, traceback.format_exc())
        return BROKEN
    return DONE


def _break_off(folder: str, orders: Orders, trouble: str) -> None:
    """End the job after a fault of the shim's own, and say so."""
    with contextlib.suppress(OSError):
        files.write(f"{folder}/{files.TROUBLE}", trouble.encode())
    tree = Tree(orders.group)
    while not tree.bury()[1]:
        tree.kill(again=True)
        time.sleep(0.02)
    groups.remove(orders.group)
    last_line = trouble.strip().rpartition("\n")[2]
    ending = {"outcome": "broken", "reason": f"its shim failed: {last_line}"}
    files.end(folder, {**files.claimant(), **ending})
