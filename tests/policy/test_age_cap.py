"""T5: under `efficient` nobody starves; once a job is older than the cap it waits first come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from noljima.model.job import Priority
from noljima.policy.guests import GuestPolicy
from noljima.policy.order import Order
from noljima.prediction.sources import source_of
from noljima.testing.conversation import Conversation, job
from noljima.testing.draws import Shape, draw
from noljima.testing.references import strict_starts
from noljima.testing.scenario import play

CAP_S = 50.0


def efficient(age_cap_s: float = CAP_S) -> GuestPolicy:
    return GuestPolicy("efficient", Order.SHORTEST, age_cap_s=age_cap_s)


def in_line(talk: Conversation) -> list[str]:
    return [ticket.job.id for ticket in talk.engine.state.line]


def test_a_job_that_is_old_enough_goes_before_all_shorter_ones() -> None:
    talk = Conversation(efficient(), gpus=1)
    talk.submit(job("runs", limit_s=1000.0, evictable=False))
    talk.submit(job("long", limit_s=90.0))
    talk.at(10.0).submit(job("short", limit_s=5.0))

    assert in_line(talk) == ["short", "long"]

    talk.at(CAP_S).tick()

    assert in_line(talk) == ["long", "short"]


def test_the_old_are_first_come_among_themselves_and_urgent_jobs_stay_before_them() -> None:
    talk = Conversation(efficient(), gpus=1)
    talk.submit(job("runs", limit_s=1000.0, evictable=False))
    talk.submit(job("long", limit_s=90.0), job("longer", limit_s=95.0), job("short", limit_s=5.0))
    talk.submit(job("urgent", priority=Priority.URGENT))
    talk.at(CAP_S).submit(job("new", limit_s=1.0))

    assert in_line(talk) == ["urgent", "long", "longer", "short", "new"]


def test_the_engine_asks_to_be_woken_when_a_job_becomes_old() -> None:
    talk = Conversation(efficient(), gpus=1)
    talk.submit(job("runs", evictable=False, limit_s=1000.0))
    talk.at(7.0).submit(job("waits"))

    assert talk.engine.wake_s == CAP_S

    talk.at(CAP_S).tick()

    assert talk.engine.wake_s == 7.0 + CAP_S


def test_a_job_that_became_old_while_held_or_running_comes_back_as_old() -> None:
    talk = Conversation(efficient(), gpus=1)
    talk.submit(job("runs", limit_s=95.0))
    talk.submit(job("held", limit_s=90.0), job("short", limit_s=5.0))
    talk.hold("held")
    talk.at(CAP_S).tick()
    talk.release("held")

    assert in_line(talk) == ["held", "short"]

    talk.start_failed("runs")

    assert in_line(talk)[0] == "held"


@given(seed=st.integers(0, 100_000), cap_s=st.sampled_from([0.0, 5.0, 60.0]))
def test_nobody_waits_longer_than_the_cap_and_the_strict_queue_together(
    seed: int, cap_s: float
) -> None:
    scenario = draw(seed, Shape(gpus_max=4, jobs_max=25, gap_s_max=6))
    record = play(scenario, efficient(cap_s), source_of("adversarial"))
    strict_s = strict_starts(scenario.gpu_milli, scenario.requests())

    for name, start_s in record.last_start_s().items():
        assert start_s <= strict_s[name] + cap_s


@given(seed=st.integers(0, 100_000))
def test_with_a_cap_of_no_time_it_is_the_order_of_submission(seed: int) -> None:
    scenario = draw(seed, Shape(jobs_max=20))
    capped = play(scenario, efficient(0.0), source_of("limit"))
    fair = play(scenario, "fair", source_of("limit"))

    assert capped.last_start_s() == fair.last_start_s()
