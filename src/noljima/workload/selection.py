"""What part of a trace to run, and under which pressure: pure functions from trace to trace.

Chance comes from a hash of seed and job id, never from a generator's state: whether one job is
marked does not depend on which others are there.
"""

from __future__ import annotations

import fnmatch
import hashlib
import math
import operator
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Outcome
from noljima.model.job import Checkpoint
from noljima.model.resources import GPU
from noljima.workload import durations
from noljima.workload.trace import Trace, TraceJob

LOAD_FACTOR_MAX: Final = 1e6

_TEXTS: Final[dict[str, Callable[[TraceJob], str]]] = {
    "id": lambda job: job.job.id,
    "user": lambda job: job.job.user,
    "name": lambda job: job.job.name,
    "queue": lambda job: job.job.queue,
    "cluster": lambda job: job.job.queue,
    "outcome": lambda job: job.outcome.value,
}
_NUMBERS: Final[dict[str, Callable[[TraceJob], float]]] = {
    "gpus": lambda job: job.job.gang.gpu_milli / GPU,
    "workers": lambda job: job.job.gang.workers,
    "run": lambda job: job.run_s,
}
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FILTER: Final = re.compile(r"\s*([a-z]+)\s*(!=|<=|>=|=|<|>)(.*)", re.DOTALL)


class Filter(msgspec.Struct, frozen=True):
    """A condition on jobs: `user=u7`, `name=bert-*`, `queue!=test`, `gpus>=8`, `run<10m`."""

    key: str
    sign: str
    value: str

    def __post_init__(self) -> None:
        """Refuse keys that no job has, signs that the key does not know and values of no use."""
        if self.key not in _TEXTS and self.key not in _NUMBERS:
            known = ", ".join([*_TEXTS, *_NUMBERS])
            raise InvalidFieldError("filter", self.key, f"is none of {known}")
        signs = list(_OPERATORS)[: 2 if self.key in _TEXTS else None]
        if self.sign not in signs:
            words = f"cannot be asked of {self.key}; use {' '.join(signs)}"
            raise InvalidFieldError("filter", self.sign, words)
        self.matcher()

    def matcher(self) -> Callable[[TraceJob], bool]:
        """Compile the condition, once for all jobs."""
        compare = _OPERATORS[self.sign]
        if self.key in _NUMBERS:
            number_of, wanted = _NUMBERS[self.key], self._number()
            return lambda job: compare(number_of(job), wanted)
        text_of, pattern = _TEXTS[self.key], _wildcards(self.value)
        positive = self.sign == "="
        return lambda job: bool(pattern.fullmatch(text_of(job))) == positive

    def _number(self) -> float:
        if self.key == "run":
            return durations.parse(self.value, field=self.key)
        try:
            value = float(self.value)
        except ValueError:
            raise InvalidFieldError(self.key, self.value, "is not a number") from None
        if not math.isfinite(value):
            raise InvalidFieldError(self.key, self.value, "is not a number")
        return value


def parse_filter(words: str) -> Filter:
    """Read a filter as people type it."""
    match = _FILTER.fullmatch(words)
    if match is None:
        raise InvalidFieldError("filter", words, "is not like user=u7 or gpus>=8")
    key, sign, value = match.groups()
    return Filter(key, sign, value.strip())


def _wildcards(value: str) -> re.Pattern[str]:
    # `*` alone is special: job names hold `?` and `[` as plain characters.
    return re.compile(fnmatch.translate(value.replace("[", "[[]").replace("?", "[?]")))


class Moment(msgspec.Struct, frozen=True):
    """A time in a trace: seconds after its first job, or a Unix time."""

    value_s: float
    absolute: bool = False

    def within(self, trace: Trace) -> float:
        """Say which second of the trace is meant."""
        if not self.absolute:
            return (trace.jobs[0].submit_s if trace.jobs else 0.0) + self.value_s
        if trace.epoch_s is None:
            day = datetime.fromtimestamp(self.value_s, UTC).isoformat()
            words = f"is a date; {trace.name} only knows seconds from its start"
            raise InvalidFieldError("time", day, words)
        return self.value_s - trace.epoch_s


