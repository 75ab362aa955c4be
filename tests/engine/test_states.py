"""One job's way through the engine: in each state, everything that can happen to it."""

from __future__ import annotations

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Finished, Outcome, Started, Submitted, Ticked
from noljima.model.job import Checkpoint
from noljima.model.lifecycle import State
from noljima.model.resources import JobId
from noljima.testing.conversation import Conversation, job

A = JobId("a")


def talk_with_a(state: State) -> Conversation:
    """Bring job `a` into a state, on a pool of 4 GPUs that it would fill."""
    talk = Conversation(gpus=4)
    if state in (State.QUEUED, State.HELD):
        talk.submit(job("before", 4))
    talk.submit(job("a", 5 if state is State.INFEASIBLE else 4))
    match state:
        case State.HELD:
            talk.hold("a")
        case State.STARTING:
            talk.start_failed("a")  # It starts again, and nobody says that it is up.
        case State.STOPPING:
            talk.cancel("a")
        case _:
            pass
    assert talk.state("a") is state
    return talk.at(5.0)


WAITING = [State.QUEUED, State.HELD, State.INFEASIBLE]
UP = [State.STARTING, State.RUNNING]


@pytest.mark.parametrize("state", WAITING)
def test_a_waiting_job_that_is_cancelled_is_gone_at_once(state: State) -> None:
    talk = talk_with_a(state)

    assert talk.cancel("a") == []
    assert talk.state("a") is None
    assert talk.release("a") == talk.see("more", 9) == []


@pytest.mark.parametrize("state", UP)
def test_a_job_that_is_up_and_cancelled_is_stopped_once(state: State) -> None:
    talk = talk_with_a(state)

    assert talk.cancel("a") == ["stop a"]
    assert talk.cancel("a") == []
    assert talk.state("a") is State.STOPPING
    assert talk.gpus_free == 0
    assert talk.finish("a", outcome=Outcome.CANCELLED) == []
    assert talk.state("a") is None
    assert talk.gpus_free == 4


@pytest.mark.parametrize("ending", ["finish", "evicted", "start_failed"])
def test_a_job_that_is_being_stopped_for_good_ends_whatever_is_told_of_it(ending: str) -> None:
    talk = talk_with_a(State.STOPPING)
    getattr(talk, ending)("a")

    assert talk.state("a") is None
    assert talk.gpus_free == 4
    assert talk.submit(job("next", 4)) == ["start next"]


def test_a_job_that_is_cancelled_while_it_makes_room_does_not_come_back() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 3, limit_s=10.0))
    talk.submit(job("head", 4), job("a", 1))

    assert talk.at(10.0).finish("runs") == ["evict a for head"]
    assert talk.cancel("a") == ["stop a"]
    assert talk.evicted("a") == ["start head"]
    assert talk.state("a") is None


@pytest.mark.parametrize("state", [*UP, State.STOPPING, State.INFEASIBLE])
def test_only_waiting_jobs_are_held(state: State) -> None:
    talk = talk_with_a(state)

    assert talk.hold("a") == talk.release("a") == []
    assert talk.state("a") is state


def test_a_held_job_is_passed_over_and_returns_to_its_old_place() -> None:
    talk = talk_with_a(State.HELD)
    talk.submit(job("later", 4))

    assert talk.at(6.0).finish("before") == ["start later"]

    talk.submit(job("last", 4))
    talk.release("a")

    assert talk.at(7.0).finish("later") == ["start a"]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_job_that_ends_is_forgotten_and_its_gpus_are_free(outcome: Outcome) -> None:
    talk = talk_with_a(State.RUNNING)
    talk.finish("a", outcome=outcome)

    assert talk.state("a") is None
    assert talk.gpus_free == 4


def test_a_job_may_end_before_anybody_said_that_it_was_up() -> None:
    talk = talk_with_a(State.STARTING)
    talk.finish("a")

    assert talk.state("a") is None


def test_a_start_that_fails_gives_everything_back_and_is_tried_again_from_the_old_place() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("a", 4))
    talk.submit(job("b", 4))

    assert talk.start_failed("a") == ["start a"]
    assert talk.state("a") is State.STARTING
    assert [ticket.job.id for ticket in talk.engine.state.line] == ["b"]


def test_a_run_counts_from_when_it_was_up() -> None:
    talk = Conversation("easy", gpus=4)
    talk.submit(job("runs", 1, limit_s=50.0))
    talk.start_failed("runs")
    talk.at(7.0).tell(Started(at_s=7.0, job=JobId("runs")))

    assert talk.ticket("runs").start_s == 7.0
    assert talk.ticket("runs").expected_end_s == 57.0


def test_an_evicted_job_goes_on_from_what_it_saved() -> None:
    saves = Checkpoint(interval_s=0.0, restart_s=3.0)
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 3, limit_s=10.0))
    talk.submit(job("head", 4, limit_s=20.0), job("a", 1, checkpoint=saves))
    talk.at(10.0).finish("runs")
    talk.evicted("a", saved_s=10.0)
    talk.at(20.0).finish("head")

    assert talk.ticket("a").evictions == 1
    assert talk.ticket("a").expected_end_s == 20.0 + 3.0 + (100.0 - 10.0)
    assert talk.ticket("a").worked_s(30.0) == 10.0 + 7.0


def test_lost_and_held_gpu_time_is_counted() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("runs", 2, limit_s=10.0))
    talk.submit(job("head", 4), job("a", 2))
    talk.at(10.0).finish("runs")
    talk.at(12.0).evicted("a", saved_s=9.0)
    state = talk.engine.state

    assert state.held_milli_s == 2000 * 10.0 + 2000 * 12.0
    assert state.lost_milli_s == 2000 * 3.0


def test_time_never_goes_back() -> None:
    talk = Conversation()
    talk.tell(Ticked(at_s=5.0))

    with pytest.raises(InvalidFieldError, match=r"at_s: 4\.0 is before 5\.0"):
        talk.tell(Ticked(at_s=4.0))


@pytest.mark.parametrize("policy", ["fair", "efficient", "share", "fifo", "easy", "conservative"])
def test_a_job_that_comes_held_never_starts_in_between(policy: str) -> None:
    talk = Conversation(policy, gpus=4).at(1.0)

    assert talk.tell(Submitted(at_s=1.0, job=job("a", 4), held=True)) == []
    assert talk.state("a") is State.HELD
    assert talk.submit(job("b", 4)) == ["start b"]
    assert talk.at(5.0).finish("b") == []
    assert talk.release("a") == ["start a"]


def test_a_held_job_that_nothing_could_run_is_told_so_when_it_is_released() -> None:
    talk = Conversation(gpus=4)

    assert talk.tell(Submitted(at_s=0.0, job=job("a", 5), held=True)) == []
    (refusal,) = talk.release("a")
    assert refusal.startswith("refuse a: ")
    assert talk.state("a") is State.INFEASIBLE


def test_room_that_comes_free_is_nothing_to_a_job_that_has_come_held() -> None:
    talk = Conversation(gpus=4)
    talk.submit(job("b", 4))
    talk.at(2.0)
    held = Submitted(at_s=2.0, job=job("a", 4), held=True)

    assert talk.tell(held, Finished(at_s=2.0, job=JobId("b"))) == []
    assert talk.release("a") == ["start a"]
