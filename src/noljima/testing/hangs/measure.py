"""Let a monitor watch a thousand made-up jobs: what it finds, leaves alone and costs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import msgspec

from noljima.health import Monitor
from noljima.health.facts import Began, Progressed, Sampled, Swept
from noljima.health.findings import Rung
from noljima.model.resources import JobId
from noljima.testing.hangs import patterns
from noljima.testing.hangs.play import Outcome, play


class Row(msgspec.Struct, kw_only=True):
    """What was said of all jobs of one pattern."""

    pattern: str
    stuck: bool
    jobs: int = 0
    suspected: int = 0
    found: int = 0
    """Of stuck jobs that were told to be stalled; of harmless ones, wrongly."""
    ended: int = 0
    false_ends: int = 0
    """Ends of jobs that were not stuck, or not yet."""
    times_s: list[float] = msgspec.field(default_factory=list)
    """From being stuck to being told to be stalled."""


def outcomes(count: int, seed: int) -> Iterator[Outcome]:
    """Play so many jobs, all patterns in turn."""
    names = (*patterns.STUCK, *patterns.HARMLESS)
    for number in range(count):
        script = patterns.drawn(names[number % len(names)], seed + number // len(names))
        yield play(script)


def rows(played: Iterable[Outcome]) -> list[Row]:
    """Sum up by pattern."""
    table = {name: Row(pattern=name, stuck=True) for name in patterns.STUCK}
    table |= {name: Row(pattern=name, stuck=False) for name in patterns.HARMLESS}
    for outcome in played:
        row = table[outcome.script]
        row.jobs += 1
        height = (outcome.found if row.stuck else outcome.worst).height
        row.suspected += height >= Rung.SUSPECT.height
        row.found += height >= Rung.STALLED.height
        row.ended += outcome.ended_s is not None
        row.false_ends += outcome.false_end
        if outcome.found_s is not None:
            row.times_s.append(outcome.found_s)
    return list(table.values())


class Cost(msgspec.Struct, kw_only=True):
    """CPU time of this process."""

    jobs: int
    workers: int
    rounds: int
    make_s: float
    """For making the samples, which the sampler does: their numbers are checked then."""
    judge_s: float
    """For taking them in and judging."""

    def share(self, every_s: float) -> float:
        """Return the share of a core where a round comes every so many seconds."""
        return (self.make_s + self.judge_s) / self.rounds / every_s


def cost(jobs: int, workers: int, rounds: int) -> Cost:
    """Measure a cluster where all is well: every job steps, every worker is sampled."""
    monitor = Monitor()
    names = [JobId(f"job-{number}") for number in range(jobs)]
    monitor.observe(
        *(Began(at_s=0.0, job=name, workers=workers, gpus_measured=True) for name in names)
    )
    spent = Cost(jobs=jobs, workers=workers, rounds=rounds, make_s=0.0, judge_s=0.0)
    for number in range(1, rounds + 1):
        began_s = time.process_time()
        facts = [fact for name in names for fact in _round(name, workers, float(number))]
        made_s = time.process_time()
        monitor.observe(*facts, Swept(at_s=number * 10.0))
        spent.make_s += made_s - began_s
        spent.judge_s += time.process_time() - made_s
    return spent


def _round(job: JobId, workers: int, number: float) -> Iterator[Progressed | Sampled]:
    at_s = number * 10.0
    yield Progressed(at_s=at_s, job=job, step=number * 7.0, total=1e6, loss=1.0 / number)
    for worker in range(workers):
        yield Sampled(
            at_s=at_s,
            job=job,
            worker=worker,
            cpu_s=number * 9.0,
            read_bytes=number * 1e7,
            written_bytes=number * 1e3,
            network_bytes=number * 1e6,
            pcie_bytes=number * 1e9,
            nvlink_bytes=number * 1e10,
            log_bytes=number * 100.0,
            running=3,
            sleeping=9,
            blocked=0,
            stopped=0,
            gpu_w=400.0,
            gpu_idle_w=70.0,
            gpu_utilisation=0.97,
            gpu_sm_activity=0.6,
        )
