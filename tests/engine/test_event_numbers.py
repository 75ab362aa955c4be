"""Numbers in events: what cannot be is refused before anything changes, or believed in part."""

from __future__ import annotations

import math

import msgspec
import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Event, Evicted, NodeSeen, Submitted, Ticked
from noljima.model.job import Checkpoint
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId
from noljima.prediction.oracle import AdversarialRunTime, NoisyRunTime, TrueRunTime
from noljima.prediction.source import Source
from noljima.testing.conversation import Conversation, job

NEVER = [math.nan, math.inf, -math.inf, -1.0, 1e30]


@pytest.mark.parametrize("saved_s", [*NEVER, True, "60", None])
def test_no_event_says_that_so_much_was_saved(saved_s: float) -> None:
    with pytest.raises(InvalidFieldError, match=r"^saved_s: ") as refusal:
        Evicted(at_s=1.0, job=JobId("a"), saved_s=saved_s)

    assert refusal.value.field == "saved_s"


def test_nor_is_such_an_event_read_from_a_journal() -> None:
    words = b'{"type":"Evicted","at_s":1.0,"job":"a","saved_s":1e30}'

    with pytest.raises(msgspec.ValidationError, match=r"saved_s: 1e\+30 is outside 0 to 1e\+10 s"):
        msgspec.json.decode(words, type=Event)


@pytest.mark.parametrize("at_s", NEVER)
def test_a_moment_that_is_none_is_refused_and_nothing_has_happened(at_s: float) -> None:
    talk = Conversation()
    events: list[Event] = [
        Submitted(at_s=5.0, job=job("a")),
        Ticked(at_s=at_s),
        Submitted(at_s=5.0, job=job("b")),
    ]

    with pytest.raises(InvalidFieldError, match=r"^at_s: .* is outside 0 to 1e\+10 s"):
        talk.tell(*events)

    assert talk.engine.tickets == {}
    assert talk.engine.state.now_s == 0.0


def test_a_moment_before_the_last_is_refused_within_a_batch_too() -> None:
    talk = Conversation()

    with pytest.raises(InvalidFieldError, match=r"^at_s: 4\.0 is before 5\.0, the time"):
        talk.tell(Ticked(at_s=5.0), Ticked(at_s=4.0), Ticked(at_s=6.0))

    assert talk.engine.state.now_s == 0.0


def guest_and_head() -> Conversation:
    """Let job `a` run for 60 s, a place before it ready to be told that it is evicted."""
    talk = Conversation(gpus=1)
    talk.submit(job("a", checkpoint=Checkpoint(interval_s=10.0), limit_s=1000.0))
    return talk.at(60.0)


def test_a_run_is_not_believed_to_have_saved_more_than_it_had_time_for() -> None:
    talk = guest_and_head()
    talk.evicted("a", saved_s=500.0)

    assert talk.ticket("a").saved_s == 60.0
    assert talk.engine.state.lost_milli_s == 0.0
    assert talk.engine.doubts.count == 1
    assert talk.engine.doubts.last == "saved_s: 500.0 is more than the 60 s that job a has worked"


def test_what_an_earlier_run_saved_counts_as_worked() -> None:
    talk = guest_and_head()
    talk.evicted("a", saved_s=50.0)
    talk.at(100.0).evicted("a", saved_s=90.0)

    assert talk.ticket("a").saved_s == 90.0
    assert talk.engine.doubts.count == 0


def test_a_saved_state_can_be_lost() -> None:
    talk = guest_and_head()
    talk.evicted("a", saved_s=50.0)
    talk.at(100.0).evicted("a", saved_s=0.0)

    assert talk.ticket("a").saved_s == 0.0
    assert talk.engine.state.lost_milli_s == talk.engine.state.held_milli_s


@pytest.mark.parametrize("oracle_s", NEVER)
@pytest.mark.parametrize("source", [TrueRunTime(), NoisyRunTime(0.5), AdversarialRunTime()])
def test_a_truth_that_is_none_is_an_estimate_that_is_none(source: Source, oracle_s: float) -> None:
    talk = Conversation(source=source)
    talk.submit(job("a"), oracle_s=oracle_s)

    assert 0.0 <= talk.ticket("a").estimate.q95_s <= 100.0
    assert talk.state("a") == "running"


def test_a_node_has_no_less_than_nothing() -> None:
    with pytest.raises(InvalidFieldError, match=r"^gpus: -1 is outside"):
        NodeSeen(at_s=0.0, node=Node(id=NodeId("n"), gpus=-1))
