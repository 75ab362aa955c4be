"""Mean against longest slowdown where nothing is evicted: `python -m bench.frontier`.

The settings of the policy `slowdown` around the one that it comes with, on two logs; then the one
that it comes with on logs, halves of logs and other loads that it was not chosen on. Each is told
beside EASY with the users' limits, as a table for a page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from noljima import app
from noljima.engine import Engine
from noljima.policy.presets import policy_of
from noljima.policy.slowdown import SlowdownPolicy, SlowdownTerms
from noljima.prediction.sources import source_of
from noljima.report import metrics
from noljima.report.recorder import Recorder
from noljima.workload.reader import read_trace
from noljima.workload.selection import Selection, parse_filter, parse_moment, select
from noljima.workload.trace import Trace

TRACES: Final = Path(__file__).parents[2] / "shared" / "data" / "traces"
STANDARD: Final = SlowdownTerms()
_HOUR_S: Final = 3600.0


class Log(NamedTuple):
    """A log, or a part of one, on so many GPUs."""

    what: str
    file: str
    gpus: int
    selection: Selection = Selection()

    def trace(self) -> Trace:
        """Read it; nothing in it is evictable."""
        trace = select(read_trace(TRACES / self.file), self.selection)
        return select(trace, Selection(evictable_share=0.0))


class Figures(NamedTuple):
    """What is compared: the mean and the longest bounded slowdown, and the longest wait."""

    mean: float
    wait_s: float
    longest: float


KTH: Final = Log("KTH-SP2", "KTH-SP2.swf.gz", 100)
SDSC: Final = Log("SDSC-SP2", "SDSC-SP2.swf.gz", 128)
SETTINGS: Final[Mapping[str, SlowdownTerms]] = {
    "as it is": STANDARD,
    "lane after 36 h": replace(STANDARD, lane_s=36 * _HOUR_S),
    "after 48 h": replace(STANDARD, lane_s=48 * _HOUR_S),
    "after 60 h": replace(STANDARD, lane_s=60 * _HOUR_S),
    "after 15 usual waits": replace(STANDARD, lane_waits=15.0),
    "after 40 usual waits": replace(STANDARD, lane_waits=40.0),
    "4 reservations": replace(STANDARD, reservations=4),
    "8 reservations": replace(STANDARD, reservations=8),
    "width to the 4": replace(STANDARD, lane_power=4.0),
}


def _variants(log: Log, middle: str) -> Iterator[Log]:
    for factor in (0.9, 1.1):
        changed = Selection(load_factor=factor)
        yield log._replace(what=f"{log.what}, load × {factor}", selection=changed)  # noqa: RUF001
    moment = parse_moment(middle)
    yield log._replace(what=f"{log.what}, until {middle}", selection=Selection(until=moment))
    yield log._replace(what=f"{log.what}, from {middle}", selection=Selection(since=moment))


def _philly(cluster: str, gpus: int) -> Log:
    selection = Selection(filters=(parse_filter(f"cluster={cluster}"),))
    return Log(f"Philly {cluster}", "philly.csv.gz", gpus, selection)


UNSEEN: Final = (
    *_variants(KTH, "165d"),
    *_variants(SDSC, "365d"),
    Log("LLNL-Atlas", "LLNL-Atlas-2006-2.1-cln.swf.gz", 9216),
    _philly("b436b2", 56),
    _philly("ee9e8c", 232),
    _philly("0e4a51", 88),
)


def played(engine: Engine, log: Log, trace: Trace) -> Figures:
    """Run a trace through an engine."""
    recorder = Recorder()
    app.simulate(engine, app.Scene(nodes=app.pool_nodes(log.gpus), trace=trace), [recorder])
    jobs = recorder.run(policy="", estimates="").jobs
    slowdown = metrics.bounded_slowdown(jobs)
    return Figures(metrics.mean(slowdown), metrics.largest(jobs.wait_s), metrics.largest(slowdown))


@cache
def easy(log: Log, estimates: str = "limit") -> Figures:
    """Return what EASY comes to."""
    space = app.build_space(app.POOL, "")
    return played(Engine(policy_of("easy"), source_of(estimates), space), log, log.trace())


@cache
def ours(log: Log, terms: SlowdownTerms) -> Figures:
    """Return what a setting comes to, with predictions from history."""
    space = app.build_space(app.POOL, "")
    policy = SlowdownPolicy("slowdown", terms)
    return played(Engine(policy, source_of("history"), space), log, log.trace())


def cells(log: Log, terms: SlowdownTerms) -> list[str]:
    """Tell one setting on one log; longest ones as shares of EASY's."""
    mine, theirs = ours(log, terms), easy(log)
    return [
        f"{mine.mean:.1f} ({theirs.mean:.1f})",
        f"{mine.wait_s:,.0f} ({mine.wait_s / theirs.wait_s:.2f})",
        f"{mine.longest:,.0f} ({mine.longest / theirs.longest:.2f})",
    ]


def settings(chosen: Sequence[str], logs: Sequence[Log] = (KTH, SDSC)) -> Iterator[str]:
    """Give a table of settings."""
    names = [f"{log.what}: {name}" for log in logs for name in ("mean", "wait", "longest")]
    yield f"| setting | {' | '.join(names)} |"
    yield f"|---|{'--:|' * len(names)}"
    for name in chosen:
        found = [cell for log in logs for cell in cells(log, SETTINGS[name])]
        yield f"| {name} | {' | '.join(found)} |"


def elsewhere(logs: Sequence[Log] = UNSEEN) -> Iterator[str]:
    """Give a table of other logs."""
    yield "| log | mean | longest wait | longest slowdown |"
    yield "|---|--:|--:|--:|"
    for log in logs:
        yield f"| {log.what} | {' | '.join(cells(log, STANDARD))} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.frontier", description=__doc__)
    parser.add_argument("--setting", choices=list(SETTINGS), action="append", help="default: all")
    parser.add_argument("--settings-only", action="store_true", help="leave out the other logs")
    given = parser.parse_args(arguments)
    if not TRACES.is_dir():
        print(f"{TRACES} is missing", file=sys.stderr)
        return 2
    for line in settings(given.setting or list(SETTINGS)):
        print(line, flush=True)
    print()
    for line in [] if given.settings_only else elsewhere():
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
