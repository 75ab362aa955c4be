"""What a running job costs: the same memory and the same work for every round, for ever."""

from __future__ import annotations

import math
import sys
from collections import deque
from types import FrameType
from typing import Any

import msgspec
import pytest

from noljima.health.facts import Counted, Erred, Faulted, Over, Swept, Trouble
from noljima.model.resources import JobId, NodeId
from noljima.testing.hangs import modes
from noljima.testing.hangs.ward import Ward


def size(thing: object, seen: set[int] | None = None) -> int:
    """Return the bytes that a value holds, with all that it refers to."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    inner: list[object] = []
    if isinstance(thing, dict):
        inner += [*thing.keys(), *thing.values()]
    elif isinstance(thing, list | tuple | set | frozenset | deque):
        inner += list(thing)
    elif isinstance(thing, msgspec.Struct):
        inner += [getattr(thing, field) for field in thing.__struct_fields__]
    for kind in type(thing).__mro__:
        inner += [getattr(thing, n) for n in getattr(kind, "__slots__", ()) if hasattr(thing, n)]
    inner += list(getattr(thing, "__dict__", {}).values())
    return sys.getsizeof(thing) + sum(size(each, seen) for each in inner)


def calls_of(ward: Ward) -> int:
    """Return how many calls of our own a round of the sampler takes."""
    count = 0

    def count_call(frame: FrameType, event: str, argument: Any) -> None:  # noqa: ANN401, ARG001 - what Python hands over
        nonlocal count
        count += event == "call" and "/health/" in frame.f_code.co_filename

    facts = [f for job, p in ward.patients.items() for f in p.facts(ward.at_s, reports=True)]
    facts.append(Swept(at_s=ward.at_s))
    sys.setprofile(count_call)
    try:
        ward.tell(*facts)
    finally:
        sys.setprofile(None)
    return count


def live(ward: Ward, hours: int) -> None:
    """Let a busy life pass: pauses of all lengths, errors, lost metrics."""
    patient = ward.patients[JobId("a")]
    for hour in range(hours):
        patient.loss = math.nan if hour % 3 == 0 else 1.0 / (hour + 1)
        ward.do("a", modes.TRAIN, steps=True)
        ward.run(40, tick_s=30.0)
        ward.tell(Erred(at_s=ward.at_s, job=JobId("a"), trouble=Trouble.TRACEBACK, line=f"{hour}"))
        ward.do("a", modes.SLEEP if hour % 2 else modes.SAVE)
        patient.without = ("gpu_w",) if hour % 5 == 0 else ()
        ward.run(2 + hour % 17, tick_s=30.0)
    ward.told.clear()


def test_the_memory_of_a_job_does_not_grow_with_its_life() -> None:
    ward = Ward()
    ward.begin(workers=2)
    live(ward, 20)
    before = size(ward.monitor)
    live(ward, 60)

    assert size(ward.monitor) <= before + 2000
    assert size(ward.monitor) < 20_000


def test_the_work_of_a_round_does_not_grow_with_the_life_of_a_job() -> None:
    ward = Ward()
    ward.begin(workers=2)
    live(ward, 5)
    ward.do("a", modes.TRAIN, steps=True)
    ward.run(5)
    ward.pass_unseen(10.0)
    young = calls_of(ward)
    live(ward, 60)
    ward.do("a", modes.TRAIN, steps=True)
    ward.run(5)
    ward.pass_unseen(10.0)

    assert calls_of(ward) == pytest.approx(young, abs=3)


def test_nothing_stays_of_jobs_that_are_over() -> None:
    ward = Ward()
    before = size(ward.monitor)
    for number in range(50):
        ward.begin(f"{number}")
        ward.run(0.5)
        ward.tell(Over(at_s=ward.at_s, job=JobId(f"{number}"), exit_code=0))
        ward.patients.clear()

    assert size(ward.monitor) <= before + 2000


def test_a_flood_of_errors_and_faults_leaves_no_more_than_one_of_each() -> None:
    ward = Ward()
    ward.begin()
    node = NodeId("n")
    sizes = []
    for number in range(3000):
        at_s = ward.at_s + number
        ward.monitor.observe(
            Erred(at_s=at_s, job=JobId("a"), trouble=Trouble.NCCL, line=f"line {number}"),
            Faulted(at_s=at_s, node=node, gpu=0, xid=number, job=JobId("a")),
            Counted(at_s=at_s, node=node, gpu=0, uncorrected=number),
        )
        sizes.append(size(ward.monitor))

    assert sizes[-1] <= sizes[300] + 5000