def parse_moment(words: str) -> Moment:
    """Read a time: a duration after the first job (3d12h), or a date (2017-10-09T07:00, UTC)."""
    try:
        date = datetime.fromisoformat(words.strip())
    except ValueError:
        return Moment(durations.parse(words, field="time"))
    if re.fullmatch(r"\d+", words.strip()):  # "20171009" is a date to Python, not to people
        return Moment(durations.parse(words, field="time"))
    at = date if date.tzinfo else date.replace(tzinfo=UTC)
    return Moment(bounds.seconds("time", at.timestamp()), absolute=True)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be asked of a trace, in the order in which it is done."""

    since: Moment | None = None
    until: Moment | None = None
    filters: tuple[Filter, ...] = ()
    load_factor: float = 1.0
    evictable_share: float | None = None
    """None leaves every job as it is."""
    checkpoint: Checkpoint | None = None
    """None leaves every job as it is."""
    early_exits: float = 0.0
    """Share of the jobs that fail before their time."""
    seed: int = 0


def select(trace: Trace, selection: Selection) -> Trace:
    """Cut the window, keep what the filters let through, then change pressure and jobs.

    A trace of which jobs were left out starts again at second 0, its epoch moved to match; a whole
    one keeps its seconds, so that schedules can be compared with published ones.
    """
    whole = trace
    if selection.since is not None or selection.until is not None:
        trace = between(trace, selection.since, selection.until)
    if selection.filters:
        trace = where(trace, selection.filters)
    if len(trace.jobs) < len(whole.jobs):
        trace = rebased(trace)
    if selection.load_factor != 1.0:
        trace = pressed(trace, selection.load_factor)
    if selection.evictable_share is not None:
        trace = with_evictable_share(trace, selection.evictable_share, seed=selection.seed)
    if selection.checkpoint is not None:
        trace = with_checkpoint(trace, selection.checkpoint)
    if selection.early_exits:
        trace = with_early_exits(trace, selection.early_exits, seed=selection.seed)
    return trace


def between(trace: Trace, since: Moment | None, until: Moment | None) -> Trace:
    """Keep the jobs submitted from `since` on and before `until`."""
    low = since.within(trace) if since else float("-inf")
    high = until.within(trace) if until else float("inf")
    return _with(trace, (job for job in trace.jobs if low <= job.submit_s < high))


def where(trace: Trace, filters: Iterable[Filter]) -> Trace:
    """Keep the jobs that every filter lets through."""
    matchers = [one.matcher() for one in filters]
    return _with(trace, (job for job in trace.jobs if all(match(job) for match in matchers)))


def rebased(trace: Trace) -> Trace:
    """Move the first submission to second 0, and the epoch with it."""
    if not trace.jobs:
        return trace
    first_s = trace.jobs[0].submit_s
    moved = _retimed(trace, lambda submit_s: submit_s - first_s)
    if trace.epoch_s is None:
        return moved
    return msgspec.structs.replace(moved, epoch_s=trace.epoch_s + first_s)


def pressed(trace: Trace, load_factor: float) -> Trace:
    """Divide the times between submissions by a factor, which multiplies the load by it."""
    if not 0 < load_factor <= LOAD_FACTOR_MAX:
        words = f"is outside 0 (exclusive) to {LOAD_FACTOR_MAX:g}"
        raise InvalidFieldError("load factor", load_factor, words)
    if not trace.jobs:
        return trace
    first_s = trace.jobs[0].submit_s
    # Rounded to 1/1024 s, which floats add up exactly: so that "at the same moment" stays so.
    return _retimed(
        trace,
        lambda submit_s: math.floor(((submit_s - first_s) / load_factor + first_s) * 1024) / 1024,
    )


def with_evictable_share(trace: Trace, share: float, *, seed: int = 0) -> Trace:
    """Mark about this share of the jobs evictable and the others not.

    A larger share keeps every job that a smaller one marked, for the same seed.
    """
    bounds.share("evictable share", share)
    return _changed(trace, lambda job: {"evictable": _chance(seed, job.job.id) < share})


def with_checkpoint(trace: Trace, checkpoint: Checkpoint) -> Trace:
    """Give every job the same checkpoint interval and restart cost."""
    return _changed(trace, lambda _: {"checkpoint": checkpoint})


def with_early_exits(trace: Trace, share: float, *, seed: int = 0) -> Trace:
    """Let this share of the jobs fail early, each after a part of its time that chance decides."""
    bounds.share("early exits", share)

    def shortened(job: TraceJob) -> TraceJob:
        if _chance(seed, f"exit {job.job.id}") >= share:
            return job
        part = _chance(seed, f"part {job.job.id}")
        run_s = max(1.0, math.floor(job.run_s * part))
        return msgspec.structs.replace(job, run_s=min(run_s, job.run_s), outcome=Outcome.FAILED)

    return _with(trace, (shortened(job) for job in trace.jobs))


def _chance(seed: int, job: str) -> float:
    """Hash a job to a number in [0, 1), the same on every machine and in every order."""
    digest = hashlib.blake2b(f"{seed}:{job}".encode(), digest_size=8).digest()
    # The 53 bits that a float holds exactly: 64 could round up to 1.
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def _with(trace: Trace, jobs: Iterable[TraceJob]) -> Trace:
    return msgspec.structs.replace(trace, jobs=tuple(jobs))


def _retimed(trace: Trace, change: Callable[[float], float]) -> Trace:
    return _with(
        trace,
        (TraceJob(change(job.submit_s), job.run_s, job.job, job.outcome) for job in trace.jobs),
    )


def _changed(trace: Trace, changes: Callable[[TraceJob], dict[str, object]]) -> Trace:
    return _with(
        trace,
        (
            msgspec.structs.replace(job, job=msgspec.structs.replace(job.job, **changes(job)))
            for job in trace.jobs
        ),
    )
