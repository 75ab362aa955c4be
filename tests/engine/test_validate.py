"""The check itself: silent on sound books, and each wrong book is named with job and numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from noljima.engine import Engine
from noljima.engine.validate import BrokenInvariantError, validate
from noljima.model.estimate import Estimate
from noljima.model.lifecycle import State
from noljima.model.node import Node
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, JobId, NodeId, Resources, gang_of
from noljima.placement.demand import Demand
from noljima.placement.grid import Grid
from noljima.policy.presets import policy_of
from noljima.policy.ticket import NEVER_S, Ticket
from noljima.prediction.sources import source_of
from noljima.testing.conversation import Conversation, job


def sound() -> Engine:
    """Build an engine with a job in each state: main, head, guest, going, held, infeasible."""
    talk = Conversation(gpus=8)
    talk.submit(job("main", 5, limit_s=50.0), job("ends", 1, limit_s=5.0))
    talk.submit(job("head", 4), job("guest", 1), job("going", 1), job("held", 3), job("large", 9))
    talk.hold("held")
    talk.cancel("going")
    talk.at(5.0).finish("ends")
    return talk.engine


def ticket(engine: Engine, name: str) -> Ticket:
    return engine.tickets[JobId(name)]


def on_nodes() -> Engine:
    engine = Engine(policy_of("fair"), source_of("limit"), Grid())
    talk = Conversation()
    talk.engine = engine
    talk.see("n0", 4)
    talk.see("n1", 4)
    talk.submit(job("pair", gang=gang_of(2, Resources(gpu_milli=3 * GPU, cpu_milli=500))))
    return engine


def test_sound_books_pass() -> None:
    engine = sound()

    validate(engine)
    engine.validate()
    validate(on_nodes())
    assert {t.state for t in engine.tickets.values()} >= {
        State.RUNNING,
        State.QUEUED,
        State.STOPPING,
        State.HELD,
        State.INFEASIBLE,
    }


def give_back_twice(engine: Engine) -> None:
    engine.state.space.give_back(ticket(engine, "main").demand, Placement())


def forget_a_holder(engine: Engine) -> None:
    guest = engine.state.running.pop(JobId("guest"))
    engine.state.ends.remove(guest)
    del engine.tickets[guest.job.id]


def expect_an_end_in_the_past(engine: Engine) -> None:
    main = ticket(engine, "main")
    engine.state.ends.remove(main)
    main.expected_end_s = 1.0
    engine.state.ends.add(main)


def expect_another_end(engine: Engine) -> None:
    ticket(engine, "main").expected_end_s += 1.0


def lose_an_end(engine: Engine) -> None:
    engine.state.ends.remove(ticket(engine, "main"))


def lose_a_waiting_job(engine: Engine) -> None:
    engine.state.line.remove(ticket(engine, "head"))


def let_a_job_stand_in_line_and_run(engine: Engine) -> None:
    engine.state.line.add(ticket(engine, "guest"))


def turn_the_line_round(engine: Engine) -> None:
    for number in (90, 91):
        asked = job(f"j{number}")
        newcomer = Ticket(asked, number, 0.0, Demand(asked.gang), Estimate.point(1.0))
        newcomer.key = (1, 1, float(number), number)
        engine.tickets[asked.id] = newcomer
        engine.state.line.add(newcomer)
    ticket(engine, "j91").key = (1, 1, 0.0, 91)


def give_another_place(engine: Engine) -> None:
    ticket(engine, "guest").key = (1, 1, 0.0, 99)


def let_a_running_job_be_queued(engine: Engine) -> None:
    ticket(engine, "main").state = State.QUEUED


def keep_an_ended_job(engine: Engine) -> None:
    held = ticket(engine, "held")
    held.state = State.FAILED


def forget_who_is_infeasible(engine: Engine) -> None:
    engine.infeasible.clear()


def forget_who_is_stopping(engine: Engine) -> None:
    engine.state.stopping.clear()


def stop_whoever_stays(engine: Engine) -> None:
    main = ticket(engine, "main")
    main.state = State.STOPPING
    main.evictable = False
    engine.state.stopping[main.job.id] = main


def run_a_guest_that_stays(engine: Engine) -> None:
    ticket(engine, "guest").evictable = False


def cancel_and_go_on(engine: Engine) -> None:
    ticket(engine, "main").cancelled = True


def save_what_is_no_number(engine: Engine) -> None:
    ticket(engine, "guest").saved_s = float("nan")


def lose_more_than_was_done(engine: Engine) -> None:
    engine.state.lost_milli_s = engine.state.held_milli_s + 1.0


def gain_by_evicting(engine: Engine) -> None:
    engine.state.lost_milli_s = -5.0


def forget_who_is_due(engine: Engine) -> None:
    ticket(engine, "head").due_s = 3.0


def be_due_in_the_future(engine: Engine) -> None:
    ticket(engine, "main").due_s = 99.0


def lift_an_anchor(engine: Engine) -> None:
    ticket(engine, "main").anchored = False


def start_in_the_future(engine: Engine) -> None:
    ticket(engine, "main").start_s = 99.0


def leak_in_the_strict_queue(engine: Engine) -> None:
    assert engine.state.shadow is not None
    engine.state.shadow.space.take(Demand(job("x", 1).gang))


def give_the_strict_queue_another_cluster(engine: Engine) -> None:
    assert engine.state.shadow is not None
    engine.state.shadow.set_node(Node(id=NodeId("secret"), gpus=8))


def free_who_holds_in_the_strict_queue(engine: Engine) -> None:
    ticket(engine, "main").due_s = NEVER_S
    ticket(engine, "main").anchored = False


@pytest.mark.parametrize(
    ("spoil", "invariant"),
    [
        (give_back_twice, "T8 no capacity lost or given twice"),
        (forget_a_holder, "T8 no capacity lost or given twice"),
        (expect_an_end_in_the_past, "running jobs end later than now"),
        (expect_another_end, "every running job has one expected end"),
        (lose_an_end, "every running job has one expected end"),
        (lose_a_waiting_job, "nothing lost"),
        (let_a_job_stand_in_line_and_run, "nothing lost"),
        (turn_the_line_round, "the line is in order"),
        (give_another_place, "T3 jobs keep their place"),
        (let_a_running_job_be_queued, "states say where jobs are"),
        (keep_an_ended_job, "ended jobs are gone"),
        (forget_who_is_infeasible, "states say where jobs are"),
        (forget_who_is_stopping, "jobs that were told to go still run"),
        (stop_whoever_stays, "T6 only evictable jobs are evicted"),
        (run_a_guest_that_stays, "guests can be evicted"),
        (cancel_and_go_on, "cancelled jobs stop"),
        (save_what_is_no_number, "T10 times are finite"),
        (lose_more_than_was_done, "T6 no more work is lost"),
        (gain_by_evicting, "T6 no more work is lost"),
        (forget_who_is_due, "T3 whom the strict queue started is due"),
        (be_due_in_the_future, "T3 jobs become due by the clock"),
        (lift_an_anchor, "T3 due jobs that run are anchored or astray"),
        (start_in_the_future, "nobody starts in the future"),
        (leak_in_the_strict_queue, "T3 the strict queue loses no capacity"),
        (give_the_strict_queue_another_cluster, "T3 the strict queue has the same cluster"),
        (free_who_holds_in_the_strict_queue, "T3 whom the strict queue started is due"),
    ],
)
def test_a_wrong_book_is_named(spoil: Callable[[Engine], None], invariant: str) -> None:
    engine = sound()
    spoil(engine)

    with pytest.raises(BrokenInvariantError) as found:
        validate(engine)
    assert found.value.invariant.startswith(invariant), found.value


def place(engine: Engine, *workers: Assignment) -> None:
    pair = ticket(engine, "pair")
    engine.state.ends.remove(pair)
    pair.placement = Placement(workers)
    engine.state.ends.add(pair)


@pytest.mark.parametrize(
    ("workers", "invariant"),
    [
        ([Assignment(NodeId("n0"), (0, 1, 2))], "T8 whole gangs"),
        ([Assignment(NodeId("n0"), (0, 1)), Assignment(NodeId("n1"), (0, 1, 2))], "T8 whole gangs"),
        ([Assignment(NodeId("n0"), (0, 1, 1)), Assignment(NodeId("n1"), (0, 1, 2))], "T8 whole"),
        ([Assignment(NodeId("n0"), (0, 1, 2)), Assignment(NodeId("n0"), (2, 3, 1))], "T8 never"),
        ([Assignment(NodeId("n0"), (1, 2, 3)), Assignment(NodeId("n1"), (1, 2, 3))], "T8 "),
        ([Assignment(NodeId("gone"), (0, 1, 2)), Assignment(NodeId("n1"), (0, 1, 2))], "T8 "),
    ],
)
def test_a_wrong_placement_is_named(workers: list[Assignment], invariant: str) -> None:
    engine = on_nodes()
    place(engine, *workers)

    with pytest.raises(BrokenInvariantError) as found:
        validate(engine)
    assert found.value.invariant.startswith(invariant), found.value


def test_a_lost_core_is_seen_as_well_as_a_lost_gpu() -> None:
    engine = on_nodes()
    engine.state.space.take(Demand(gang_of(1, Resources(cpu_milli=500))))

    with pytest.raises(BrokenInvariantError, match="T8 no capacity lost"):
        validate(engine)


def test_the_words_say_invariant_job_and_numbers() -> None:
    engine = sound()
    expect_an_end_in_the_past(engine)

    with pytest.raises(BrokenInvariantError) as found:
        validate(engine)
    assert str(found.value) == (
        "running jobs end later than now: job main: it runs at 5.0 and was to end at 1.0"
    )
    assert found.value.job == "main"


def test_checking_changes_nothing() -> None:
    engine = sound()
    before = (engine.state.space.gpu_milli_free, list(engine.state.ends), list(engine.state.line))
    validate(engine)

    assert before == (
        engine.state.space.gpu_milli_free,
        list(engine.state.ends),
        list(engine.state.line),
    )
