"""Errors that were seen of a job, and whether it has gone on since.

A strong error leaves a program that cannot go on as it was; a weak one (a stack trace, GPU memory
that ran out) is often dealt with. Either stands as evidence only as long as nothing good has
followed: a step clears both.
"""

from __future__ import annotations

import re
from typing import Final

from noljima.health import xids
from noljima.health.facts import Erred, Trouble
from noljima.health.findings import cut

WEAK: Final = frozenset((Trouble.CUDA_MEMORY, Trouble.TRACEBACK))
_SETTLING_S: Final = 30.0
"""Life up to so long after a weak error is the program dealing with it, or dying of it."""
WEAK_AFTER_S: Final = 120.0
"""A weak error is evidence only when so long has passed without life."""
MOVED_AFTER_S: Final = 300.0
"""A job without steps that moves bytes so long after a strong error has survived it."""

_DIGITS: Final = re.compile(r"\d+")
_NAMES: Final = {
    Trouble.EXIT: "has ended with a failure while others go on",
    Trouble.NCCL: "reported an error of its collectives",
    Trouble.CUDA: "reported a CUDA error",
    Trouble.CUDA_MEMORY: "ran out of GPU memory",
    Trouble.MEMORY_KILL: "lost a process to the kernel, for want of memory",
    Trouble.TRACEBACK: "printed a stack trace",
    Trouble.NAN_LOSS: "reported a loss that is not a number",
}


class Seen:
    """One error, as it is remembered."""

    __slots__ = ("clock_s", "signature", "weak", "words")

    def __init__(self, clock_s: float, words: str, signature: str, *, weak: bool) -> None:
        self.clock_s = clock_s
        self.words = cut(words)
        self.signature = signature
        self.weak = weak


class Errors:
    """The errors of one attempt of a job: the first that still matters, and what it died of."""

    __slots__ = ("last", "standing", "xid")

    def __init__(self) -> None:
        self.standing: Seen | None = None
        """The error that nothing good has followed."""
        self.last: Seen | None = None
        """The last, whether or not the job went on: what to say of it when it fails."""
        self.xid: xids.Xid | None = None
        """The last Xid that is the program's own fault."""

    def told(self, fact: Erred, clock_s: float) -> None:
        """Take in an error from the log, or from what became of a process."""
        code = "" if fact.code is None else f" (exit code {fact.code})"
        line = f": {fact.line}" if fact.line else ""
        words = f"worker {fact.worker} {_NAMES[fact.trouble]}{code}{line}"
        signature = f"{fact.trouble}:{fact.code}:{_template(fact.line)}"
        weak = fact.trouble in WEAK
        self._keep(Seen(clock_s, words, signature, weak=weak))

    def told_xid(self, xid: xids.Xid, clock_s: float, words: str) -> None:
        """Take in an Xid that is the program's own fault."""
        self.xid = xid
        weak = xid.fault is xids.Fault.COMPANION
        self._keep(Seen(clock_s, words, f"xid:{xid.number}", weak=weak))

    def _keep(self, seen: Seen) -> None:
        self.last = seen
        # The first strong error is the cause of those after it.
        if self.standing is None or (self.standing.weak and not seen.weak):
            self.standing = seen

    def went_on(self) -> None:
        """Take in that a step has followed."""
        self.standing = self.xid = None

    def lived(self, life_s: float | None, moving_s: float | None, *, steps: bool) -> None:
        """Take in when the job last showed life; what it survived stands no longer."""
        seen = self.standing
        if seen is None:
            return
        if seen.weak:
            survived = life_s is not None and life_s > seen.clock_s + _SETTLING_S
        else:
            moved = moving_s is not None and moving_s > seen.clock_s + MOVED_AFTER_S
            survived = moved and not steps
        if survived:
            self.standing = None


def _template(line: str) -> str:
    """Return the line without its numbers, so that the same failure reads the same again."""
    return _DIGITS.sub("#", line)[:80]
