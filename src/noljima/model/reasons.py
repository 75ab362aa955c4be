"""Why a job does not run: a code, the numbers behind it, and the sentence made of them.

A reason is worked out when somebody asks and kept nowhere. It holds seconds and amounts; `words`
makes text of it, with the asker's clock, because the core has neither a clock nor a time zone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from noljima.model.amounts import gpus, several
from noljima.model.resources import GPU, JobId, NodeId

Clock = Callable[[float], str]
"""Writes a moment as its reader does: 14:05."""


class Code(StrEnum):
    """What keeps a job back, or what it does; `docs/reasons.md` has an example of each."""

    # It waits.
    HELD = "Held"
    INFEASIBLE = "Infeasible"
    CLEARING = "Clearing"
    QUOTA = "Quota"
    EVICTED = "Evicted"
    RESERVED = "Reserved"
    RESOURCES = "Resources"
    ORDER = "Order"
    DECISION = "Decision"
    # It holds capacity.
    STARTING = "Starting"
    RUNNING = "Running"
    EVICTING = "Evicting"
    CANCELLING = "Cancelling"
    # It is over.
    ENDED = "Ended"
    # Named for those who keep jobs back outside the engine; `detail` is their sentence.
    LIMIT = "Limit"
    DEPENDENCY = "Dependency"
    FAULT = "Fault"
    POWER = "Power"
    GANG = "Gang"


class Basis(StrEnum):
    """How sure an expected time is."""

    RESERVED = "reserved"
    """The plan keeps GPUs for the job from then on."""
    ESTIMATE = "estimate"
    """It comes so if all jobs run as long as is believed now."""


class Step(StrEnum):
    """What somebody could do about a reason."""

    RELEASE = "release"
    EVICTABLE = "evictable"
    LIMIT = "limit"
    GPU_TYPE = "gpu-type"
    WORKERS = "workers"


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that would let a job start now (or run at all, if it is infeasible)."""

    step: Step
    workers: int = 0
    limit_s: float = 0.0


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a job does not run, or how it runs, at one moment. What does not apply is empty."""

    code: Code
    job: JobId
    at_s: float
    """The moment that this was true at: the last that the engine has heard of."""
    detail: str = ""
    """Words that come from elsewhere, unchanged: a refusal of placement, a quota's."""
    workers: int = 0
    needed_milli: int = 0
    free_milli: int = 0
    """Free GPUs of the whole cluster, wherever they are."""
    fitting: int = 0
    """Workers of the gang that would fit now."""
    position: int = 0
    """Place in the line, from 1; 0 for a job that is not in it."""
    ahead_milli: int = 0
    """What the jobs before it in the line need together."""
    blocking: tuple[JobId, ...] = ()
    """The jobs that stand in its way; at most `BLOCKING_MAX` of them."""
    blocking_count: int = 0
    saving: bool = False
    """Whether those that make way save their state."""
    kept_milli: int = 0
    """GPUs that are kept for the blocking job."""
    kept_from_s: float | None = None
    """When that job is to start; None while its place is being cleared."""
    run_s: float | None = None
    """How long the job is believed to run; after its end, how long it has."""
    guests_milli: int = 0
    """GPUs of running guests that make way for this job."""
    rooms: tuple[NodeId, ...] = ()
    """The nodes that have room for it at the expected time."""
    expected_s: float | None = None
    """When it is expected to start."""
    basis: Basis | None = None
    """What the expected time rests on."""
    strict_s: float | None = None
    """When first come, first served would start it, by estimate: it is to start no later."""
    about_s: float | None = None
    """When it starts in the middle case, where promises are made."""
    by_s: float | None = None
    """By when it was promised to start; past where that was missed."""
    evictions: int = 0
    since_s: float | None = None
    """When the present run was started."""
    ends_s: float | None = None
    """When the present run is expected to end."""
    guest: bool = False
    changes: tuple[Change, ...] = ()
    """What would let it start now; each of them was tried."""

    @property
    def ahead(self) -> int:
        """How many jobs are before it in the line."""
        return max(self.position - 1, 0)

    @property
    def missing_milli(self) -> int:
        """How many more GPUs would have to be free, wherever they are."""
        return max(self.needed_milli - self.free_milli, 0)

    @property
    def sentence(self) -> str:
        """The reason in words, without its code, with times as durations from `at_s`."""
        return sentence(self)

    def __str__(self) -> str:
        """Read as the whole text."""
        return words(self)


