"""What speaks against a job now: which kinds of evidence, since when, and in which words.

`kinds` is asked for every job after every look, and gives no words; `described` makes them for the
few jobs that something is said about. Both are functions of what is remembered and of the settings.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from noljima.config import HealthSettings
from noljima.health.errors import WEAK_AFTER_S
from noljima.health.findings import HANGS, Evidence, Kind, Rung, cut
from noljima.health.gaps import Gaps
from noljima.health.signs import Sign
from noljima.health.watch import Job
from noljima.model.reasons import duration

_RECENT_S: Final = 120.0
"""Life within this time is life now; or within the time that a job may be silent, if less."""
_LONGEST: Final = 1.5
"""A job is allowed half as long again as its own longest pause."""
_NAN_S: Final = 300.0
"""A loss that is no number is so for this long; or for as long as a job may be silent."""
_SAME_LOSS_S: Final = 1800.0
_STILL: Final = frozenset((Sign.QUIET, Sign.STOPPED, Sign.GONE))


class Case(NamedTuple):
    """What speaks against a job, without words."""

    kinds: tuple[Kind, ...] = ()
    weak: bool = False
    """Whether an error among it is a weak one."""
    moving: bool = False

    @property
    def rung(self) -> Rung:
        """The rung that it suffices for; an end needs time as well."""
        if not self.kinds:
            return Rung.OK
        return Rung.STALLED if len(self._sources(self.kinds)) >= 2 else Rung.SUSPECT

    @property
    def endable(self) -> bool:
        """Whether there are two independent kinds that are not weak."""
        strong = [
            kind
            for kind in self.kinds
            if kind is not Kind.OUTPUT and not (kind is Kind.ERROR and self.weak)
        ]
        return len(self._sources(tuple(strong))) >= 2

    def _sources(self, kinds: tuple[Kind, ...]) -> frozenset[str]:
        """Return the independent sources; a job that moves is not held to hang for two reasons."""
        if self.moving:
            gone_wrong = frozenset(k.source for k in kinds if k in (Kind.LOSS, Kind.LOOP))
            return gone_wrong or frozenset(k.source for k in kinds[:1])
        return frozenset(kind.source for kind in kinds)


NOTHING: Final = Case()


def reports(job: Job, settings: HealthSettings) -> bool:
    """Say whether the job is one that reports its steps."""
    return job.steps.advances >= settings.steps_min


def case(job: Job, settings: HealthSettings) -> Case:
    """Return what speaks against the job now."""
    life_s, moving_s = job.life()
    recently_s = job.clock_s - min(_RECENT_S, settings.silence_s)
    moving = moving_s is not None and moving_s >= recently_s
    alive = life_s is not None and life_s >= recently_s
    steps = reports(job, settings)
    found: list[Kind] = []
    if not _excused(job, settings):
        found += _hangs(job, settings, alive=alive, moving=moving, steps=steps)
    job.errors.lived(life_s, moving_s, steps=steps)
    error = job.errors.standing
    weak = error is not None and error.weak
    if error is not None and (not weak or job.clock_s - error.clock_s >= WEAK_AFTER_S):
        found.append(Kind.ERROR)
    found += _gone_wrong(job, settings)
    return Case(tuple(found), weak, moving) if found else NOTHING


def silence_limit_s(job: Job, settings: HealthSettings, *, alive: bool) -> float:
    """Return how long the job may be without a step, by its own habit or its owner's word."""
    return _limit_s(job, settings, job.steps.gaps, settings.silence_s, alive=alive)


def described(job: Job, kinds: tuple[Kind, ...], settings: HealthSettings) -> tuple[Evidence, ...]:
    """Put into words what speaks against the job."""
    return tuple(_describe(job, kind, settings) for kind in kinds)


# --- Which kinds ---


def _excused(job: Job, settings: HealthSettings) -> bool:
    """Say whether the job has declared that no steps are to be expected, and not too long ago."""
    declared_s = job.clock_s - job.steps.declared_clock_s
    return bool(job.steps.declared) and declared_s <= settings.declared_s_max


def _hangs(
    job: Job, settings: HealthSettings, *, alive: bool, moving: bool, steps: bool
) -> list[Kind]:
    found: list[Kind] = []
    silent_s = job.clock_s - job.steps.clock_s
    if steps:
        # First what is almost always so, and cheap to know.
        if silent_s <= min(settings.silence_s, job.began.silence_s or settings.silence_s):
            return found
        if silent_s > silence_limit_s(job, settings, alive=alive):
            found.append(Kind.PROGRESS)
    elif _voiceless(job, settings, alive=alive):
        found.append(Kind.OUTPUT)
    if not moving:
        limit_s = _still_limit_s(job, settings, steps=steps)
        if not job.steps.advances or silent_s > limit_s:
            found += _still(job, settings, limit_s)
    return found


def _voiceless(job: Job, settings: HealthSettings, *, alive: bool) -> bool:
    """Say whether the log of a job that has written into it before is silent for too long."""
    silent_s = job.clock_s - max(job.log.clock_s, job.steps.clock_s)
    if not job.log.started or silent_s <= settings.output_silence_s:
        return False
    limit_s = _limit_s(job, settings, job.log.gaps, settings.output_silence_s, alive=alive)
    return silent_s > limit_s


