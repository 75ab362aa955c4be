"""How a job is ended: step by step, each harder than the one before, each with its time.

- evict: ask for a checkpoint, tell it to end, kill;
- stop (its owner wants it gone), fail (it is believed to hang, say) and limit (its time is up):
  tell it to end, kill;
- peers (one of its workers has failed): leave the others alone, tell them to end, kill;
- leftover (all of its workers have ended): tell the rest to end, kill;
- memory, kill: kill.
"""

from __future__ import annotations

import enum
import signal
from typing import Final, NamedTuple

from noljima.drivers.local.shim.orders import Graces

ASK: Final = signal.SIGUSR1


class Why(enum.Enum):
    """Why a job is ended by the shim."""

    EVICT = "evict"
    STOP = "stop"
    FAIL = "fail"
    LIMIT = "limit"
    PEERS = "peers"
    LEFTOVER = "leftover"
    MEMORY = "memory"
    KILL = "kill"


class Step(NamedTuple):
    """One thing that is done to a job, and how long it has before the next."""

    number: int | None
    """The signal; None leaves it alone."""
    wait_s: float


def steps(why: Why, graces: Graces) -> list[Step]:
    """Return what is done, in order; after the last step everything has been killed."""
    tell = Step(signal.SIGTERM, graces.stop_s)
    match why:
        case Why.EVICT:
            gentle = [Step(ASK, graces.checkpoint_s), tell]
        case Why.STOP | Why.FAIL | Why.LIMIT:
            gentle = [tell]
        case Why.PEERS:
            gentle = [Step(None, graces.peer_s), tell]
        case Why.LEFTOVER:
            gentle = [Step(signal.SIGTERM, graces.leftover_s)]
        case _:
            gentle = []
    # What is given no time is not done.
    kill = Step(signal.SIGKILL, graces.unkillable_s)
    return [*(step for step in gentle if step.wait_s > 0.0), kill]


def replaces(new: Why, old: Why | None) -> bool:
    """Say whether a reason to end a job takes the place of the one that it is being ended for.

    The first counts, but for an eviction, after which a job would come back: its owner's word goes
    before that. What has failed or ended has done so, whatever is wanted since.
    """
    return old is None or (old is Why.EVICT and new in {Why.STOP, Why.KILL})


def hastens(new: Why, now: Step) -> bool:
    """Say whether a reason to end a job goes on at once from the step that it is at."""
    if new in {Why.KILL, Why.MEMORY}:
        return now.number != signal.SIGKILL
    return new is Why.STOP and now.number in {None, ASK}
