"""The recorder: a history of events and commands becomes the rows that it tells of."""

from __future__ import annotations

from math import isnan

import pytest

from noljima.model.commands import Command, Evict, Refuse, Start, Stop
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
from noljima.model.job import Checkpoint, Job
from noljima.model.node import Node
from noljima.model.placements import IN_POOL, Assignment, Placement
from noljima.model.resources import JobId, NodeId, Resources, gang_of
from noljima.report.record import Ending, RunRecord
from noljima.report.recorder import Recorder

A = JobId("a")
B = JobId("b")


def a_job(name: JobId = A, gpus: int = 2, restart_s: float = 0.0) -> Job:
    return Job(
        id=name,
        user="kim",
        name=f"train-{name}",
        queue="night",
        gang=gang_of(1, Resources(gpu_milli=gpus * 1000)),
        checkpoint=Checkpoint(interval_s=10.0, restart_s=restart_s),
    )


def submitted(at_s: float, job: Job | None = None, oracle_s: float | None = None) -> Submitted:
    return Submitted(at_s=at_s, job=job or a_job(), oracle_s=oracle_s)


def start(job: JobId = A, *, guest: bool = False) -> Start:
    return Start(job, IN_POOL, guest)


def run_of(*batches: tuple[list[Event], list[Command]]) -> RunRecord:
    recorder = Recorder()
    for events, commands in batches:
        recorder.observe(events, commands)
    return recorder.run(policy="fair", estimates="history")


def test_a_job_that_ran_once_has_its_times_and_facts() -> None:
    run = run_of(
        ([submitted(5.0, oracle_s=30.0)], []),
        ([Ticked(at_s=7.0)], [start()]),
        ([Started(at_s=8.0, job=A)], []),
        ([Finished(at_s=37.0, job=A)], []),
    )
    jobs = run.ended

    assert (run.policy, run.estimates, run.last_s) == ("fair", "history", 37.0)
    assert jobs.id.tolist() == ["a"]
    assert (jobs.user[0], jobs.queue[0], jobs.name[0]) == ("kim", "night", "train-a")
    assert jobs.gpu_milli.tolist() == [2000]
    assert (jobs.submit_s[0], jobs.first_start_s[0], jobs.last_start_s[0]) == (5.0, 7.0, 7.0)
    assert (jobs.end_s[0], jobs.run_s[0], jobs.wait_s[0]) == (37.0, 30.0, 2.0)
    assert (jobs.evictions[0], jobs.lost_gpu_s[0], jobs.guest_started[0]) == (0, 0.0, False)
    assert jobs.outcome.tolist() == ["succeeded"]


def test_an_evicted_guest_has_two_segments_and_lost_work() -> None:
    run = run_of(
        ([submitted(0.0, a_job(restart_s=3.0), oracle_s=50.0)], [start(guest=True)]),
        ([submitted(18.0, a_job(B))], [Evict(A, B)]),
        ([Evicted(at_s=20.0, job=A, saved_s=10.0)], [start(B)]),
        ([Finished(at_s=60.0, job=B)], [start()]),
        # 40 s are left and loading costs 3 s.
        ([Finished(at_s=103.0, job=A)], []),
    )
    jobs, segments = run.ended, run.segments

    assert segments.job.tolist() == [0, 1, 0]
    assert segments.start_s.tolist() == [0.0, 20.0, 60.0]
    assert segments.end_s.tolist() == [20.0, 60.0, 103.0]
    assert segments.guest.tolist() == [True, False, False]
    assert segments.ending.tolist() == [Ending.EVICTED, Ending.FINISHED, Ending.FINISHED]
    assert (jobs.first_start_s[0], jobs.last_start_s[0]) == (0.0, 60.0)
    assert (jobs.evictions[0], jobs.guest_started[0]) == (1, True)
    # 10 s of work were lost and 3 s went into the restart, on two GPUs.
    assert jobs.lost_gpu_s[0] == 2 * (10.0 + 3.0)
    assert jobs.wait_s[0] == 103.0 - 50.0