BLOCKING_MAX: Final = 5


def words(reason: Reason, clock: Clock | None = None) -> str:
    """Write the code and the sentence: `Order: 3 jobs (40 GPUs) are ahead of it`."""
    return f"{reason.code}: {sentence(reason, clock)}"


def sentence(reason: Reason, clock: Clock | None = None) -> str:
    """Write the reason, and in a second sentence what would change it.

    Without a clock, times are told from the moment of the reason on: in about 1 h 5 min.
    """
    times = _Times(reason.at_s, clock)
    clauses = [*_CLAUSES[reason.code](reason, times), _promise(reason, times)]
    first = "; ".join(clause for clause in clauses if clause)
    return f"{first}. {_changes(reason)}" if reason.changes else first


def duration(seconds: float) -> str:
    """Write a time with its two largest units: 40 s, 1 h 5 min, 3 d 2 h."""
    whole_s = max(round(seconds), 0)
    if whole_s < 60:
        return f"{whole_s} s"
    if whole_s < 3600:
        return _two_units(whole_s, 60, "min", "s")
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return _two_units(minutes, 60, "h", "min")
    return _two_units(round(seconds / 3600), 24, "d", "h")


def _two_units(number: int, per_large: int, large: str, small: str) -> str:
    count, rest = divmod(number, per_large)
    return f"{count:,} {large} {rest} {small}" if rest else f"{count:,} {large}"


class _Times:
    """Writes moments: by the asker's clock, or as durations from the reason's own moment."""

    def __init__(self, at_s: float, clock: Clock | None) -> None:
        self._at_s = at_s
        self._clock = clock

    def at(self, moment_s: float) -> str:
        """Write a moment to come."""
        if moment_s <= self._at_s:
            return "at any moment"
        if self._clock is None:
            return f"in about {duration(moment_s - self._at_s)}"
        return f"at about {self._clock(moment_s)}"

    def by(self, moment_s: float) -> str:
        """Write a moment before which something is to happen."""
        if self._clock is None:
            return f"within {duration(moment_s - self._at_s)}"
        return f"by {self._clock(moment_s)}"

    def since(self, moment_s: float) -> str:
        """Write a moment from which on something lasts."""
        if self._clock is None:
            return f"for {duration(self._at_s - moment_s)}"
        return f"since {self._clock(moment_s)}"

    def ago(self, moment_s: float) -> str:
        """Write a moment of the past as the time of one event."""
        if self._clock is None:
            return f"{duration(self._at_s - moment_s)} ago"
        return f"at {self._clock(moment_s)}"


# --- Parts of sentences ---


def _jobs(reason: Reason) -> str:
    names = [str(job) for job in reason.blocking[:3]]
    more = reason.blocking_count - len(names)
    if more > 0:
        names.append(f"{more:,} more")
    if len(names) == 1:
        return f"job {names[0]}"
    return f"jobs {', '.join(names[:-1])} and {names[-1]}"


def _ahead(reason: Reason) -> str:
    if not reason.ahead:
        return ""
    amount = f" ({gpus(reason.ahead_milli)})" if reason.ahead_milli else ""
    verb = "is" if reason.ahead == 1 else "are"
    return f"{several(reason.ahead, 'job')}{amount} {verb} ahead of it"


def _evictions(reason: Reason) -> str:
    return f"it was evicted {several(reason.evictions, 'time')}" if reason.evictions else ""


