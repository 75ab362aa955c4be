"""The door: each kind of refusal names the field, the value and the limit."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.job import Checkpoint, Job
from noljima.model.node import Node
from noljima.model.resources import Gang, JobId, NodeId, Resources, TaskGroup, gang_of


def a_job(**fields: object) -> Job:
    given_fields: dict[str, object] = {"id": JobId("a"), "gang": gang_of(1, Resources())}
    return Job(**(given_fields | fields))  # type: ignore[arg-type]  # wrong types are the point


def a_node(**fields: object) -> Node:
    return Node(**({"id": NodeId("n")} | fields))  # type: ignore[arg-type]  # wrong types too


def group(workers: object, gpu_milli: int = 0) -> TaskGroup:
    return TaskGroup(workers=workers, each=Resources(gpu_milli=gpu_milli))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "field", "words"),
    [
        (lambda: Resources(gpu_milli=-1), "gpu_milli", "is outside 0 to"),
        (lambda: Resources(cpu_milli=True), "cpu_milli", "is not a whole number"),
        (lambda: Resources(memory_mib=1.5), "memory_mib", "is not a whole number"),  # type: ignore[arg-type]
        (lambda: Resources(memory_mib=10**30), "memory_mib", "is outside 0 to 1,000,000,000"),
        (lambda: Resources(gpu_milli=1500), "gpu_milli", "is neither a fraction"),
        (lambda: group(0), "workers", "is outside 1 to"),
        (lambda: group(None), "workers", "is not a whole number"),
        (lambda: group(10**6, 2000), "workers x gpu_milli", "is outside 0 to"),
        (lambda: Gang(()), "task groups", "is outside 1 to 64"),
        (lambda: Gang((group(1),) * 65), "task groups", "is outside 1 to 64"),
        (lambda: Gang((group(600_000),) * 2), "workers", "is outside 1 to"),
        (lambda: Gang((group(600_000, 1000),) * 2), "workers", "is outside 1 to"),
        (lambda: Gang((group(1, 10**9),) * 2), "gpu_milli", "is outside 0 to"),
        (lambda: a_job(limit_s=math.nan), "limit_s", "is outside 0 to 1e+10 s"),
        (lambda: a_job(limit_s=math.inf), "limit_s", "is outside 0 to 1e+10 s"),
        (lambda: a_job(limit_s=-1.0), "limit_s", "is outside 0 to 1e+10 s"),
        (lambda: a_job(limit_s=1e30), "limit_s", "is outside 0 to 1e+10 s"),
        (lambda: a_job(limit_s=10**400), "limit_s", "is outside 0 to 1e+10 s"),
        (lambda: a_job(limit_s=True), "limit_s", "is not a number of seconds"),
        (lambda: a_job(limit_s="60"), "limit_s", "is not a number of seconds"),
        (lambda: a_job(id=""), "job id", "is not 1 to 256 characters long"),
        (lambda: a_job(user="u" * 257), "user", "is not 0 to 256 characters long"),
        (lambda: a_job(name="two\nlines"), "name", "has a control character"),
        (lambda: a_job(name="\x1b[2J"), "name", "has a control character"),
        (lambda: a_job(queue="half \ud800"), "queue", "has a control character"),
        (lambda: a_job(user=None), "user", "is not text"),
        (lambda: Checkpoint(interval_s=-1.0), "checkpoint interval_s", "is outside"),
        (lambda: Checkpoint(restart_s=math.nan), "checkpoint restart_s", "is outside"),
        (lambda: a_node(gpus=-1), "gpus", "is outside 0 to 1,000,000"),
        (lambda: a_node(rack="r" * 65), "rack", "is not 0 to 64 characters long"),
        (lambda: a_node(labels={"": "x"}), "label", "is not 1 to 256 characters long"),
        (lambda: a_node(labels={"zone": "a\u2028b"}), "label zone", "has a control character"),
        (lambda: bounds.share("share", math.nan), "share", "is outside 0 to 1"),
        (lambda: bounds.share("share", 1.1), "share", "is outside 0 to 1"),
        (lambda: bounds.share("share", value=False), "share", "is not a number"),
    ],
)
def test_what_cannot_be_is_refused_with_field_value_and_limit(
    build: Callable[[], object], field: str, words: str
) -> None:
    with pytest.raises(InvalidFieldError) as refusal:
        build()

    assert refusal.value.field == field
    assert words in refusal.value.limit
    assert str(refusal.value).startswith(f"{field}: ")


def test_a_huge_value_is_shown_short() -> None:
    with pytest.raises(InvalidFieldError) as refusal:
        bounds.text("name", "x" * 10_000)

    assert len(str(refusal.value)) < 150


@given(value=st.one_of(st.floats(), st.integers(), st.booleans(), st.text(), st.none()))
def test_what_passes_as_seconds_is_a_finite_float_within_the_limits(value: object) -> None:
    try:
        passed = bounds.seconds("t", value)
    except InvalidFieldError:
        return

    assert type(passed) is float
    assert 0.0 <= passed <= bounds.SECONDS_MAX


@given(value=st.text(max_size=8))
def test_what_passes_as_text_stays_on_its_line(value: str) -> None:
    try:
        passed = bounds.text("t", value)
    except InvalidFieldError:
        return

    assert passed == value
    assert len(passed.splitlines()) <= 1
    assert "\x1b" not in passed
    assert passed.encode().decode() == passed