def _limit_s(
    job: Job, settings: HealthSettings, gaps: Gaps, least_s: float, *, alive: bool
) -> float:
    limit_s = job.began.silence_s
    if limit_s is None:
        habit_s = max(settings.silence_gaps * gaps.q999_s, _LONGEST * gaps.longest_s)
        limit_s = max(least_s, habit_s)
    return limit_s * settings.alive_factor if alive else limit_s


def _still_limit_s(job: Job, settings: HealthSettings, *, steps: bool) -> float:
    if steps:
        return silence_limit_s(job, settings, alive=False)
    return job.began.silence_s or settings.output_silence_s


def _still(job: Job, settings: HealthSettings, limit_s: float) -> list[Kind]:
    """Find that nobody does anything, or that some are still and the others wait for them."""
    workers = job.workers.values()
    if len(workers) != job.began.workers:
        return []
    for worker in workers:
        if worker.known_s is None or job.clock_s - worker.known_s > settings.gap_s_max:
            return []
    signs = {worker.sign for worker in workers}
    if all(worker.still_s >= limit_s for worker in workers):
        mixed = Sign.SPINNING in signs and signs & _STILL
        return [Kind.PEERS if mixed else Kind.ACTIVITY]
    lost = any(w.sign is Sign.STOPPED and w.sign_s >= limit_s for w in workers)
    if lost and all(worker.unmoved_s >= limit_s for worker in workers):
        return [Kind.PEERS]
    return []


def _gone_wrong(job: Job, settings: HealthSettings) -> list[Kind]:
    """Find steps that come and lead nowhere."""
    steps, found = job.steps, []
    nan_s = min(_NAN_S, settings.silence_s)
    lost = steps.nans >= settings.nan_steps and job.clock_s - steps.nan_clock_s >= nan_s
    same = steps.same >= settings.same_loss_steps
    if lost or (same and job.clock_s - steps.same_clock_s >= _SAME_LOSS_S):
        found.append(Kind.LOSS)
    if steps.returns >= settings.loop_returns:
        found.append(Kind.LOOP)
    return found


# --- In which words ---


def _describe(job: Job, kind: Kind, settings: HealthSettings) -> Evidence:
    for_s, limit_s = job.clock_s, 0.0
    if kind is Kind.PROGRESS:
        for_s = job.clock_s - job.steps.clock_s
        limit_s = silence_limit_s(job, settings, alive=False)
        words = _no_step(job, for_s, limit_s)
    elif kind is Kind.OUTPUT:
        for_s = job.clock_s - job.log.clock_s
        limit_s = _limit_s(job, settings, job.log.gaps, settings.output_silence_s, alive=False)
        words = f"no line in its log for {duration(for_s)}, and it reports no steps"
    elif kind in HANGS:
        limit_s = _still_limit_s(job, settings, steps=reports(job, settings))
        for_s = min((worker.unmoved_s for worker in job.workers.values()), default=0.0)
        words = _no_life(job, for_s)
    elif kind is Kind.ERROR:
        error = job.errors.standing
        assert error is not None
        for_s = job.clock_s - error.clock_s
        words = f"{error.words}; nothing has gone on in the {duration(for_s)} since"
    else:
        for_s, words = _wrong(job, kind)
    return Evidence(kind=kind, for_s=for_s, limit_s=limit_s, words=cut(words))


def _no_step(job: Job, for_s: float, limit_s: float) -> str:
    if job.began.silence_s is not None:
        habit = f"its owner allows {duration(limit_s)}"
    else:
        longest = duration(max(job.steps.gaps.longest_s, 1.0))
        habit = f"its longest pause before was {longest}, and {duration(limit_s)} are allowed"
    return f"no step for {duration(for_s)} after step {job.steps.step:,.0f}; {habit}"


def _no_life(job: Job, for_s: float) -> str:
    workers = job.workers
    signs = {sign: [n for n, w in workers.items() if w.sign is sign] for sign in Sign}
    clauses = []
    for sign, said in _SIGNS.items():
        if signs[sign]:
            clauses.append(f"{_who(signs[sign], len(workers))} {said}")
    return f"for {duration(for_s)} " + ", and ".join(clauses)


_SIGNS: Final = {
    Sign.STOPPED: "was stopped by a signal",
    Sign.GONE: "had no process left",
    Sign.QUIET: "did nothing that can be measured",
    Sign.SPINNING: "kept its GPUs busy with waiting: no power drawn, nothing moved",
    Sign.COMPUTING: "used CPU and moved nothing",
}


def _who(numbers: list[int], count: int) -> str:
    if len(numbers) == count:
        return "its only worker" if count == 1 else f"each of its {count:,} workers"
    if len(numbers) == 1:
        return f"worker {numbers[0]}"
    shown = ", ".join(str(number) for number in sorted(numbers)[:3])
    more = f" and {len(numbers) - 3:,} more" if len(numbers) > 3 else ""
    return f"each of workers {shown}{more}"


def _wrong(job: Job, kind: Kind) -> tuple[float, str]:
    steps = job.steps
    if kind is Kind.LOOP:
        words = f"its step counter was thrown back {steps.returns:,} times without getting beyond"
        return job.clock_s - steps.clock_s, f"{words}; it is at step {steps.step:,.0f}"
    if steps.nans:
        for_s = job.clock_s - steps.nan_clock_s
        return for_s, f"its loss has not been a number for {steps.nans:,} steps"
    for_s = job.clock_s - steps.same_clock_s
    return for_s, f"its loss has been the very same for {steps.same:,} steps"
