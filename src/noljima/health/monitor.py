"""Facts in, findings out: all that is known of running jobs and their GPUs.

Each fact is taken in by what it is about, at a cost that does not depend on how long the job has
run. `Swept` ends a round of the sampler, and only then jobs are judged.

Time comes with the facts. A monitor that begins anew knows nothing, so that all its clocks begin at
nothing; the budget of automatic ends alone is carried over, with `remember_end`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from noljima.config import HealthSettings
from noljima.health import evidence, faults, xids
from noljima.health.aftermath import postmortem
from noljima.health.facts import (
    Began,
    Counted,
    Erred,
    Fact,
    Faulted,
    Over,
    Paused,
    Progressed,
    Repaired,
    Resumed,
    Sampled,
    Saved,
    Swept,
    Trouble,
)
from noljima.health.findings import (
    Drain,
    Finding,
    Notice,
    Refusal,
    Requeue,
    Service,
    Verdict,
    cut,
)
from noljima.health.guards import Guards
from noljima.health.ladder import DRY_RUN, Ladder
from noljima.health.restarts import Restarts
from noljima.health.watch import Job
from noljima.model.resources import JobId

_OWN_FAULT: Final = (xids.Fault.APPLICATION, xids.Fault.COMPANION)

_OfJob = Sampled | Progressed | Erred | Paused | Resumed | Saved | Over


class Monitor:
    """What is known of all running jobs, and what follows from it."""

    def __init__(self, settings: HealthSettings | None = None) -> None:
        self._settings = settings or HealthSettings()
        self._jobs: dict[JobId, Job] = {}
        self._faults = faults.Faults()
        self._guards = Guards(self._settings)
        self._restarts = Restarts(self._settings)
        self._ladder = Ladder(self._settings, self._guards, self._restarts)
        self._swept_at_s: float | None = None

    def observe(self, *facts: Fact) -> list[Finding]:
        """Take in facts in the order in which they came, and return what follows from them."""
        findings: list[Finding] = []
        for fact in facts:
            # The most frequent by far, without the detour.
            if type(fact) is Sampled and fact.job in self._jobs:
                findings += self._of_job(fact, self._jobs[fact.job])
            else:
                findings += self._take(fact)
        return findings

    def remember_end(self, user: str, ago_s: float) -> None:
        """Count an automatic end that was asked for before this monitor began."""
        self._guards.note(user, ago_s)

    def standing(self, job: JobId) -> Verdict | None:
        """Return where a job stands by the last look, with its evidence; None for one unknown."""
        known = self._jobs.get(job)
        return None if known is None else self._ladder.standing(known)

    def _take(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Swept():
                self._pass_time(fact.at_s)
                yield from self._ladder.sweep(fact, self._jobs.values())
            case Began():
                self._jobs[fact.job] = Job(fact, self._settings.gap_s_max)
            case Faulted():
                yield from self._faulted(fact)
            case Counted():
                drain = self._faults.counted(fact)
                if drain is not None:
                    yield from self._drained(drain, fact.job)
            case Repaired():
                self._faults.repaired(fact)
            case Sampled() | Progressed() | Erred() | Paused() | Resumed() | Saved() | Over():
                job = self._jobs.get(fact.job)
                if job is None:
                    yield _refused(fact, f"no job {fact.job} is running")
                else:
                    yield from self._of_job(fact, job)
            case _:
                yield _refused(fact, f"{type(fact).__name__} is no fact about health")

    def _pass_time(self, at_s: float) -> None:
        before_s, self._swept_at_s = self._swept_at_s, at_s
        if before_s is not None and 0.0 < at_s - before_s <= self._settings.gap_s_max:
            self._guards.advance(at_s - before_s)

    # --- Jobs ---

    def _of_job(self, fact: _OfJob, job: Job) -> list[Finding]:
        match fact:
            case Sampled() | Erred() if fact.worker >= job.began.workers:
                words = f"job {fact.job} has {job.began.workers:,} workers and none {fact.worker}"
                return [_refused(fact, words)]
            case Sampled():
                job.sampled(fact, reports=evidence.reports(job, self._settings))
            case Progressed():
                job.progressed(fact)
            case Erred(trouble=Trouble.NAN_LOSS):
                job.steps.nan_line(job.clock_at(fact.at_s))
            case Erred():
                job.errors.told(fact, job.clock_at(fact.at_s))
            case Paused():
                job.pause(fact.why)
            case Resumed():
                job.resume(fact.at_s)
            case Saved():
                job.checkpoint = True
            case Over():
                del self._jobs[fact.job]
                said = postmortem(job, fact, self._restarts)
                return [] if said is None else [said]
        return []

    # --- GPUs ---

    def _faulted(self, fact: Faulted) -> Iterator[Finding]:
        xid = xids.of(fact.xid, fact.line)
        words = f"Xid {fact.xid} on {faults.name(fact.node, fact.gpu)}: {xid.name}"
        job = None if fact.job is None else self._jobs.get(fact.job)
        if xid.fault in _OWN_FAULT:
            if job is not None:
                job.errors.told_xid(xid, job.clock_at(fact.at_s), words)
            return
        said = self._faults.reported(fact, xid)
        if isinstance(said, Notice):
            yield said
        elif said is not None:
            yield self._held(said)
        if job is not None and xid.fault in xids.HARDWARE:
            # Also where the GPU is drained already: this job is hit all the same.
            job.hardware = (fact.at_s, words)
            if xid.fault is not xids.Fault.WORN:
                yield from self._requeue(job, fact, words)

    def _drained(self, drain: Drain, name: JobId | None) -> Iterator[Finding]:
        """Tell what the counters say of a GPU, and move its job where it cannot stay."""
        yield self._held(drain)
        job = None if name is None else self._jobs.get(name)
        if job is None:
            return
        job.hardware = (drain.at_s, drain.words)
        if drain.service is Service.NOW:
            yield from self._requeue(job, drain, drain.words)

    def _requeue(self, job: Job, where: Faulted | Drain, words: str) -> Iterator[Finding]:
        if job.leaving or job.moved:
            return
        job.moved = True
        job.leaving = not self._settings.dry_run
        requeue = Requeue(
            job=job.began.job,
            attempt=job.began.attempt,
            at_s=where.at_s,
            node=where.node,
            gpu=where.gpu,
            words=cut(f"it goes back to its place in the line, without blame: {words}"),
        )
        yield self._held(requeue)

    def _held(self, finding: Drain | Requeue) -> Drain | Requeue:
        """Mark what a dry run keeps from being done."""
        if not self._settings.dry_run:
            return finding
        return msgspec.structs.replace(finding, held_back=DRY_RUN)


def _refused(fact: Fact, words: str) -> Refusal:
    return Refusal(at_s=fact.at_s, words=words)
