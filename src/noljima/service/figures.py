"""What the scheduler shows of itself to Prometheus, and who counts it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event, Finished
from noljima.model.lifecycle import State
from noljima.model.resources import GPU
from noljima.service.coverage import Coverage
from noljima.service.ledger import Ledger
from noljima.service.office import Office
from noljima.service.postal import Postal
from noljima.telemetry.metrics import Figures, GpuFigures, JobCount
from noljima.telemetry.metrics_counting import Counting, IdleTime, Timing
from noljima.telemetry.metrics_server import MetricsServer

READ_S: Final = 10.0


class Gauge:
    """A sink that counts what goes by, and adds up idle GPUs."""

    def __init__(self, engine: Engine, ledger: Ledger, timing: Timing) -> None:
        self.counting = Counting()
        self.idle = IdleTime()
        self.coverage = Coverage()
        self.timing = timing
        """Of decisions."""
        self._engine, self._ledger = engine, ledger

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Count a batch."""
        self.counting.observe(events, commands)
        state = self._engine.state
        free = state.space.gpu_milli_free / GPU
        waiting = next(iter(state.line), None) is not None
        self.idle.note(events[-1].at_s, free, waiting=waiting)
        ended = {event.job for event in events if isinstance(event, Finished)}
        if ended:
            # The batch is on the disk, so that its ends are the last of these.
            for record, _ in self._ledger.recent:
                if record.job in ended:
                    self.coverage.ended(record)


class Showing:
    """Serves figures for as long as the scheduler runs."""

    def __init__(
        self, office: Office, gauge: Gauge, postal: Postal, say: Callable[[str], None]
    ) -> None:
        self._office, self._gauge, self._postal, self._say = office, gauge, postal, say
        self._gpus: tuple[GpuFigures, ...] = ()

    async def run(self, port: int) -> None:
        """Serve, and read the GPUs now and then, until cancelled."""
        server = MetricsServer(self.figures, lambda: self._office.ledger.full, warn=self._say)
        bound = await server.open(port=port)
        self._say(f"metrics at http://127.0.0.1:{bound}/metrics")
        try:
            while True:
                await self._read_gpus()
                await asyncio.sleep(READ_S)
        finally:
            await server.close()

    def figures(self) -> Figures:
        """Return the figures of this moment."""
        office, counting = self._office, self._gauge.counting
        state = office.engine.state
        counts = self._postal.pump.counts
        return Figures(
            started_s=office.began_s,
            jobs=self._jobs(),
            gpus=float(office.driver.node.gpus),
            gpus_idle=state.space.gpu_milli_free / GPU,
            idle_while_waiting_s=self._gauge.idle.total_s(office.now_s),
            decisions=self._gauge.timing.durations(),
            journal_rows=office.state.head.sequence,
            journal_commits=office.state.commits,
            outbox_pending=office.reader.pending(),
            notices={"sent": counts.sent, "failed": counts.failed, "given up": counts.given_up},
            events=counting.events,
            starts=counting.starts,
            start_failures=counting.start_failures,
            evictions=counting.evictions,
            ends=counting.ends,
            promises_kept=office.telling.kept_share,
            coverage=self._gauge.coverage.shares(),
            verdicts=Counter(words.partition(":")[0] for words in office.verdicts.values()),
            gpu_readings=self._gpus,
        )

    def _jobs(self) -> tuple[JobCount, ...]:
        jobs: Counter[tuple[State, str, str]] = Counter()
        milli: Counter[tuple[State, str, str]] = Counter()
        for ticket in self._office.engine.tickets.values():
            key = (ticket.state, ticket.job.queue, ticket.job.user)
            jobs[key] += 1
            milli[key] += ticket.gpu_milli
        return tuple(
            JobCount(state=key[0], queue=key[1], user=key[2], jobs=count, gpus=milli[key] / GPU)
            for key, count in jobs.items()
        )

    async def _read_gpus(self) -> None:
        office = self._office
        readings = await office.driver.gpu_readings()
        self._gpus = tuple(
            GpuFigures(
                index=gpu.index,
                uuid=gpu.uuid,
                model=gpu.model,
                host=str(office.driver.node.id),
                utilisation=reading.utilisation,
                power_w=reading.power_w,
                memory_used_mib=reading.memory_used_mib,
                temperature_c=reading.temperature_c,
            )
            for gpu in office.gpus
            if (reading := readings.get(gpu.index)) is not None
        )
