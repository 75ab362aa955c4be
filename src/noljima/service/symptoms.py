"""What the driver reads and tells, as the facts that health judges by. Conversions, all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from noljima.drivers.local.endings import Ending
from noljima.drivers.local.gpus import GpuReading
from noljima.drivers.local.readings import RunReading, WorkerReading
from noljima.health.facts import (
    Began,
    Counted,
    Erred,
    Fact,
    Over,
    Progressed,
    Sampled,
    Trouble,
)
from noljima.model.resources import JobId, NodeId
from noljima.policy.ticket import Ticket
from noljima.prediction.progress.observation import Observation
from noljima.service.handed import Handed

ASKED: Final = frozenset({"evict", "stop", "kill", "fail", "limit", "restarted", "lost"})
"""Ends that somebody or something wanted, or that say nothing of the job."""


class Meters:
    """Makes counters of what GPUs tell as rates, and knows what they draw when idle."""

    def __init__(self) -> None:
        self._bytes: dict[int, float] = defaultdict(float)
        self._read_s: float | None = None
        self._idle_w: dict[int, float] = {}

    def read(self, at_s: float, readings: Mapping[int, GpuReading], used: set[int]) -> None:
        """Take in one reading of all GPUs, and which of them jobs are on."""
        passed_s = 0.0 if self._read_s is None else max(at_s - self._read_s, 0.0)
        self._read_s = at_s
        for gpu, reading in readings.items():
            self._bytes[gpu] += (reading.pcie_bytes_per_s or 0.0) * passed_s
            if gpu not in used and reading.power_w is not None:
                self._idle_w[gpu] = min(reading.power_w, self._idle_w.get(gpu, reading.power_w))

    def pcie_bytes(self, gpus: Iterable[int], readings: Mapping[int, GpuReading]) -> float | None:
        """Add up what went to and from GPUs; None where any of them does not tell."""
        known = [gpu for gpu in gpus if (r := readings.get(gpu)) and r.pcie_bytes_per_s is not None]
        return sum(self._bytes[gpu] for gpu in known) if known else None

    def idle_w(self, gpus: Iterable[int]) -> float | None:
        """Add up what GPUs draw when nobody uses them; None where that was never seen."""
        found = [self._idle_w.get(gpu) for gpu in gpus]
        known = [watts for watts in found if watts is not None]
        return sum(known) if known and len(known) == len(found) else None


def began(
    at_s: float, ticket: Ticket, handed: Handed | None, readings: Mapping[int, GpuReading]
) -> Began:
    """Return what health has to know of a job that runs."""
    gpus = {gpu for worker in ticket.placement.workers for gpu in worker.gpus}
    measured = any(
        reading.power_w is not None or reading.utilisation is not None
        for gpu, reading in readings.items()
        if gpu in gpus
    )
    given = handed.submission if handed is not None else None
    return Began(
        at_s=at_s,
        job=ticket.job.id,
        user=ticket.job.user,
        attempt=max(ticket.attempt, 1),
        workers=ticket.demand.workers,
        gpus_measured=measured,
        checkpoint=ticket.saved_s > 0.0,
        watched=given.watched if given is not None else True,
        silence_s=given.silence_s if given is not None else None,
    )


def sampled(
    at_s: float, run: RunReading, readings: Mapping[int, GpuReading], meters: Meters
) -> Iterator[Fact]:
    """Give what each worker of a job has used and does."""
    for worker in run.workers:
        yield _of_worker(at_s, run.job, worker, readings, meters)


def _of_worker(
    at_s: float,
    job: JobId,
    worker: WorkerReading,
    readings: Mapping[int, GpuReading],
    meters: Meters,
) -> Sampled:
    found = [readings[gpu] for gpu in worker.gpus if gpu in readings]
    return Sampled(
        at_s=at_s,
        job=job,
        worker=worker.worker,
        cpu_s=worker.cpu_s,
        read_bytes=worker.read_bytes,
        written_bytes=worker.written_bytes,
        pcie_bytes=meters.pcie_bytes(worker.gpus, readings),
        log_bytes=worker.log_bytes,
        running=worker.running,
        sleeping=worker.sleeping,
        blocked=worker.blocked,
        stopped=worker.stopped,
        gpu_w=_sum([reading.power_w for reading in found]),
        gpu_idle_w=meters.idle_w(worker.gpus),
        gpu_utilisation=_mean([reading.utilisation for reading in found]),
    )


def progressed(at_s: float, job: JobId, observation: Observation) -> Progressed:
    """Return what a job says of its steps."""
    return Progressed(
        at_s=at_s,
        job=job,
        step=observation.step,
        total=observation.total,
        epoch=observation.epoch,
        phase=observation.phase.value,
        loss=observation.loss,
    )


def erred(at_s: float, job: JobId, worker: int, trouble: Trouble, line: str) -> Erred:
    """Return an error that was seen in a job's output."""
    return Erred(at_s=at_s, job=job, trouble=trouble, worker=worker, line=line)


def over(at_s: float, job: JobId, ending: Ending) -> Over:
    """Return the end of a run."""
    asked = ending.outcome in ASKED
    codes = [code for code in ending.codes if code != 0]
    code = codes[0] if codes else (0 if ending.succeeded else None)
    return Over(at_s=at_s, job=job, exit_code=code, asked=asked)


def counted(
    at_s: float, node: NodeId, readings: Mapping[int, GpuReading], jobs: Mapping[int, JobId]
) -> Iterator[Fact]:
    """Give the memory counters of the GPUs that have any."""
    for gpu, reading in readings.items():
        told = (reading.remap_pending, reading.remap_failed, reading.uncorrected_errors)
        if any(value is not None for value in told):
            yield Counted(
                at_s=at_s,
                node=node,
                gpu=gpu,
                job=jobs.get(gpu),
                remap_pending=reading.remap_pending,
                remap_failed=reading.remap_failed,
                uncorrected=reading.uncorrected_errors,
            )


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _mean(values: list[float | None]) -> float | None:
    total = _sum(values)
    return None if total is None else min(max(total / len(values), 0.0), 1.0)
