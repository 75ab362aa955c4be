"""What people read: a subject and a few lines, for each kind of notice."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.notify.kinds import Kind, chosen
from noljima.notify.message import Leg, Message, UnreadableNoticeError, decoded, legs
from noljima.notify.words import duration, worded

AT_S = 1_794_997_600.0  # 2026-11-18 10:26:40 UTC


def made(what: Kind, **fields: object) -> Message:
    given = {"job": "17", "name": "train bert", "user": "kim", "at_s": AT_S, **fields}
    return Message(what=what, **given)  # type: ignore[arg-type]  # checked by what reads it back


SAID = {
    Kind.ACCEPTED: (
        made(Kind.ACCEPTED, start_s=AT_S + 600, by_s=AT_S + 3600),
        "Job 17 (train bert) was accepted",
        (
            "Job 17 (train bert) of kim was accepted: 2026-11-18 10:26 UTC.\n"
            "Expected to start: 2026-11-18 10:36 UTC\n"
            "Promised by: 2026-11-18 11:26 UTC\n"
            "Next: `noljima why 17` says what it waits for."
        ),
    ),
    Kind.STARTED: (
        made(Kind.STARTED, gpus=4, where="here"),
        "Job 17 (train bert) has started",
        (
            "Job 17 (train bert) of kim has started: 2026-11-18 10:26 UTC.\n"
            "Where: 4 GPUs on here\n"
            "Next: `noljima logs 17` shows its output."
        ),
    ),
    Kind.FINISHED: (
        made(Kind.FINISHED, ran_s=7800.0),
        "Job 17 (train bert) has finished",
        (
            "Job 17 (train bert) of kim has finished: 2026-11-18 10:26 UTC.\n"
            "It ran for 2 h 10 min.\n"
            "Next: `noljima logs 17` shows its output."
        ),
    ),
    Kind.FAILED: (
        made(Kind.FAILED, why="worker 0 ended with code 3", ran_s=61.0),
        "Job 17 (train bert) has failed",
        (
            "Job 17 (train bert) of kim has failed: 2026-11-18 10:26 UTC.\n"
            "Why: worker 0 ended with code 3\n"
            "It ran for 1 min 1 s.\n"
            "Next: `noljima logs 17` shows its output; it is not started again."
        ),
    ),
    Kind.EVICTED: (
        made(Kind.EVICTED, why="job 18 was before it", saved_s=0.0),
        "Job 17 (train bert) made way for another job and waits again",
        (
            "Job 17 (train bert) of kim made way for another job and waits again:"
            " 2026-11-18 10:26 UTC.\n"
            "Why: job 18 was before it\n"
            "Saved: nothing\n"
            "Next: Nothing has to be done: it keeps its place in the queue and starts again."
        ),
    ),
    Kind.SUSPECTED: (
        made(Kind.SUSPECTED, why="no step for 31 min"),
        "Job 17 (train bert) seems to hang",
        (
            "Job 17 (train bert) of kim seems to hang: 2026-11-18 10:26 UTC.\n"
            "Why: no step for 31 min\n"
            "Next: Look at it with `noljima logs 17`; where it still hangs, it will be ended."
        ),
    ),
    Kind.ENDED: (
        made(Kind.ENDED, why="no step, no activity", next_step="Ask Lee."),
        "Job 17 (train bert) hung and was ended",
        (
            "Job 17 (train bert) of kim hung and was ended: 2026-11-18 10:26 UTC.\n"
            "Why: no step, no activity\n"
            "Next: Ask Lee."
        ),
    ),
    Kind.PROMISE_MISSED: (
        made(Kind.PROMISE_MISSED, by_s=AT_S - 60, start_s=AT_S + 86_400),
        "Job 17 (train bert) has not started by the promised time",
        (
            "Job 17 (train bert) of kim has not started by the promised time:"
            " 2026-11-18 10:26 UTC.\n"
            "Expected to start: 2026-11-19 10:26 UTC\n"
            "It was promised by: 2026-11-18 10:25 UTC\n"
            "Next: `noljima why 17` says what it waits for now."
        ),
    ),
}


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_has_its_words(kind: Kind) -> None:
    message, subject, body = SAID[kind]

    assert worded(message, UTC) == (subject, body)


def test_a_message_comes_back_from_the_outbox_as_it_was_written() -> None:
    for message, _, _ in SAID.values():
        assert decoded(message.encoded()) == message
        for leg in legs("17/failed/1", message, ["ops", "kim"]):
            assert decoded(leg.encoded()) == leg
            assert leg.key == f"17/failed/1 @ {leg.channel}"
            assert isinstance(leg, Leg)


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"type":"message"}', "\x00", '{"type":"x"}'])
def test_what_is_no_notice_of_ours_is_refused(body: str) -> None:
    with pytest.raises(UnreadableNoticeError, match="the notice cannot be read"):
        decoded(body)


def test_a_reason_of_several_lines_is_said_in_one() -> None:
    message = Message(
        what=Kind.FAILED, job="1", at_s=0.0, why="code 3:\n\tno\x07 room " + "x" * 900
    )

    assert "\nWhy: code 3: no room xxx" in worded(message, UTC).body
    assert "xxx…\nNext:" in worded(message, UTC).body


@given(why=st.text(max_size=3000))
def test_a_reason_cannot_pretend_to_be_further_lines(why: str) -> None:
    message = Message(what=Kind.FAILED, job="1", at_s=0.0, why=why)
    text = worded(message, UTC)

    assert "\n" not in text.subject
    assert text.body.isprintable() or text.body.replace("\n", "").isprintable()
    assert len(text.body.split("\n")) == 2 + bool(why)
    assert len(text.body) < 900


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7800, "2 h 10 min"),
        (86400, "1 d 0 h"),
        (200000, "2 d 7 h"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_kinds_are_chosen_by_their_names() -> None:
    assert chosen("notify", ["failed", "promise-missed"]) == {Kind.FAILED, Kind.PROMISE_MISSED}
    assert chosen("notify", ["all"]) == set(Kind)
    assert chosen("notify", ["none"]) == set()
    with pytest.raises(InvalidFieldError, match=r"^notify: 'faild' is none of accepted, started,"):
        chosen("notify", ["faild"])
    with pytest.raises(InvalidFieldError, match=r"^notify: 'none' is none of"):
        chosen("notify", ["failed", "none"])