def test_without_an_oracle_the_work_is_what_was_saved_plus_the_last_segment() -> None:
    run = run_of(
        ([submitted(0.0, a_job(restart_s=3.0))], [start(guest=True)]),
        ([Evicted(at_s=20.0, job=A, saved_s=10.0)], []),
        ([Ticked(at_s=60.0)], [start()]),
        ([Finished(at_s=103.0, job=A)], []),
    )

    assert run.ended.run_s.tolist() == [50.0]
    assert run.ended.lost_gpu_s.tolist() == [26.0]


def test_more_than_the_run_had_time_for_is_not_taken_as_saved() -> None:
    run = run_of(
        ([submitted(0.0)], [start(guest=True)]),
        ([Evicted(at_s=20.0, job=A, saved_s=1e6)], []),
        ([Ticked(at_s=60.0)], [start()]),
        ([Finished(at_s=100.0, job=A)], []),
    )

    assert run.ended.run_s.tolist() == [60.0]


@pytest.mark.parametrize(
    "late",
    [
        Finished(at_s=30.0, job=A, attempt=1),
        Evicted(at_s=30.0, job=A, attempt=1, saved_s=9.0),
        StartFailed(at_s=30.0, job=A, attempt=1),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_is_told_late_of_an_earlier_run_is_passed_over(late: Event) -> None:
    run = run_of(
        ([submitted(0.0)], [Start(A, IN_POOL)]),
        ([Evicted(at_s=20.0, job=A, attempt=1)], [Start(A, IN_POOL, attempt=2)]),
        ([late], []),
        ([Finished(at_s=100.0, job=A, attempt=2)], []),
    )

    assert run.segments.end_s.tolist() == [20.0, 100.0]
    assert run.jobs.evictions.tolist() == [1]
    assert run.jobs.end_s.tolist() == [100.0]


@pytest.mark.parametrize("outcome", [Outcome.LIMIT, Outcome.CANCELLED])
def test_a_job_that_was_cut_short_did_only_the_work_it_did(outcome: Outcome) -> None:
    run = run_of(
        ([submitted(0.0, oracle_s=500.0)], [start()]),
        ([Cancelled(at_s=39.0, job=A)], [Stop(A)]),
        ([Finished(at_s=40.0, job=A, outcome=outcome)], []),
    )

    assert run.ended.run_s.tolist() == [40.0]
    assert run.ended.outcome.tolist() == [outcome.value]


def test_a_failed_start_is_no_start_but_its_gpu_time_is_lost() -> None:
    run = run_of(
        ([submitted(0.0)], [start(guest=True)]),
        ([StartFailed(at_s=4.0, job=A, reason="no image")], []),
        ([Ticked(at_s=10.0)], [start()]),
        ([Finished(at_s=30.0, job=A)], []),
    )
    jobs = run.ended

    assert run.segments.ending.tolist() == [Ending.START_FAILED, Ending.FINISHED]
    assert (jobs.first_start_s[0], jobs.wait_s[0], jobs.run_s[0]) == (10.0, 10.0, 20.0)
    assert (jobs.evictions[0], jobs.lost_gpu_s[0], jobs.guest_started[0]) == (0, 8.0, False)


def test_a_refused_job_is_counted_apart_with_its_reason() -> None:
    run = run_of(([submitted(0.0)], [Refuse(A, "needs 8 GPUs; 4 in the whole pool")]))

    assert (run.refused, run.unfinished, len(run.ended)) == (1, 0, 0)
    assert run.refusals == {"a": "needs 8 GPUs; 4 in the whole pool"}
    assert run.waits.end_s.tolist() == [0.0]


def test_a_refused_job_that_starts_after_a_node_joined_is_refused_no_more() -> None:
    run = run_of(
        ([submitted(0.0)], [Refuse(A, "no")]),
        ([NodeSeen(at_s=5.0, node=Node(id=NodeId("x"), gpus=8))], [start()]),
        ([Finished(at_s=9.0, job=A)], []),
    )

    assert (run.refused, len(run.ended), run.refusals) == (0, 1, {})


def test_jobs_that_wait_or_run_at_the_last_event_are_unfinished() -> None:
    run = run_of(
        ([submitted(0.0), submitted(0.0, a_job(B))], [start()]),
        ([Ticked(at_s=9.0)], []),
    )

    assert (run.unfinished, len(run.ended)) == (2, 0)
    assert run.jobs.outcome.tolist() == ["running", "queued"]
    assert run.segments.ending.tolist() == [Ending.STILL_RUNNING]
    assert run.segments.end_s.tolist() == [9.0]
    assert run.waits.end_s.tolist() == [0.0, 9.0]
    assert isnan(run.jobs.end_s[0])
    assert run.starts() == {"a": 0.0}


def test_a_job_cancelled_while_it_waits_is_withdrawn() -> None:
    run = run_of(([submitted(0.0)], []), ([Cancelled(at_s=3.0, job=A)], []))

    assert (run.withdrawn, run.unfinished, len(run.ended)) == (1, 0, 0)
    assert run.waits.end_s.tolist() == [3.0]


def test_a_job_cancelled_while_it_starts_is_withdrawn_when_the_start_fails() -> None:
    run = run_of(
        ([submitted(0.0)], [start()]),
        ([Cancelled(at_s=3.0, job=A)], [Stop(A)]),
        ([StartFailed(at_s=4.0, job=A)], []),
    )

    assert (run.withdrawn, run.unfinished) == (1, 0)
    assert len(run.waits) == 1


def test_a_held_job_does_not_wait_for_gpus() -> None:
    run = run_of(
        ([submitted(0.0)], []),
        ([Held(at_s=2.0, job=A)], []),
        ([Released(at_s=7.0, job=A)], []),
        ([Ticked(at_s=8.0)], [start()]),
    )

    assert run.waits.start_s.tolist() == [0.0, 7.0]
    assert run.waits.end_s.tolist() == [2.0, 8.0]


def test_a_placement_on_nodes_is_kept_and_one_in_a_pool_is_not() -> None:
    there = Placement((Assignment(NodeId("x"), (0, 1)),))
    run = run_of(
        ([submitted(0.0), submitted(0.0, a_job(B))], [Start(A, there), start(B)]),
    )

    assert run.segments.placement.tolist() == [there, None]


def test_nodes_stay_in_order_of_appearance_as_last_seen() -> None:
    x, y = Node(id=NodeId("x"), gpus=4), Node(id=NodeId("y"), gpus=8)
    grown = Node(id=NodeId("x"), gpus=8)
    run = run_of(
        ([NodeSeen(at_s=0.0, node=node) for node in (x, y, grown)], []),
        ([NodeLost(at_s=1.0, node=y.id)], []),
    )

    assert run.nodes == (grown, y)


def test_what_is_told_of_unknown_or_ended_jobs_changes_nothing() -> None:
    run = run_of(
        ([Finished(at_s=0.0, job=B), Evicted(at_s=0.0, job=B)], [start(B), Refuse(B, "?")]),
        ([submitted(1.0), submitted(1.0)], [start(), start()]),
        ([Finished(at_s=2.0, job=A)], []),
        ([Cancelled(at_s=3.0, job=A), Evicted(at_s=3.0, job=A), Held(at_s=3.0, job=A)], []),
    )

    assert len(run.jobs) == len(run.segments) == len(run.ended) == 1
    assert run.ended.outcome.tolist() == ["succeeded"]
    assert run.ended.evictions.tolist() == [0]


def test_a_record_can_be_taken_more_than_once() -> None:
    recorder = Recorder()
    recorder.observe([submitted(0.0)], [start()])
    early = recorder.run(policy="fair", estimates="")
    recorder.observe([Finished(at_s=8.0, job=A)], [])
    late = recorder.run(policy="fair", estimates="")

    assert (early.unfinished, len(early.ended)) == (1, 0)
    assert (late.unfinished, len(late.ended)) == (0, 1)


def test_an_empty_run_is_a_run_of_no_jobs() -> None:
    run = run_of()

    assert len(run.jobs) == len(run.ended) == len(run.segments) == len(run.waits) == 0
    assert run.starts() == {}
