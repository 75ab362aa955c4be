"""Jobs that are kept back before they wait for GPUs: for other jobs, for their array, by somebody.

The engine holds such jobs; here is why, and when that is over. Nothing here is kept on the disk: it
follows from what was handed in, what has ended and who is held, and is built anew at each start.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from noljima.model.reasons import Code
from noljima.model.resources import JobId
from noljima.service import naming
from noljima.service.handed import Handed
from noljima.submission.nouns import After, When

Fate = Callable[[str], bool | None]
"""Says whether a job, or all jobs of an array, ended well; None for one that has not ended."""


class Turn(NamedTuple):
    """What is to become of a job that was kept back."""

    job: JobId
    words: str = ""
    """Empty where it is let go; else why it is cancelled, for it could never be let go."""


class _Gate:
    """Lets so many jobs of an array wait or run at a time."""

    def __init__(self, at_most: int, jobs: Iterable[JobId]) -> None:
        self.at_most = at_most
        self.place = {job: place for place, job in enumerate(jobs)}
        self.waiting: set[JobId] = set()
        self.going: set[JobId] = set()
        # Those that wait for nothing but the gate, and their line, which some may have left.
        self._ready: set[JobId] = set()
        self._line: list[tuple[int, JobId]] = []

    def line_up(self, job: JobId) -> None:
        """Let a job wait for the gate alone."""
        self._ready.add(job)
        heapq.heappush(self._line, (self.place[job], job))

    def step_out(self, job: JobId) -> None:
        """Let a job wait for more than the gate, or not at all any more."""
        self._ready.discard(job)
        self.going.discard(job)

    def next(self) -> JobId | None:
        """Let the first through that may go; None where nobody may."""
        while self._line and len(self.going) < self.at_most:
            _, job = heapq.heappop(self._line)
            if job in self._ready:
                self._ready.discard(job)
                self.waiting.discard(job)
                self.going.add(job)
                return job
        return None


class _Tally:
    """How the jobs of an array end."""

    def __init__(self, jobs: Iterable[JobId]) -> None:
        self.open = set(jobs)
        self.well = True


class Waits:
    """Why jobs are kept back, and what follows from each end."""

    def __init__(self) -> None:
        self._held: set[JobId] = set()
        self._after: dict[JobId, tuple[After, ...]] = {}
        self._followers: dict[str, dict[JobId, None]] = {}
        self._gates: dict[str, _Gate] = {}
        self._tallies: dict[str, _Tally] = {}

    # --- What comes in ---

    def take(
        self,
        handed: Handed,
        fate: Fate,
        *,
        going: Iterable[JobId] = (),
        ended: Iterable[tuple[JobId, bool]] = (),
        held: Iterable[JobId] = (),
    ) -> list[Turn]:
        """Take in what was handed in; say what becomes of jobs that need not, or cannot, wait.

        After a restart `going` are its jobs that were let go already, `ended` those that have
        ended and whether well, and `held` those that somebody holds.
        """
        given, jobs, passed = handed.submission, handed.jobs(), set(going)
        over = dict(ended)
        if given.array:
            tally = self._tallies[handed.base] = _Tally(jobs)
            tally.open -= set(over)
            tally.well = all(over.values())
        if given.array_at_most is not None:
            self._gates[handed.base] = _Gate(given.array_at_most, jobs)
        turns: list[Turn] = []
        holds = set(held)
        for job in jobs:
            if job in over:
                continue
            gate = self._gates.get(handed.base)
            if job in passed:
                if gate is not None:
                    gate.going.add(job)
                continue
            turns += self._keep_back(job, given.after, fate, held=job in holds)
        return [*turns, *self._open(handed.base)]

    def _keep_back(
        self, job: JobId, after: tuple[After, ...], fate: Fate, *, held: bool
    ) -> list[Turn]:
        if held:
            self._held.add(job)
        left: list[After] = []
        for each in after:
            well = fate(each.job)
            if well is None:
                left.append(each)
            elif not _is_met(each, well=well):
                return [Turn(job, _in_vain(each))]
        if left:
            self._after[job] = tuple(left)
            for each in left:
                self._followers.setdefault(each.job, {})[job] = None
        gate = self._gates.get(naming.base_of(job))
        if gate is not None:
            gate.waiting.add(job)
        return self._let_go(job)

    def _let_go(self, job: JobId) -> list[Turn]:
        """Let a job go that nothing but its gate keeps back any more."""
        if job in self._held or job in self._after:
            return []
        gate = self._gates.get(naming.base_of(job))
        if gate is None:
            return [Turn(job)]
        gate.line_up(job)
        return []

    def _open(self, base: str) -> list[Turn]:
        gate = self._gates.get(base)
        turns: list[Turn] = []
        while gate is not None and (job := gate.next()) is not None:
            turns.append(Turn(job))
        return turns

    # --- What happens ---

    def hold(self, job: JobId) -> list[Turn]:
        """Keep a job back by somebody's word; say which job of its array goes in its place."""
        self._held.add(job)
        base = naming.base_of(job)
        gate = self._gates.get(base)
        if gate is not None:
            gate.step_out(job)
            gate.waiting.add(job)
        return self._open(base)

    def release(self, job: JobId) -> list[Turn]:
        """Take back somebody's word; say whether the job goes now."""
        self._held.discard(job)
        return [*self._let_go(job), *self._open(naming.base_of(job))]

    def ended(self, job: JobId, *, well: bool) -> list[Turn]:
        """Take in that a job has ended; say what becomes of those that waited for it."""
        base = naming.base_of(job)
        self._held.discard(job)
        self._after.pop(job, None)
        turns = self._told(job, well=well)
        gate = self._gates.get(base)
        if gate is not None:
            gate.step_out(job)
            gate.waiting.discard(job)
            turns += self._open(base)
        tally = self._tallies.get(base)
        if tally is not None:
            tally.open.discard(job)
            tally.well = tally.well and well
            if not tally.open:
                del self._tallies[base]
                self._gates.pop(base, None)
                turns += self._told(base, well=tally.well)
        return turns

    def _told(self, name: str, *, well: bool) -> list[Turn]:
        """Tell those who wait for a job or an array that it has ended."""
        turns: list[Turn] = []
        bases: dict[str, None] = {}
        for job in self._followers.pop(name, {}):
            waits = self._after.get(job, ())
            mine = [each for each in waits if each.job == name]
            if not mine:
                continue
            vain = [each for each in mine if not _is_met(each, well=well)]
            left = tuple(each for each in waits if each.job != name)
            if vain or not left:
                del self._after[job]
            else:
                self._after[job] = left
            turns += [Turn(job, _in_vain(vain[0]))] if vain else self._let_go(job)
            bases[naming.base_of(job)] = None
        for base in bases:
            turns += self._open(base)
        return turns

    # --- What is asked ---

    def is_held(self, job: JobId) -> bool:
        """Say whether somebody holds a job back."""
        return job in self._held

    def after(self, job: JobId) -> tuple[str, ...]:
        """Name the jobs that a job still waits for."""
        return tuple(each.job for each in self._after.get(job, ()))

    def why(self, job: JobId) -> tuple[Code, str] | None:
        """Say what keeps a job back; None where nothing does."""
        if job in self._held:
            return Code.HELD, "somebody holds it back until it is released"
        left = self._after.get(job)
        if left is not None:
            more = f", and for {len(left) - 1} more" if len(left) > 1 else ""
            return Code.DEPENDENCY, f"it waits {_WAITS[left[0].when].format(left[0].job)}{more}"
        gate = self._gates.get(naming.base_of(job))
        if gate is not None and job in gate.waiting:
            most = f"at most {gate.at_most} jobs of array {naming.base_of(job)}"
            return Code.LIMIT, f"{most} run at a time, and {len(gate.going)} wait or run"
        return None


_WAITS: Final = {
    When.OK: "for job {} to succeed",
    When.NOT_OK: "for job {} to fail",
    When.ANY: "for job {} to end",
}


def _is_met(after: After, *, well: bool) -> bool:
    return after.when is When.ANY or (after.when is When.OK) == well


def _in_vain(after: After) -> str:
    if after.when is When.OK:
        return f"it was to run after job {after.job} had succeeded, which has failed"
    return f"it was to run after job {after.job} had failed, which has succeeded"
