"""Up and down the ladder: what is told of each job after a round, and who passes the guards.

OK, SUSPECT on one kind of evidence, STALLED on two from independent sources, END after a grace. A
job steps down as soon as the evidence is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from noljima.config import HealthSettings
from noljima.health import evidence, sentences
from noljima.health.facts import Swept
from noljima.health.findings import HANGS, Act, Doubt, Finding, Kind, Rung, Verdict
from noljima.health.guards import Guards
from noljima.health.restarts import Restarts
from noljima.health.watch import Job

DRY_RUN: Final = "this is a dry run: nothing is done"
DOUBTED: Final = "too many jobs are suspect at once: the sampler is blamed, and nothing is done"
_ACTS: Final[Mapping[Rung, tuple[Act, ...]]] = {
    Rung.SUSPECT: (Act.NOTIFY,),
    Rung.STALLED: (Act.NOTIFY, Act.DUMP_STACKS, Act.ASK_CHECKPOINT),
}
_AGAIN_S: Final = 3600.0
"""A job that goes up and down is not asked and told about at every turn."""


class Ladder:
    """Where all jobs stand."""

    def __init__(self, settings: HealthSettings, guards: Guards, restarts: Restarts) -> None:
        self._settings = settings
        self._guards = guards
        self._restarts = restarts
        self._doubted = False

    def sweep(self, fact: Swept, jobs: Iterable[Job]) -> Iterator[Finding]:
        """Judge every job that was looked at, and tell what has changed."""
        # 1. Judge.
        unseen = frozenset(fact.unseen)
        running = [job for job in jobs if job.paused is None]
        judged = list(self._judge(running, unseen, fact.at_s))
        # 2. Doubt the sampler before the jobs.
        suspects = sum(not HANGS.isdisjoint(case.kinds) for _, case in judged)
        yield from self._doubt(fact.at_s, suspects, len(running))
        # 3. Tell what has changed.
        for job, case in judged:
            self._place(job, case)
            yield from self._tell(job, fact.at_s)
        # 4. End what is ripe. Who has been stuck for longest goes first: ends are few.
        ripe = [job for job, _ in judged if self._ripe(job)]
        for job in sorted(ripe, key=_ripe_for_s, reverse=True):
            yield from self._end(job, fact.at_s, len(running))

    def _judge(
        self, running: Iterable[Job], unseen: Collection[str], at_s: float
    ) -> Iterator[tuple[Job, evidence.Case]]:
        """Give the jobs that something speaks against, or did when last told."""
        for job in running:
            if job.leaving or job.began.job in unseen:
                continue
            job.looked_at(at_s)
            if not job.began.watched:
                continue
            case = evidence.case(job, self._settings)
            if case is not evidence.NOTHING or job.standing.told is not Rung.OK:
                yield job, case

    def _doubt(self, at_s: float, suspects: int, running: int) -> Iterator[Finding]:
        doubted = self._guards.doubts(suspects, running)
        if doubted is self._doubted:
            return
        self._doubted = doubted
        words = f"{suspects:,} of {running:,} running jobs are suspect at once"
        if doubted:
            words += "; that is more likely the sampler's fault than theirs, and nothing is done"
        else:
            words += "; verdicts are acted on again"
        yield Doubt(at_s=at_s, doubted=doubted, suspects=suspects, running=running, words=words)

    def _place(self, job: Job, case: evidence.Case) -> None:
        """Put a job on its rung, and let the time to an end run only with evidence for one."""
        standing = job.standing
        standing.rung, standing.kinds = case.rung, case.kinds
        if not case.endable or self._doubted:
            standing.endable_s = None
        elif standing.endable_s is None:
            standing.endable_s = job.clock_s

    def _ripe(self, job: Job) -> bool:
        """Say whether the grace is over, and the job was in sight for the last of it."""
        since_s = job.standing.endable_s
        if since_s is None or job.sight_s < self._settings.sight_s:
            return False
        return job.clock_s - since_s >= self._settings.grace_s

    def _tell(self, job: Job, at_s: float) -> Iterator[Finding]:
        """Tell a change of rung, and once more where it may be acted on only now."""
        standing = job.standing
        was, rung = standing.told, standing.rung
        if was is Rung.END and rung is Rung.STALLED:
            # It was told that it would be ended; that it is still stuck is no news.
            return
        objection = self._objection()
        again = bool(standing.held_back) and not objection
        if rung is was and not again:
            return
        acts: tuple[Act, ...] = ()
        if not objection:
            acts = self._acts(job, up=rung.height > was.height or again)
        standing.told = rung
        standing.held_back = objection if rung is not Rung.OK else ""
        standing.acts = acts
        yield self._verdict(job, at_s, was, acts)

    def _acts(self, job: Job, *, up: bool) -> tuple[Act, ...]:
        standing = job.standing
        if not up or standing.rung is Rung.OK:
            notified, standing.notified = standing.notified, standing.rung is not Rung.OK
            return (Act.NOTIFY,) if notified else ()
        last_s = standing.acted_s.get(standing.rung)
        if last_s is not None and job.clock_s - last_s < _AGAIN_S:
            return ()
        standing.acted_s[standing.rung] = job.clock_s
        standing.notified = True
        return _ACTS[standing.rung]

    def _end(self, job: Job, at_s: float, running: int) -> Iterator[Finding]:
        """Ask for the end of a job where the guards let it pass."""
        standing = job.standing
        was, user = standing.told, job.began.user
        if was is Rung.END and standing.held_back == DRY_RUN:
            return
        objection = self._guards.objection(user, running)
        if not objection:
            # A dry run spends the budget too: it shows what would have been done.
            self._guards.note(user)
            objection = self._objection()
        if objection and was is Rung.END:
            return
        standing.told = standing.rung = Rung.END
        standing.held_back = objection
        acts: tuple[Act, ...] = ()
        if not objection:
            job.leaving = True
            acts = (Act.NOTIFY, self._way_out(job, at_s))
        standing.acts = acts
        yield self._verdict(job, at_s, was, acts)

    def _way_out(self, job: Job, at_s: float) -> Act:
        """Queue it again where it can go on from a saved state, and not for ever."""
        gone_wrong = Kind.LOSS in job.standing.kinds or Kind.LOOP in job.standing.kinds
        stuck = self._restarts.failed(job.began.job, at_s, "stuck")
        if gone_wrong or not job.checkpoint or self._restarts.loops(stuck):
            return Act.END_FAIL
        return Act.END_REQUEUE

    def _objection(self) -> str:
        if self._settings.dry_run:
            return DRY_RUN
        return DOUBTED if self._doubted else ""

    def _verdict(self, job: Job, at_s: float, was: Rung, acts: tuple[Act, ...]) -> Verdict:
        standing = job.standing
        said = evidence.described(job, standing.kinds, self._settings)
        words = sentences.verdict(
            standing.told, was, said, standing.acts, self._settings.grace_s, standing.held_back
        )
        return Verdict(
            job=job.began.job,
            attempt=job.began.attempt,
            at_s=at_s,
            rung=standing.told,
            was=was,
            evidence=said,
            acts=acts,
            held_back=standing.held_back,
            words=words,
        )

    def standing(self, job: Job) -> Verdict:
        """Return where a job stands by the last look, to be shown; there is nothing to act on."""
        return self._verdict(job, job.seen_at_s, job.standing.told, ())


def _ripe_for_s(job: Job) -> float:
    assert job.standing.endable_s is not None
    return job.clock_s - job.standing.endable_s
