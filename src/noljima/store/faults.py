"""Why a state cannot be used, in words, and what to do about it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from noljima.store.journal import JournalError


class Fault(StrEnum):
    """What kind of reason it is, for a caller that acts on it."""

    MISSING = "missing"
    """There is none, or not all of it."""
    DAMAGED = "damaged"
    """What is there is not what was written."""
    VERSION = "version"
    """A newer program has written it."""
    IN_USE = "in use"
    """Another process owns it."""
    FULL = "full"
    """The disk is full. Nothing was written, and the same may be tried again."""
    BROKEN = "broken"
    """Writing failed in a way that leaves open what is on the disk; only a restart goes on."""
    REFUSED = "refused"
    """What was to be written cannot be."""


RECOVER = "`noljima recover STATE` goes back to what is whole and keeps the rest aside"


class StateError(JournalError):
    """A state that cannot be opened, read or written."""

    def __init__(self, fault: Fault, file: Path | str, words: str, advice: str = "") -> None:
        super().__init__(file, words)
        self.fault = fault
        self.advice = advice
        if advice:
            self.args = (f"{self.args[0]}; {advice}",)


def damaged(file: Path | str, words: str) -> StateError:
    """Build the refusal of what is not as it was written."""
    return StateError(Fault.DAMAGED, file, words, RECOVER)
