"""Each reason in the situation that it is for, with the numbers that belong to it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from noljima.config import QueueSettings
from noljima.engine import Engine
from noljima.engine.explain import Explainer, UnknownJobError
from noljima.model.commands import Command, Start
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    NodeSeen,
    Outcome,
    Released,
    Started,
    Submitted,
)
from noljima.model.job import Checkpoint, Job
from noljima.model.node import Node
from noljima.model.reasons import Basis, Change, Code, Reason, Step, words
from noljima.model.resources import GPU, Gang, JobId, NodeId, Resources, TaskGroup, gang_of
from noljima.placement.grid import Grid
from noljima.placement.pool import Pool
from noljima.placement.space import Space
from noljima.policy.conservative import Conservative
from noljima.policy.guests import GuestPolicy
from noljima.policy.line import KeyedLine, Line
from noljima.policy.order import Order
from noljima.policy.queueing import QueuePolicy
from noljima.policy.share import SharePolicy
from noljima.policy.state import Plan, Policy, SchedulerState
from noljima.policy.ticket import Ticket
from noljima.prediction.user_limit import UserLimit


def job(
    name: str,
    gpus: int,
    limit_s: float = 100.0,
    *,
    workers: int = 1,
    evictable: bool = False,
    queue: str = "",
    saves: bool = True,
) -> Job:
    return Job(
        id=JobId(name),
        gang=gang_of(workers, Resources(gpu_milli=gpus * GPU)),
        limit_s=limit_s,
        evictable=evictable,
        queue=queue,
        checkpoint=Checkpoint(interval_s=0.0 if saves else None),
    )


def typed(name: str, gpus: int, gpu_type: str, *, evictable: bool = False) -> Job:
    group = TaskGroup(workers=1, each=Resources(gpu_milli=gpus * GPU), gpu_types=(gpu_type,))
    return Job(id=JobId(name), gang=Gang((group,)), limit_s=100.0, evictable=evictable)


class Cluster:
    """An engine that is told things in order, and whose starts come true at once."""

    def __init__(self, policy: Policy, *gpus: int, space: Space | None = None) -> None:
        self.engine = Engine(policy, UserLimit(), space or Pool())
        for number, count in enumerate(gpus):
            node = Node(id=NodeId(f"gpu-{number}"), gpus=count)
            self.tell(NodeSeen(at_s=0.0, node=node))

    def tell(self, *events: Event) -> Sequence[Command]:
        """Tell it of a moment, and that what it starts has started."""
        commands = self.engine.handle(*events)
        started = [c.job for c in commands if isinstance(c, Start)]
        if started:
            self.engine.handle(*(Started(at_s=events[-1].at_s, job=name) for name in started))
        return commands

    def submit(self, at_s: float, *jobs: Job) -> None:
        """Hand jobs in, one after the other."""
        for one in jobs:
            self.tell(Submitted(at_s=at_s, job=one))

    def why(self, name: str) -> Reason:
        """Ask."""
        return self.engine.explain(JobId(name))


def fair() -> GuestPolicy:
    return GuestPolicy("fair", Order.SUBMIT)


def easy() -> QueuePolicy:
    return QueuePolicy("easy", Order.SUBMIT, backfill=True)


def test_a_job_that_nobody_knows_is_refused_in_words() -> None:
    with pytest.raises(UnknownJobError, match="there is no job 17: it has ended") as refusal:
        Cluster(fair(), 8).why("17")

    assert isinstance(refusal.value, KeyError)


def test_a_held_job_waits_for_its_release() -> None:
    cluster = Cluster(fair(), 8)
    cluster.submit(0.0, job("a", 8), job("b", 8))
    cluster.tell(Held(at_s=1.0, job=JobId("b")))

    assert cluster.why("b").code is Code.HELD
    assert cluster.why("b").changes == (Change(Step.RELEASE),)

    cluster.tell(Released(at_s=2.0, job=JobId("b")))

    assert cluster.why("b").code is Code.RESOURCES


def test_an_infeasible_job_is_told_the_refusal_and_what_would_fit() -> None:
    cluster = Cluster(fair(), 8)
    cluster.submit(0.0, job("a", 2, workers=6))

    assert cluster.why("a").code is Code.INFEASIBLE
    assert cluster.why("a").detail == cluster.engine.infeasible[JobId("a")]
    assert cluster.why("a").changes == (Change(Step.WORKERS, workers=4),)


def test_the_first_in_a_strict_queue_is_told_when_enough_comes_free() -> None:
    cluster = Cluster(QueuePolicy("fifo", Order.SUBMIT), 8)
    cluster.submit(0.0, job("a", 5, 50.0), job("b", 2, 70.0), job("c", 8, 10.0))
    reason = cluster.why("c")

    assert reason.code is Code.RESOURCES
    assert (reason.needed_milli, reason.free_milli, reason.missing_milli) == (8000, 1000, 7000)
    assert (reason.position, reason.ahead) == (1, 0)
    assert (reason.expected_s, reason.basis) == (70.0, Basis.ESTIMATE)


def test_behind_the_first_in_a_strict_queue_even_what_fits_waits_for_its_turn() -> None:
    cluster = Cluster(QueuePolicy("fifo", Order.SUBMIT), 8)
    cluster.submit(0.0, job("a", 5, 50.0), job("b", 8, 10.0), job("c", 1, 5.0), job("d", 4, 5.0))

    assert cluster.why("c").code is Code.ORDER
    assert (cluster.why("c").ahead, cluster.why("c").ahead_milli) == (1, 8000)
    assert cluster.why("d").code is Code.ORDER
    assert (cluster.why("d").ahead, cluster.why("d").ahead_milli) == (2, 9000)
    assert cluster.why("d").blocking == ("b",)
    # b runs from 50 to 60, then c and d fit together.
    assert cluster.why("c").expected_s == cluster.why("d").expected_s == 60.0


def test_backfill_that_would_delay_the_head_is_told_of_the_reservation() -> None:
    cluster = Cluster(easy(), 8)
    cluster.submit(0.0, job("a", 6, 300.0), job("b", 8, 10.0), job("c", 2, 400.0))
    reason = cluster.why("c")

    assert reason.code is Code.RESERVED
    assert reason.blocking == ("b",)
    assert (reason.kept_milli, reason.kept_from_s, reason.run_s) == (8000, 300.0, 400.0)
    assert reason.changes == (Change(Step.LIMIT, limit_s=300.0),)
    assert cluster.why("b").basis is Basis.RESERVED
    assert cluster.why("b").expected_s == 300.0


def test_where_guests_run_an_evictable_job_could_start_and_its_twin_is_told_so() -> None:
    cluster = Cluster(fair(), 8)
    cluster.submit(0.0, job("a", 6, 30.0), job("b", 8, 10.0), job("c", 2, 400.0))
    reason = cluster.why("c")

    assert reason.code is Code.RESERVED
    assert reason.changes == (Change(Step.EVICTABLE),)

    cluster.submit(0.0, job("twin", 2, 400.0, evictable=True))

    assert cluster.why("twin").code is Code.RUNNING
    assert cluster.why("twin").guest


def test_a_job_whose_place_is_being_cleared_is_told_by_whom() -> None:
    cluster = Cluster(fair(), 8)
    guest = job("guest", 2, 400.0, evictable=True)
    cluster.submit(0.0, job("a", 6, 100.0), job("b", 8, 50.0), guest)
    cluster.tell(Finished(at_s=60.0, job=JobId("a")))

    assert cluster.why("b").code is Code.CLEARING
    assert cluster.why("b").blocking == ("guest",)
    assert cluster.why("b").saving
    assert cluster.why("guest").code is Code.EVICTING
    assert cluster.why("guest").blocking == ("b",)

    cluster.tell(Evicted(at_s=61.0, job=JobId("guest"), saved_s=60.0))

    assert cluster.why("b").code is Code.RUNNING
    assert cluster.why("guest").code is Code.RESOURCES
    assert cluster.why("guest").evictions == 1


def test_what_is_kept_for_a_job_whose_place_is_being_cleared_is_not_for_others() -> None:
    cluster = Cluster(fair(), 8)
    cluster.submit(
        0.0, job("a", 6, 100.0), job("b", 8, 50.0), job("guest", 1, 400.0, evictable=True)
    )
    cluster.tell(Finished(at_s=60.0, job=JobId("a")))
    cluster.submit(60.0, job("late", 2, 1.0, evictable=True))

    assert cluster.why("b").code is Code.CLEARING
    reason = cluster.why("late")
    assert reason.code is Code.RESERVED
    assert (reason.blocking, reason.kept_from_s, reason.kept_milli) == (("b",), None, 7000)


def test_a_job_that_was_evicted_too_often_fills_no_hole_any_more() -> None:
    cluster = Cluster(fair(), 8)
    cluster.submit(0.0, job("a", 6, 100.0), job("b", 8, 50.0), job("g", 2, 400.0, evictable=True))
    for at_s in (1.0, 2.0, 3.0):
        cluster.tell(Evicted(at_s=at_s, job=JobId("g"), saved_s=0.0))
    reason = cluster.why("g")

    assert reason.code is Code.EVICTED
    assert (reason.evictions, reason.ahead) == (3, 1)


def test_the_head_is_told_who_makes_way_and_when_at_the_latest() -> None:
    cluster = Cluster(fair(), 8)
    cluster.submit(
        0.0, job("a", 6, 100.0), job("b", 8, 50.0), job("g", 2, 400.0, evictable=True, saves=False)
    )
    reason = cluster.why("b")

    assert reason.code is Code.RESOURCES
    assert reason.guests_milli == 2000
    assert reason.strict_s == 100.0


def test_a_job_behind_others_is_told_when_first_come_first_served_would_start_it() -> None:
    cluster = Cluster(fair(), 8)
    cluster.submit(0.0, job("a", 8, 100.0), job("b", 8, 50.0), job("c", 8, 25.0), job("d", 1, 5.0))

    starts_s = [cluster.why(name).strict_s for name in "bcd"]
    assert starts_s == [100.0, 150.0, 175.0]


def test_a_job_on_its_way_up_running_or_cancelled_says_so() -> None:
    engine = Engine(fair(), UserLimit(), Pool())
    engine.handle(NodeSeen(at_s=0.0, node=Node(id=NodeId("n"), gpus=8)))
    engine.handle(Submitted(at_s=0.0, job=job("a", 4, 100.0, workers=2)))

    assert engine.explain(JobId("a")).code is Code.STARTING

    engine.handle(Started(at_s=5.0, job=JobId("a")))
    running = engine.explain(JobId("a"))
    assert running.code is Code.RUNNING
    assert (running.since_s, running.ends_s) == (5.0, 105.0)

    engine.handle(Cancelled(at_s=6.0, job=JobId("a")))
    assert engine.explain(JobId("a")).code is Code.CANCELLING


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome.SUCCEEDED, "Ended: it has succeeded after 1 min 30 s"),
        (Outcome.FAILED, "Ended: it has failed after 1 min 30 s"),
        (Outcome.CANCELLED, "Ended: it has been cancelled after 1 min 30 s"),
    ],
)
def test_who_kept_the_ticket_of_an_ended_job_gets_an_answer(outcome: Outcome, text: str) -> None:
    cluster = Cluster(fair(), 8)
    cluster.submit(0.0, job("a", 4))
    ticket = cluster.engine.tickets[JobId("a")]
    cluster.tell(Finished(at_s=90.0, job=JobId("a"), outcome=outcome))

    assert words(Explainer(cluster.engine).reason(ticket)) == text


def test_a_job_beyond_its_queues_quota_is_told_which() -> None:
    policy = SharePolicy([QueueSettings(name="day", quota_gpus=4)])
    cluster = Cluster(policy, 8)
    cluster.submit(0.0, job("a", 4, queue="day"), job("b", 1, queue="day"))
    reason = cluster.why("b")

    assert reason.code is Code.QUOTA
    assert reason.detail == "queue day holds 4 of the 4 GPUs that it may"


def test_on_nodes_the_reason_names_the_block_and_the_node_that_will_have_room() -> None:
    cluster = Cluster(easy(), 8, 8, space=Grid())
    cluster.submit(0.0, job("a", 8, 50.0), job("b", 2, 500.0), job("c", 8, 10.0))
    reason = cluster.why("c")

    assert reason.code is Code.RESOURCES
    assert "largest free block is 6" in reason.detail
    first = cluster.engine.tickets[JobId("a")].placement.workers[0].node
    assert (reason.rooms, reason.expected_s) == ((first,), 50.0)


def test_a_gpu_type_that_keeps_a_guest_waiting_is_named_as_the_thing_to_change() -> None:
    cluster = Cluster(fair(), space=Grid())
    for gpu_type in ("a100", "h100"):
        node = Node(id=NodeId(gpu_type), gpus=8, gpu_type=gpu_type)
        cluster.tell(NodeSeen(at_s=0.0, node=node))
    cluster.submit(0.0, typed("a", 8, "h100"), typed("b", 4, "a100"), typed("head", 8, "a100"))
    cluster.submit(0.0, typed("guest", 2, "h100", evictable=True))

    assert cluster.why("guest").code is Code.RESOURCES
    assert cluster.why("guest").changes == (Change(Step.GPU_TYPE),)


def test_a_conservative_plan_tells_everybody_the_time_that_is_reserved() -> None:
    cluster = Cluster(Conservative(), 8)
    cluster.submit(0.0, job("a", 8, 100.0), job("b", 8, 50.0), job("c", 8, 25.0))

    assert [cluster.why(name).expected_s for name in "bc"] == [100.0, 150.0]
    assert {cluster.why(name).basis for name in "bc"} == {Basis.RESERVED}


class Sleepy:
    """A policy that nobody has heard of, and that never starts anything."""

    each_event = False
    keeps_shadow = False
    fill_tau = 0.8
    name = "sleepy"

    def new_line(self) -> Line:
        return KeyedLine()

    def enrol(self, ticket: Ticket) -> None:
        """Leave the key as it is."""

    def plan(self, state: SchedulerState, arrived: Ticket | None) -> Plan:  # noqa: ARG002 - sleeps
        return Plan()


def test_of_a_policy_that_is_not_known_the_books_alone_are_told() -> None:
    cluster = Cluster(Sleepy(), 8)
    cluster.submit(0.0, job("a", 8), job("b", 1))
    cluster.tell(NodeSeen(at_s=1.0, node=Node(id=NodeId("more"), gpus=8)))
    cluster.submit(1.0, job("c", 16))
    cluster.tell(NodeSeen(at_s=1.0, node=Node(id=NodeId("more"), gpus=8, drained=True)))

    assert cluster.why("a").code is Code.DECISION
    assert cluster.why("b").code is Code.ORDER
    assert cluster.why("c").code is Code.INFEASIBLE


def test_the_listing_is_the_line_first_and_can_be_cut_short() -> None:
    cluster = Cluster(QueuePolicy("fifo", Order.SUBMIT), 8)
    cluster.submit(0.0, job("a", 8), job("x", 9), job("b", 1), job("c", 2), job("d", 3))
    cluster.tell(Held(at_s=1.0, job=JobId("b")))

    listed = [reason.job for reason in cluster.engine.explain_all()]
    assert listed == ["c", "d", "x", "b"]
    assert [reason.job for reason in cluster.engine.explain_all(limit=1)] == ["c"]


def test_a_job_that_was_held_and_released_stands_in_the_strict_queue_once() -> None:
    cluster = Cluster(fair(), 8)
    cluster.submit(0.0, job("a", 8, 100.0), job("b", 8, 50.0), job("c", 8, 25.0), job("d", 8, 5.0))
    cluster.tell(Held(at_s=1.0, job=JobId("c")))
    cluster.tell(Released(at_s=1.0, job=JobId("c")))

    assert [cluster.why(name).strict_s for name in "bcd"] == [100.0, 150.0, 175.0]