def _start(reason: Reason, times: _Times) -> str:
    """Say when it is expected to start; the strict queue's time is told by `_strict`."""
    if reason.expected_s is None or reason.expected_s == reason.strict_s:
        return ""
    if reason.by_s is not None and reason.basis is Basis.ESTIMATE:
        return ""  # A promise says more.
    return f"it is expected to start {times.at(reason.expected_s)} ({reason.basis})"


def _promise(reason: Reason, times: _Times) -> str:
    if reason.by_s is None or reason.about_s is None:
        return ""
    starts = f"it starts {times.at(reason.about_s)}"
    if reason.by_s < reason.at_s:
        return f"{starts}; it was promised to have started {times.ago(reason.by_s)}"
    return f"{starts} ({times.by(reason.by_s)})"


def _strict(reason: Reason, times: _Times) -> str:
    if reason.strict_s is None:
        return ""
    if reason.strict_s <= reason.at_s:
        return "first come, first served would start it now"
    when = times.at(reason.strict_s)
    return f"first come, first served would start it {when} (estimate), and it is to start no later"


def _room(reason: Reason, times: _Times) -> str:
    """Say where and when the first in the line has room."""
    if reason.expected_s is None or reason.expected_s == reason.strict_s:
        return ""
    when = f"{times.at(reason.expected_s)} ({reason.basis})"
    nodes = [str(node) for node in reason.rooms[:3]]
    if not nodes:
        return f"enough come free {when}"
    if len(reason.rooms) > len(nodes):
        nodes.append(f"{len(reason.rooms) - len(nodes)} more")
    if len(nodes) == 1:
        return f"{nodes[0]} has room {when}"
    return f"{', '.join(nodes[:-1])} and {nodes[-1]} have room {when}"


def _changes(reason: Reason) -> str:
    steps = " or ".join(_change(change, reason.workers) for change in reason.changes)
    result = "it could start now"
    if reason.code is Code.INFEASIBLE:
        result = "it could run"
    elif reason.code is Code.HELD:
        result = "it waits for its turn again"
    return f"{steps[:1].upper()}{steps[1:]} {result}."


def _change(change: Change, workers: int) -> str:
    """Write what would have to be different, as the beginning of a sentence."""
    match change.step:
        case Step.RELEASE:
            return "once released"
        case Step.EVICTABLE:
            return "as an evictable job"
        case Step.LIMIT:
            return f"with a time limit of {duration(change.limit_s)} or less"
        case Step.GPU_TYPE:
            return "on any GPU type"
        case Step.WORKERS:
            return f"with {several(change.workers, 'worker')} instead of {workers:,}"


# --- Sentences, one for each code ---


def _held(reason: Reason, times: _Times) -> list[str]:  # noqa: ARG001 - no times in it
    return ["somebody holds it back"]


def _infeasible(reason: Reason, times: _Times) -> list[str]:  # noqa: ARG001 - no times in it
    return [reason.detail, "the cluster cannot run it as it is"]


def _clearing(reason: Reason, times: _Times) -> list[str]:  # noqa: ARG001 - no times in it
    verb = "is" if reason.blocking_count == 1 else "are"
    what = "stopping"
    if reason.saving:
        what = "saving its state" if reason.blocking_count == 1 else "saving their state"
    place = f"{gpus(reason.needed_milli)} are" if reason.needed_milli != GPU else "1 GPU is"
    return [f"{place} being cleared for it: {_jobs(reason)} {verb} {what}", _ahead(reason)]


def _quota(reason: Reason, times: _Times) -> list[str]:  # noqa: ARG001 - no times in it
    return [reason.detail, f"it needs {gpus(reason.needed_milli)}"]


def _evicted(reason: Reason, times: _Times) -> list[str]:
    turn = f"{_evictions(reason)}, so it fills no holes any more and waits for its turn"
    return [turn, _ahead(reason), _start(reason, times), _strict(reason, times)]


