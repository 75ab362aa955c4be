"""The records say of every job what the events have said, in the end and on the way."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine import Engine
from noljima.model.commands import Command, Start
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    NodeLost,
    NodeSeen,
    Outcome,
    Released,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.job import Job
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId, Resources, gang_of
from noljima.store.records import Clerk, JobRecord, Told
from noljima.store.writes import PutRecord
from noljima.testing.day import SHAPE, SPEC, day, engine_of, header

NODE = Node(id=NodeId("n"), gpus=4)


class Office:
    """An engine with a clerk, and all records as they are now."""

    def __init__(self) -> None:
        self.engine: Engine = engine_of(header(SPEC))
        self.clerk = Clerk()
        self.records: dict[str, JobRecord] = {}
        self.tell(NodeSeen(at_s=0.0, node=NODE))

    def tell(self, *events: Event, told: dict[JobId, Told] | None = None) -> list[Command]:
        commands = self.engine.handle(*events)
        changed = self.clerk.records(self.engine, events, commands, told)
        assert len({record.job for record in changed}) == len(changed)
        self.records |= {record.job: record for record in changed}
        return commands

    def states(self) -> dict[str, str]:
        return {job: record.state for job, record in self.records.items()}


def job(name: str, gpus: int = 4, **fields: object) -> Job:
    gang = gang_of(1, Resources(gpu_milli=gpus * 1000))
    made = Job(id=JobId(name), gang=gang, user="kim", name="train", queue="q", limit_s=100.0)
    return msgspec.structs.replace(made, **fields)


def test_a_job_s_whole_life_is_written_down() -> None:
    office = Office()
    told = Told(source="12 runs like it", start_s=1.0, by_s=7.0)
    office.tell(Submitted(at_s=1.0, job=job("j")), told={JobId("j"): told})

    assert office.records["j"] == JobRecord(
        job="j",
        user="kim",
        name="train",
        queue="q",
        gpu_milli=4000,
        state="starting",
        submitted_s=1.0,
        estimate=(100.0, 100.0, 100.0),
        told=told,
        nodes=("n",),
    )

    office.tell(Started(at_s=3.0, job=JobId("j")))
    running = office.records["j"]
    office.tell(Finished(at_s=40.0, job=JobId("j"), outcome=Outcome.LIMIT))
    ended = office.records["j"]

    assert (running.state, running.first_started_s, running.started_s) == ("running", 3.0, 3.0)
    assert ended == msgspec.structs.replace(running, state="failed", outcome="limit", ended_s=40.0)


def test_a_failed_start_is_counted_with_its_reason() -> None:
    office = Office()
    office.tell(Submitted(at_s=1.0, job=job("j")))
    office.tell(StartFailed(at_s=2.0, job=JobId("j"), reason="no such image"))

    record = office.records["j"]

    assert (record.start_failures, record.words) == (1, "no such image")
    assert record.state == "starting"  # the next attempt
    assert record.first_started_s is None


@pytest.mark.parametrize("running", [True, False])
def test_a_cancelled_job_ends_as_such_whatever_its_exit(*, running: bool) -> None:
    office = Office()
    office.tell(Submitted(at_s=1.0, job=job("a")), Submitted(at_s=1.0, job=job("b")))
    office.tell(Started(at_s=2.0, job=JobId("a")))
    name = JobId("a" if running else "b")
    office.tell(Cancelled(at_s=3.0, job=name))
    if running:
        assert office.records[name].state == "stopping"
        assert office.records[name].cancelled
        # The clerk of the next start knows it from the records alone.
        office.clerk = Clerk([r for r in office.records.values() if r.ended_s is None])
        office.tell(Finished(at_s=5.0, job=name, outcome=Outcome.FAILED))

    record = office.records[name]

    assert (record.state, record.outcome) == ("cancelled", "cancelled")
    assert record.ended_s == (5.0 if running else 3.0)
    assert (record.first_started_s is None) is not running


def test_what_ends_in_the_moment_of_its_start_has_run() -> None:
    office = Office()
    office.tell(Submitted(at_s=1.0, job=job("j")))
    office.tell(Started(at_s=2.0, job=JobId("j")), Finished(at_s=2.0, job=JobId("j")))

    record = office.records["j"]

    assert (record.first_started_s, record.ended_s, record.outcome) == (2.0, 2.0, "succeeded")


def test_what_is_submitted_and_given_up_at_once_is_in_the_records() -> None:
    office = Office()
    office.tell(Submitted(at_s=1.0, job=job("j")), Cancelled(at_s=1.0, job=JobId("j")))

    assert office.states() == {"j": "cancelled"}
    assert office.records["j"].ended_s == 1.0


def test_a_job_that_fits_nowhere_says_why_and_returns_with_a_node() -> None:
    office = Office()
    office.tell(Submitted(at_s=1.0, job=job("j", gpus=8)))
    refused = office.records["j"]
    office.tell(NodeSeen(at_s=2.0, node=Node(id=NodeId("m"), gpus=8)))
    starting = office.records["j"]
    office.tell(NodeLost(at_s=3.0, node=NodeId("m")), Evicted(at_s=3.0, job=JobId("j")))
    again = office.records["j"]

    assert refused.state == "infeasible"
    assert refused.words
    assert (starting.state, starting.words) == ("starting", "")
    assert (again.state, again.evictions) == ("infeasible", 1)


def test_a_job_that_fits_again_and_waits_is_in_the_records_as_waiting() -> None:
    office = Office()
    for name in ("a", "b"):
        office.tell(Submitted(at_s=1.0, job=job(name, gpus=8)))
    office.tell(NodeSeen(at_s=2.0, node=Node(id=NodeId("m"), gpus=8)))

    # Of the second no event and no command tells.
    assert office.states() == {"a": "starting", "b": "queued"}
    assert office.records["b"].words == ""


def test_holding_and_releasing_is_written_down() -> None:
    office = Office()
    office.tell(Submitted(at_s=1.0, job=job("a")), Submitted(at_s=1.0, job=job("b")))
    office.tell(Held(at_s=2.0, job=JobId("b")))
    held = office.states()["b"]
    office.tell(Released(at_s=3.0, job=JobId("b")))

    assert held == "held"
    assert office.states()["b"] == "queued"


def test_what_is_told_twice_is_written_once() -> None:
    office = Office()
    office.tell(Submitted(at_s=1.0, job=job("j")))
    office.tell(Started(at_s=2.0, job=JobId("j")))
    office.tell(Finished(at_s=9.0, job=JobId("j")))
    before = dict(office.records)

    office.tell(Submitted(at_s=10.0, job=job("j", user="lee")))
    office.tell(Finished(at_s=11.0, job=JobId("j"), outcome=Outcome.FAILED))
    office.tell(Ticked(at_s=12.0))

    assert office.records == before


@given(seed=st.integers(0, 10**6), faults_s=st.sampled_from([0.0, 40.0]))
def test_the_records_of_any_day_are_what_its_events_say(seed: int, faults_s: float) -> None:
    shape = msgspec.structs.replace(SHAPE, node_faults_mean_s=faults_s)
    told = day(seed, shape)
    events = [event for batch in told for event in batch.events]
    commands = [command for batch in told for command in batch.commands]
    last = {
        write.record.job: write.record
        for batch in told
        for write in batch.writes
        if isinstance(write, PutRecord)
    }

    submitted = {event.job.id: event for event in events if isinstance(event, Submitted)}
    assert last.keys() == submitted.keys()
    for name, record in last.items():
        mine = [event for event in events if getattr(event, "job", None) == name]
        check_life(record, submitted[JobId(name)], mine)
        placed = [c for c in commands if isinstance(c, Start) and c.job == name]
        assert not placed or record.nodes == tuple(
            dict.fromkeys(worker.node for worker in placed[-1].placement.workers)
        )


def check_life(record: JobRecord, submitted: Submitted, mine: Sequence[Event]) -> None:
    """Compare a record with a job's own events, counted here a second time."""
    starts = [event.at_s for event in mine if isinstance(event, Started)]
    running = bool(mine) and isinstance(mine[-1], Evicted)
    ends = [event for event in mine if isinstance(event, Finished)]
    gone = [event.at_s for event in mine if isinstance(event, Cancelled)]
    assert record.submitted_s == submitted.at_s
    evicted = sum(isinstance(event, Evicted) for event in mine)
    # The stop that ends a job which was given up already is its end, and no eviction.
    assert record.evictions == evicted - (record.outcome == "cancelled" and not ends and running)
    assert record.start_failures == sum(isinstance(event, StartFailed) for event in mine)
    assert record.first_started_s == (starts[0] if starts else None)
    assert record.started_s == (starts[-1] if starts else None)
    if ends and not gone:
        assert (record.outcome, record.ended_s) == (ends[-1].outcome.value, ends[-1].at_s)
    elif gone and record.ended_s is not None:
        assert record.outcome in ("cancelled", *(end.outcome.value for end in ends))
    if record.ended_s is None:
        assert record.state in ("queued", "held", "infeasible", "starting")
        assert not record.outcome
