"""Real jobs under the real engine: every book checked after every batch, and the day replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from noljima import app
from noljima.app import EngineSpec
from noljima.model.commands import Command, Start
from noljima.model.events import Cancelled, Event, Evicted, Finished, Outcome, Submitted
from noljima.model.job import Checkpoint, Job
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.runtime.loop import run
from noljima.runtime.ports import Sink
from noljima.testing.rehearsal import Record, Validation, replay
from noljima.testing.workshop import Workshop

FAIR = EngineSpec(policy="fair", space=app.GRID)
SAVES = """
trap 'touch "$NOLJIMA_CHECKPOINT"' USR1
echo "attempt $NOLJIMA_ATTEMPT"
i=0; while [ $i -lt 40 ]; do sleep 0.01; i=$((i+1)); done
"""


class UntilAllEnded:
    """A sink that ends the story with its last job."""

    def __init__(self, jobs: set[JobId]) -> None:
        self._open = jobs
        self.over = asyncio.Event()

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - ends only
        """Take note of ends."""
        self._open -= {event.job for event in events if isinstance(event, Finished)}
        if not self._open:
            self.over.set()


def played(workshop: Workshop, jobs: list[Job], cancel: JobId | None = None) -> Record:
    """Hand all jobs in at once, run them to their ends, and return what happened."""
    record = Record()

    async def story() -> None:
        engine = app.build_engine(FAIR)
        async with workshop.driver() as driver, asyncio.timeout(60.0):
            end = UntilAllEnded({job.id for job in jobs})
            sinks: list[Sink] = [Validation(engine), end]
            going = asyncio.create_task(run(engine, driver, record, sinks))
            ending = asyncio.create_task(end.over.wait())
            for each in jobs:
                driver.happened(_submitted(each))
            if cancel is not None:
                await asyncio.sleep(0.1)
                driver.happened(lambda at_s: Cancelled(at_s=at_s, job=cancel))
            await asyncio.wait([going, ending], return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            await driver.close()
            await going

    asyncio.run(story())
    return record


def _submitted(job: Job) -> Callable[[float], Submitted]:
    return lambda at_s: Submitted(at_s=at_s, job=job)


def job(workshop: Workshop, name: str, text: str, workers: int = 1, **fields: object) -> Job:
    workshop.shell(text, name, workers)
    given = {"limit_s": 1000.0, "evictable": False, **fields}
    gang = gang_of(workers, Resources(gpu_milli=GPU))
    return Job(id=JobId(name), gang=gang, **given)  # type: ignore[arg-type]  # checked as it is made


def outcomes(record: Record) -> dict[JobId, Outcome]:
    return {event.job: event.outcome for event in record.events() if isinstance(event, Finished)}


def test_more_jobs_than_gpus_all_run_and_the_day_can_be_replayed(workshop: Workshop) -> None:
    jobs = [job(workshop, f"job-{n}", f"exit {n % 3}", workers=1 + n % 5) for n in range(16)]
    record = played(workshop, jobs)

    assert outcomes(record) == {
        f"job-{n}": Outcome.FAILED if n % 3 else Outcome.SUCCEEDED for n in range(16)
    }
    commands = [batch[1] for batch in record.batches]
    assert replay(app.build_engine(FAIR), record.batches) == commands


def test_a_guest_makes_way_and_comes_back_with_what_it_saved(workshop: Workshop) -> None:
    """A job of 4 holds half the machine, one of 8 waits, and a guest fills the other half."""
    jobs = [
        job(workshop, "first", "sleep 0.3", 4),
        job(workshop, "whole", "exit 0", 8),
        job(workshop, "guest", SAVES, evictable=True, checkpoint=Checkpoint(interval_s=0.0)),
    ]
    record = played(workshop, jobs)

    assert set(outcomes(record).values()) == {Outcome.SUCCEEDED}
    assert record.evictions() == {"guest": 1}
    (evicted,) = [event for event in record.events() if isinstance(event, Evicted)]
    assert (evicted.attempt, evicted.saved_s > 0.0) == (1, True)
    attempts = [start.attempt for _, start in record.starts() if start.job == "guest"]
    assert attempts == [1, 2]
    second = workshop.folder("guest", 2) / "worker-0.0.log"
    assert second.read_text() == "attempt 2\n"


def test_a_program_that_is_not_there_is_given_up(workshop: Workshop) -> None:
    missing = job(workshop, "missing", "")
    workshop.program(["no-such-program"], "missing")
    record = played(workshop, [missing, job(workshop, "other", "exit 0")])

    assert outcomes(record) == {"missing": Outcome.FAILED, "other": Outcome.SUCCEEDED}
    assert len([start for _, start in record.starts() if start.job == "missing"]) == 3


def test_a_cancelled_job_is_gone(workshop: Workshop) -> None:
    record = played(workshop, [job(workshop, "long", "sleep 1000")], cancel=JobId("long"))

    assert outcomes(record) == {"long": Outcome.CANCELLED}
    assert isinstance(record.commands()[0], Start)