def _reserved(reason: Reason, times: _Times) -> list[str]:
    verb = "is" if reason.kept_milli == GPU else "are"
    kept = f"{gpus(reason.kept_milli)} {verb} kept for {_jobs(reason)}"
    if reason.kept_from_s is None:
        place = "whose place is" if reason.blocking_count == 1 else "whose places are"
        clauses = [f"{kept}, {place} being cleared"]
    else:
        run = f" ({duration(reason.run_s)})" if reason.run_s is not None else ""
        starts = f"which is to start {times.at(reason.kept_from_s)}"
        clauses = [f"{kept}, {starts}", f"yours{run} would delay it"]
    return [*clauses, _start(reason, times), _strict(reason, times)]


def _resources(reason: Reason, times: _Times) -> list[str]:
    way = f"guests that make way for it hold {gpus(reason.guests_milli)}"
    return [
        reason.detail,
        way if reason.guests_milli else "",
        _ahead(reason),
        _start(reason, times) if reason.ahead else _room(reason, times),
        _strict(reason, times),
        _evictions(reason),
    ]


def _order(reason: Reason, times: _Times) -> list[str]:
    ahead = f"{_ahead(reason)}, {_jobs(reason)} first"
    return [ahead, _start(reason, times), _strict(reason, times)]


def _decision(reason: Reason, times: _Times) -> list[str]:
    chosen = f"it fits now, and policy {reason.detail} has not chosen it yet"
    return [chosen, _start(reason, times), _strict(reason, times)]


def _starting(reason: Reason, times: _Times) -> list[str]:
    assert reason.since_s is not None
    each = "its worker was" if reason.workers == 1 else f"its {reason.workers:,} workers were"
    told = f"{each} told to start {times.ago(reason.since_s)}"
    waits = "not all are up yet" if reason.workers > 1 else "it is not up yet"
    return [f"{told}, and {waits}", "it is a guest" if reason.guest else ""]


def _running(reason: Reason, times: _Times) -> list[str]:
    assert reason.since_s is not None
    clauses = [f"it has run {times.since(reason.since_s)}"]
    if reason.ends_s is not None:
        clauses.append(f"it is expected to end {times.at(reason.ends_s)} (estimate)")
    if reason.guest:
        clauses.append("it is a guest, and makes way when a job before it can start")
    return clauses


def _evicting(reason: Reason, times: _Times) -> list[str]:  # noqa: ARG001 - no times in it
    what = "it is saving its state" if reason.saving else "it is being stopped"
    whom = f" to make way for {_jobs(reason)}" if reason.blocking else " to make way"
    return [f"{what}{whom}", "then it goes back to its place in the line"]


def _cancelling(reason: Reason, times: _Times) -> list[str]:  # noqa: ARG001 - no times in it
    return ["it was cancelled and is being stopped"]


def _ended(reason: Reason, times: _Times) -> list[str]:  # noqa: ARG001 - no times in it
    after = f" after {duration(reason.run_s)}" if reason.run_s is not None else ""
    return [f"it has {reason.detail}{after}"]


def _elsewhere(reason: Reason, times: _Times) -> list[str]:
    return [reason.detail, _ahead(reason), _start(reason, times), _strict(reason, times)]


_CLAUSES: Final[Mapping[Code, Callable[[Reason, _Times], list[str]]]] = {
    Code.HELD: _held,
    Code.INFEASIBLE: _infeasible,
    Code.CLEARING: _clearing,
    Code.QUOTA: _quota,
    Code.EVICTED: _evicted,
    Code.RESERVED: _reserved,
    Code.RESOURCES: _resources,
    Code.ORDER: _order,
    Code.DECISION: _decision,
    Code.STARTING: _starting,
    Code.RUNNING: _running,
    Code.EVICTING: _evicting,
    Code.CANCELLING: _cancelling,
    Code.ENDED: _ended,
    Code.LIMIT: _elsewhere,
    Code.DEPENDENCY: _elsewhere,
    Code.FAULT: _elsewhere,
    Code.POWER: _elsewhere,
    Code.GANG: _elsewhere,
}
