"""Reasons in words: an example of every code, which `docs/reasons.md` shows as it is here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.reasons import (
    Basis,
    Change,
    Code,
    Reason,
    Step,
    duration,
    sentence,
    words,
)
from noljima.model.resources import GPU, JobId, NodeId

DOCS: Final = Path(__file__).parents[2] / "docs"
NOW_S: Final = 13 * 3600.0
J812 = (JobId("812"),)
J17 = (JobId("17"),)


def clock(at_s: float) -> str:
    return f"{int(at_s) // 3600:02}:{int(at_s) % 3600 // 60:02}"


def reason(code: Code, **fields: object) -> Reason:
    blank = Reason(code=code, job=JobId("900"), at_s=NOW_S, workers=1, needed_milli=8 * GPU)
    return msgspec.structs.replace(blank, **fields)


def at(hours: int, minutes: int) -> float:
    return hours * 3600.0 + minutes * 60.0


EXAMPLES: Final[Mapping[Code, Reason]] = {
    Code.HELD: reason(Code.HELD, changes=(Change(Step.RELEASE),)),
    Code.INFEASIBLE: reason(
        Code.INFEASIBLE,
        detail="needs 16 GPUs on one node; the largest free block is 8 (gpu-01)",
    ),
    Code.CLEARING: reason(Code.CLEARING, position=1, blocking=J17, blocking_count=1, saving=True),
    Code.QUOTA: reason(Code.QUOTA, detail="queue day holds 60 of the 64 GPUs that it may"),
    Code.EVICTED: reason(
        Code.EVICTED, evictions=3, position=5, ahead_milli=12 * GPU, strict_s=at(16, 20)
    ),
    Code.RESERVED: reason(
        Code.RESERVED,
        blocking=J812,
        blocking_count=1,
        kept_milli=12 * GPU,
        kept_from_s=at(15, 10),
        run_s=3 * 3600.0,
        changes=(Change(Step.EVICTABLE), Change(Step.LIMIT, limit_s=7800.0)),
    ),
    Code.RESOURCES: reason(
        Code.RESOURCES,
        detail="needs 8 GPUs on one node; the largest free block is 6 (gpu-03)",
        position=1,
        rooms=(NodeId("gpu-07"),),
        expected_s=at(14, 5),
        basis=Basis.RESERVED,
    ),
    Code.ORDER: reason(
        Code.ORDER,
        position=4,
        ahead_milli=40 * GPU,
        blocking=J812,
        blocking_count=1,
        expected_s=at(17, 30),
        basis=Basis.ESTIMATE,
    ),
    Code.DECISION: reason(Code.DECISION, detail="fair"),
    Code.STARTING: reason(Code.STARTING, workers=8, since_s=at(12, 59)),
    Code.RUNNING: reason(Code.RUNNING, since_s=at(12, 15), ends_s=at(18, 40), guest=True),
    Code.EVICTING: reason(Code.EVICTING, blocking=J812, blocking_count=1, saving=True),
    Code.CANCELLING: reason(Code.CANCELLING),
    Code.ENDED: reason(Code.ENDED, detail="succeeded", run_s=6840.0),
    Code.LIMIT: reason(Code.LIMIT, detail="user kim runs 20 jobs, and may run 20"),
    Code.DEPENDENCY: reason(Code.DEPENDENCY, detail="waits for job 811 to succeed"),
    Code.FAULT: reason(Code.FAULT, detail="its last three starts failed: image not found"),
    Code.POWER: reason(Code.POWER, detail="rack R2 at 38.2 of 40 kW"),
    Code.GANG: reason(Code.GANG, detail="6 of 8 pods exist"),
}


@pytest.mark.parametrize("code", Code)
def test_the_page_of_reasons_shows_each_code_with_the_sentence_of_its_example(code: Code) -> None:
    page = (DOCS / "reasons.md").read_text()

    assert f"\n### {code}\n" in page
    assert f"> {words(EXAMPLES[code], clock)}\n" in page


def test_the_page_of_reasons_names_no_code_that_is_not_there() -> None:
    page = (DOCS / "reasons.md").read_text()

    assert re.findall("^### (.*)$", page, re.MULTILINE) == list(Code)


def test_without_a_clock_times_are_durations_from_the_moment_of_the_reason_on() -> None:
    assert "gpu-07 has room in about 1 h 5 min (reserved)" in EXAMPLES[Code.RESOURCES].sentence
    assert "it has run for 45 min" in EXAMPLES[Code.RUNNING].sentence
    assert "told to start 1 min ago" in EXAMPLES[Code.STARTING].sentence
    assert str(EXAMPLES[Code.HELD]).startswith("Held: ")


def test_what_is_due_by_now_happens_at_any_moment() -> None:
    late = reason(Code.RESOURCES, position=1, expected_s=NOW_S - 1.0, basis=Basis.RESERVED)

    assert sentence(late) == "enough come free at any moment (reserved)"


def test_a_promise_is_told_with_the_middle_case_in_place_of_an_estimate() -> None:
    told = msgspec.structs.replace(EXAMPLES[Code.ORDER], about_s=at(14, 5), by_s=at(14, 40))

    words_told = words(told, clock)
    assert words_told.endswith("job 812 first; it starts at about 14:05 (by 14:40)")
    assert sentence(told).endswith("; it starts in about 1 h 5 min (within 1 h 40 min)")


def test_a_reservation_is_told_beside_the_promise() -> None:
    told = msgspec.structs.replace(EXAMPLES[Code.RESOURCES], about_s=at(14, 5), by_s=at(14, 40))

    assert "gpu-07 has room at about 14:05 (reserved); it starts at about" in words(told, clock)


def test_a_promise_that_was_missed_is_told_as_missed() -> None:
    told = msgspec.structs.replace(EXAMPLES[Code.ORDER], about_s=at(14, 5), by_s=at(12, 40))

    text = words(told, clock)
    assert text.endswith("; it starts at about 14:05; it was promised to have started at 12:40")


def test_many_blocking_jobs_are_counted_and_a_few_named() -> None:
    names = tuple(JobId(name) for name in "abcde")
    many = reason(Code.CLEARING, blocking=names, blocking_count=7)
    two = reason(Code.CLEARING, blocking=names[:2], blocking_count=2, saving=True)

    assert "jobs a, b, c and 4 more are stopping" in sentence(many)
    assert "jobs a and b are saving their state" in sentence(two)


def test_many_nodes_with_room_are_counted_and_a_few_named() -> None:
    rooms = tuple(NodeId(f"n{number}") for number in range(5))
    spread = reason(
        Code.RESOURCES, rooms=rooms, expected_s=NOW_S + 60.0, basis=Basis.ESTIMATE, position=1
    )

    assert sentence(spread) == "n0, n1, n2 and 2 more have room in about 1 min (estimate)"


def test_what_would_change_it_is_a_second_sentence_with_all_ways() -> None:
    steps = (Change(Step.GPU_TYPE), Change(Step.WORKERS, workers=3))
    text = sentence(reason(Code.RESOURCES, detail="no room", workers=4, changes=steps))

    assert text == "no room. On any GPU type or with 3 workers instead of 4 it could start now."


def test_an_infeasible_job_could_run_where_another_could_start_now() -> None:
    text = sentence(reason(Code.INFEASIBLE, changes=(Change(Step.GPU_TYPE),)))

    assert text.endswith(". On any GPU type it could run.")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3.0, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (3599.7, "1 h"),
        (3900.0, "1 h 5 min"),
        (86_399.0, "1 d"),
        (266_400.0, "3 d 2 h"),
        (1e10, "115,740 d 18 h"),
    ],
)
def test_a_duration_shows_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(seconds=st.floats(0, 1e9))
def test_a_duration_is_right_to_its_smaller_unit(seconds: float) -> None:
    unit_s = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    parts = duration(seconds).replace(",", "").split()
    shown_s = sum(int(n) * unit_s[unit] for n, unit in zip(parts[::2], parts[1::2], strict=True))

    slack_s = 0.5 if seconds < 3600 else 30.0 if seconds < 86_400 else 1800.0
    assert abs(shown_s - seconds) <= slack_s + 1e-6


@pytest.mark.parametrize("code", Code)
def test_a_reason_travels_as_json_without_what_does_not_apply(code: Code) -> None:
    wire = msgspec.json.encode(EXAMPLES[code])

    assert msgspec.json.decode(wire, type=Reason) == EXAMPLES[code]
    assert b"null" not in wire
