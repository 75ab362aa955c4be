"""Looks after running jobs: reads what they do every few seconds, lets health judge, and acts.

What follows from that is in `remedies`. How far jobs say that they are goes to the engine from
here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, assert_never

from noljima.drivers.local.facts import (
    Ended,
    GpuBack,
    GpuOut,
    Stranger,
    Unkillable,
    XidSeen,
)
from noljima.drivers.local.facts import Fact as Told
from noljima.drivers.local.gpus import GpuReading
from noljima.drivers.local.readings import RunReading
from noljima.health import Monitor
from noljima.health.facts import Fact, Faulted, Pause, Paused, Repaired, Saved, Swept
from noljima.health.findings import Finding
from noljima.model.events import Event
from noljima.model.events import Progressed as Stepped
from noljima.model.lifecycle import State
from noljima.model.resources import JobId
from noljima.prediction.progress.observation import Observation
from noljima.service import naming, symptoms
from noljima.service.office import Office
from noljima.service.overhearing import Heard, Overhearing
from noljima.service.remedies import Remedies
from noljima.service.symptoms import Meters

SWEEP_S: Final = 5.0
_TELL_S: Final = 10.0
_TELL_SHARE: Final = 0.01
"""A job's steps go to the engine this often: after so long, and so much of its time so far."""


class _Run(NamedTuple):
    """One run that is looked after."""

    attempt: int
    overhearing: Overhearing


class _Look(NamedTuple):
    """What was read beside the loop."""

    runs: list[RunReading]
    heard: dict[JobId, Heard]


