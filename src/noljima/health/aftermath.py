"""What is said of a job that has failed by itself: whose fault it was, and whether to try again."""

from __future__ import annotations

from typing import Final

from noljima.health import xids
from noljima.health.facts import Over
from noljima.health.findings import Advice, Blame, Postmortem, cut
from noljima.health.restarts import Restarts
from noljima.health.watch import Job

BLAMELESS_S: Final = 600.0
"""A job that fails within this time of a fault of its GPU has failed because of that."""


def postmortem(job: Job, fact: Over, restarts: Restarts) -> Postmortem | None:
    """Judge the end of a job; None where there is nothing to say."""
    if fact.exit_code == 0 and not fact.asked:
        restarts.forget(fact.job)
    if not fact.failed:
        return None
    if job.hardware is not None and abs(fact.at_s - job.hardware[0]) <= BLAMELESS_S:
        words = f"it failed because of its GPU, and goes back to its place: {job.hardware[1]}"
        return _said(job, fact, Blame.HARDWARE, Advice.REQUEUE, words)
    why = _cause(job, fact)
    xid = job.errors.xid
    if xid is not None and xid.fault is xids.Fault.APPLICATION:
        words = f"its own program failed with Xid {xid.number}, {xid.name}; it is not started again"
        return _said(job, fact, Blame.JOB, Advice.FAIL, words)
    last = job.errors.last
    failures = restarts.failed(
        fact.job, fact.at_s, f"{fact.exit_code}:{'' if last is None else last.signature}"
    )
    if restarts.loops(failures):
        words = f"it failed {failures:,} times in the same way, and is not started again: {why}"
        return _said(job, fact, Blame.JOB, Advice.FAIL, words)
    return _said(job, fact, Blame.JOB, Advice.AS_USUAL, f"it failed: {why}")


def _cause(job: Job, fact: Over) -> str:
    if job.errors.last is not None:
        return job.errors.last.words
    if fact.exit_code is None:
        return "nobody knows how it ended"
    if fact.exit_code < 0:
        return f"it was killed by signal {-fact.exit_code}"
    return f"it ended with exit code {fact.exit_code}"


def _said(job: Job, fact: Over, blame: Blame, advice: Advice, words: str) -> Postmortem:
    return Postmortem(
        job=fact.job,
        attempt=job.began.attempt,
        at_s=fact.at_s,
        blame=blame,
        advice=advice,
        words=cut(words),
    )
