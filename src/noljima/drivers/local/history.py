"""What earlier attempts of a job have left for the next: work that is saved, starts that failed."""

from __future__ import annotations

from noljima.drivers.local.endings import read_ending
from noljima.drivers.local.folders import Folders
from noljima.model.commands import Start


def saved_before(folders: Folders, start: Start) -> float:
    """Return the work that earlier attempts of a job have saved."""
    for attempt in folders.attempts(start.job):
        if attempt < start.attempt:
            ending = read_ending(folders.of(start.job, attempt))
            if ending is not None:
                return ending.saved_s
    return 0.0


def failures_before(folders: Folders, start: Start) -> int:
    """Count the starts right before this one that have failed."""
    count = 0
    for attempt in folders.attempts(start.job):
        if attempt < start.attempt:
            ending = read_ending(folders.of(start.job, attempt))
            if ending is None or ending.outcome != "start-failed":
                break
            count += 1
    return count