class Wellbeing:
    """Keeps an eye on all that runs."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._dry = office.settings.engine.health.dry_run
        self._monitor = Monitor(office.settings.engine.health)
        self._meters = Meters()
        self._runs: dict[JobId, _Run] = {}
        self._paused: set[JobId] = set()
        self._saved: set[JobId] = set()
        self._told: dict[JobId, tuple[float, tuple[float, float | None]]] = {}
        self._ended: list[Ended] = []
        self._xids: list[XidSeen] = []
        self._readings: Mapping[int, GpuReading] = {}
        self._remedies = Remedies(office)
        self._findings: list[Finding] = []

    def heard(self, fact: Told) -> None:
        """Take in what the driver tells; the next round sees to it."""
        match fact:
            case Ended():
                self._ended.append(fact)
            case XidSeen():
                self._xids.append(fact)
            case Unkillable():
                words = f"job {fact.job} was killed and does not go; its GPUs are kept from others"
                self._office.warnings[f"job {fact.job}"] = words
            case Stranger():
                words = f"job {fact.job} ran and was in nobody's books: it is ended"
                self._office.warnings[f"job {fact.job}"] = words
            case GpuBack():
                repaired = Repaired(
                    at_s=self._office.now_s, node=self._office.driver.node.id, gpu=fact.gpu
                )
                self._findings += self._monitor.observe(repaired)
                self._office.warnings.pop(f"GPU {fact.gpu}", None)
            case GpuOut():
                pass  # Told by whoever took it out.
            case _:
                assert_never(fact)

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        for user, ago_s in self._remedies.ends_before():
            self._monitor.remember_end(user, ago_s)
        if self._dry:
            words = "health is on a dry run: what hangs is told of and not ended"
            self._office.warnings["health dry run"] = words
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self) -> None:
        """Look at everything once."""
        office = self._office
        # 1. What has ended since is no longer looked at.
        findings, self._findings = self._findings, []
        findings += self._take_ends()
        # 2. Read, beside the loop: it may take its time.
        for job in office.driver.running:
            self._follow(job)
        readings = await office.driver.gpu_readings()
        overhearings = {job: run.overhearing for job, run in self._runs.items()}
        look = await asyncio.to_thread(_look, office.driver.readings, overhearings)
        # 3. Let health judge.
        facts = list(self._facts(look, readings))
        findings += self._monitor.observe(*facts, Swept(at_s=office.now_s))
        # 4. Tell the engine how far jobs are, and act on what was found.
        for job, heard in look.heard.items():
            self._tell_of_progress(job, heard.observation)
        for finding in findings:
            await self._remedies.act(finding)

    # --- Who is looked after ---

    def _follow(self, job: JobId) -> None:
        ticket = self._office.engine.tickets.get(job)
        if ticket is None or ticket.state is not State.RUNNING:
            return
        known = self._runs.get(job)
        if known is None or known.attempt != ticket.attempt:
            folder = self._office.driver.folders.of(job, ticket.attempt)
            overhearing = Overhearing(folder, ticket.demand.workers)
            self._runs[job] = _Run(ticket.attempt, overhearing)
            self._paused.discard(job)
            self._saved.discard(job)
            handed = self._office.ledger.handed.get(naming.base_of(job))
            fact = symptoms.began(self._office.now_s, ticket, handed, self._readings)
            self._findings += self._monitor.observe(fact)

    def _take_ends(self) -> list[Finding]:
        ended, self._ended = self._ended, []
        findings: list[Finding] = []
        for fact in ended:
            known = self._runs.get(fact.job)
            if known is not None and known.attempt == fact.attempt:
                del self._runs[fact.job]
                at_s = self._office.now_s
                findings += self._monitor.observe(symptoms.over(at_s, fact.job, fact.ending))
                self._office.shares.pop(fact.job, None)
                self._office.verdicts.pop(fact.job, None)
                self._told.pop(fact.job, None)
        return findings

    # --- What is told to health ---

    def _facts(self, look: _Look, readings: Mapping[int, GpuReading]) -> Sequence[Fact]:
        office, at_s = self._office, self._office.now_s
        jobs: dict[int, JobId] = {}
        for job, ticket in office.engine.state.running.items():
            for worker in ticket.placement.workers:
                jobs |= dict.fromkeys(worker.gpus, job)
        self._meters.read(at_s, readings, set(jobs))
        self._readings = readings
        facts: list[Fact] = []
        for run in look.runs:
            if run.job in self._runs and self._runs[run.job].attempt == run.attempt:
                facts += self._pauses(run.job, at_s)
                facts += symptoms.sampled(at_s, run, readings, self._meters)
        for job, heard in look.heard.items():
            if job in self._runs:
                facts += self._of_words(job, heard, at_s)
        node = office.driver.node.id
        facts += symptoms.counted(at_s, node, readings, jobs)
        xids, self._xids = self._xids, []
        for xid in xids:
            hit = xid.jobs[0] if xid.jobs else None
            facts.append(Faulted(at_s=at_s, node=node, gpu=xid.gpu, xid=xid.number, job=hit))
        return facts

    def _pauses(self, job: JobId, at_s: float) -> list[Fact]:
        if job in self._office.engine.state.stopping and job not in self._paused:
            self._paused.add(job)
            return [Paused(at_s=at_s, job=job, why=Pause.STOPPING)]
        return []

    def _of_words(self, job: JobId, heard: Heard, at_s: float) -> list[Fact]:
        facts: list[Fact] = []
        if heard.observation is not None:
            facts.append(symptoms.progressed(at_s, job, heard.observation))
        facts += [symptoms.erred(at_s, job, *trouble) for trouble in heard.troubles]
        if heard.saved and job not in self._saved:
            self._saved.add(job)
            facts.append(Saved(at_s=at_s, job=job))
        return facts

    def _tell_of_progress(self, job: JobId, observation: Observation | None) -> None:
        run = self._runs.get(job)
        if run is None or observation is None:
            return
        fraction, place = observation.fraction, observation.place()
        if fraction is not None:
            self._office.shares[job] = min(fraction, 1.0)
        if place is None:
            return
        now_s = self._office.now_s
        told_s, told = self._told.get(job, (0.0, (-1.0, None)))
        ticket = self._office.engine.tickets.get(job)
        if ticket is None or place == told:
            return
        if now_s - told_s < max(_TELL_S, _TELL_SHARE * (now_s - ticket.start_s)):
            return
        self._told[job] = (now_s, place)
        self._office.driver.happened(_stepped(job, run.attempt, place, observation))


def _look(read: Callable[[], list[RunReading]], overhearings: Mapping[JobId, Overhearing]) -> _Look:
    return _Look(read(), {job: each.listen() for job, each in overhearings.items()})


def _stepped(
    job: JobId, attempt: int, place: tuple[float, float | None], observation: Observation
) -> Callable[[float], Event]:
    step, total = place
    phase = observation.phase
    return lambda at_s: Stepped(
        at_s=at_s, job=job, attempt=attempt, step=step, total=total, phase=phase
    )
