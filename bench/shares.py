"""Where the time of a run goes, part by part: one run under the profiler.

The profiler makes calls dearer than they are, small ones most; the shares tell where to look, not
how long anything takes. What the interpreter and numpy do counts for whoever called them.
"""

from __future__ import annotations

import cProfile
import pstats
from collections import defaultdict
from typing import Final

import msgspec

from bench import traces, workloads
from bench.row import Result, Row

Function = tuple[str, int, str]

PARTS: Final = {
    "drivers": "driver",
    "runtime": "loop",
    "engine": "engine",
    "policy": "policy",
    "placement": "space",
    "prediction": "estimates",
    "report": "recorder",
    "model": "nouns",
}
_DEPTH_MAX: Final = 6


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The run to look into."""

    trace: traces.Plan


def measure(plan: Plan) -> Result:
    """Profile one run."""
    try:
        case = traces.Case(plan.trace)
    except workloads.MissingTraceError as error:
        return Result(remarks=[f"profile of {plan.trace.what}: {error}"])
    profile = cProfile.Profile()
    profile.enable()
    case.run()
    profile.disable()
    shares = _shares(pstats.Stats(profile))
    total = sum(shares.values())
    words = ", ".join(
        f"{part} {100 * share / total:.0f} %"
        for part, share in sorted(shares.items(), key=lambda item: -item[1])
        if share > 0.005 * total
    )
    row = Row(
        section="Where the time goes",
        what=f"{plan.trace.what}, {plan.trace.policy} ({plan.trace.estimates})",
        values=(1e6 * total / len(case.jobs),),
        unit="µs/job",
        note=words,
    )
    return Result(rows=[row])


class _Owners:
    """Whose time a function's own time is: its part's, or in shares its callers'."""

    def __init__(self, stats: pstats.Stats) -> None:
        self._stats = stats.stats  # type: ignore[attr-defined]  # not in the type stubs
        self._known: dict[Function, dict[str, float]] = {}

    def of(self, function: Function, depth: int = 0) -> dict[str, float]:
        """Return the parts of a function with their shares, which make one."""
        part = _part(function[0])
        if part is not None:
            return {part: 1.0}
        if function in self._known:
            return self._known[function]
        callers = self._stats[function][4]
        total = sum(entry[2] for entry in callers.values())
        if depth == _DEPTH_MAX or total <= 0.0:
            return {"rest": 1.0}
        shares: dict[str, float] = defaultdict(float)
        for caller, entry in callers.items():
            for name, share in self.of(caller, depth + 1).items():
                shares[name] += share * entry[2] / total
        self._known[function] = shares
        return shares


def _shares(stats: pstats.Stats) -> dict[str, float]:
    owners = _Owners(stats)
    seconds: dict[str, float] = defaultdict(float)
    for function, entry in stats.stats.items():  # type: ignore[attr-defined]  # not in the type stubs
        for part, share in owners.of(function).items():
            seconds[part] += entry[2] * share
    return seconds


def _part(file: str) -> str | None:
    _, found, rest = file.replace("\\", "/").partition("/noljima/")
    return PARTS.get(rest.split("/")[0], "rest") if found else None
