"""What a history knows is a value: whole when it comes back, refused in words when it is not."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.model.job import Job
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.prediction import saved
from noljima.prediction.history import History
from noljima.prediction.parts import EXPERTS, Parts

ALL = Parts(experts=EXPERTS)

# A life of a history, told in a process of its own.
LIFE = """
import hashlib
from noljima.model.job import Job
from noljima.model.resources import JobId, Resources, gang_of
from noljima.prediction.history import History
from noljima.prediction.parts import EXPERTS, Parts

history = History(Parts(experts=EXPERTS))
gang = gang_of(1, Resources(gpu_milli=1000))
for number in range(300):
    name = f"work-{number % 7}"
    job = Job(id=JobId(str(number)), gang=gang, user=f"u{number % 5}", name=name, limit_s=9000)
    history.advance(100.0 * number)
    history.predict(job, None)
    history.started(job)
    if number % 3:
        history.learn(job, 50.0 + 37.0 * (number % 11))
print(hashlib.sha256(history.save()).hexdigest())
"""


def job(number: int) -> Job:
    name, limit_s = f"work-{number % 7}", None if number % 4 == 0 else 3600.0 * (1 + number % 3)
    gang = gang_of(1, Resources(gpu_milli=GPU * (1 + number % 2)))
    id_ = JobId(f"j{number}")
    return Job(id=id_, gang=gang, user=f"u{number % 5}", name=name, limit_s=limit_s)


def step(history: History, number: int) -> tuple[float, ...]:
    """Tell of one more job, and of the end of one before it; return what is predicted."""
    history.advance(90.0 * number)
    one = job(number)
    found = history.predict(one, None)
    history.started(one)
    if number >= 3:
        history.learn(job(number - 3), 10.0 + 31.0 * ((number * number) % 17))
    return (found.q50_s, found.q80_s, found.q95_s, *found.curve_s)


def lived(steps: int, parts: Parts | None = None) -> History:
    history = History(parts)
    for number in range(steps):
        step(history, number)
    return history


SAVED = lived(60, ALL).save()


@pytest.mark.parametrize("parts", [Parts(), ALL, Parts(trust=4.0, siblings=False)])
@pytest.mark.parametrize("steps", [0, 1, 50, 300])
def test_what_comes_back_predicts_the_same_for_ever(steps: int, parts: Parts) -> None:
    history = lived(steps, parts)
    again = History.load(history.save())

    assert again.parts == parts
    assert again.save() == history.save()
    for number in range(steps, steps + 200):
        assert step(again, number) == step(history, number)
    assert again.save() == history.save()


def test_the_same_events_give_the_same_bytes_whatever_the_hash_seed() -> None:
    digests = set()
    for seed in ("0", "1", "77"):
        done = subprocess.run(  # noqa: S603 - our own
            [sys.executable, "-c", LIFE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)

    assert len(digests) == 1


@given(place=st.integers(0, len(SAVED) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_is_found_out(place: int, bit: int) -> None:
    data = bytearray(SAVED)
    data[place] ^= 1 << bit
    with pytest.raises(InvalidFieldError, match=r"is damaged|is no history|is of version"):
        History.load(bytes(data))


@given(length=st.integers(0, len(SAVED) - 1))
def test_a_part_of_a_state_is_no_state(length: int) -> None:
    with pytest.raises(InvalidFieldError, match=r"is damaged|is no history|is of version"):
        History.load(SAVED[:length])


@given(data=st.binary())
def test_other_bytes_are_no_state(data: bytes) -> None:
    with pytest.raises(InvalidFieldError):
        History.load(data)


def test_another_version_is_named() -> None:
    head, _, payload = SAVED.partition(b"\n")
    data = head.replace(b"noljima-history 1 ", b"noljima-history 2 ") + b"\n" + payload
    with pytest.raises(InvalidFieldError, match="version '2'; this program reads version 1"):
        History.load(data)


def sealed(state: dict[str, object]) -> bytes:
    """Write a state with a digest that is right for it."""
    payload = msgspec.msgpack.encode(state)
    digest = hashlib.sha256(payload).hexdigest()
    return f"noljima-history 1 {digest}\n".encode() + payload


def opened() -> dict[str, object]:
    _, _, payload = SAVED.partition(b"\n")
    state = msgspec.msgpack.decode(payload)
    assert isinstance(state, dict)
    return state


@pytest.mark.parametrize(
    "change",
    [
        {"levels": [0.5, 0.8]},
        {"now_s": "noon"},
        {"parts": {"experts": ["magic"]}},
        {"parts": {"trust": -1.0}},
        {"rings": {"keys": [["all"]], "seen": [3], "log_s": b"", "log_limit_s": b"", "at_s": b""}},
        {"rings": {"keys": [], "seen": [1], "log_s": b"", "log_limit_s": b"", "at_s": b""}},
        {"pending": [{"job": "x"}]},
        {"points": {}},
        {"errors": {}},
        {"weights": {"everybody": [0.0], "users": {}}},
        {"weights": {"everybody": [0.0] * 5, "users": {"kim": [1.0]}}},
        {"running": [["nobody", 0.0]]},
        {"points": {"last-two": {}, "limit": {}, "linear": {}}},
    ],
)
def test_a_state_with_the_right_digest_and_the_wrong_contents_is_refused(
    change: dict[str, object],
) -> None:
    assert History.load(sealed(opened())).save() == SAVED
    with pytest.raises(InvalidFieldError):
        History.load(sealed({**opened(), **change}))


def test_a_state_says_in_its_first_line_what_it_is() -> None:
    head, _, payload = SAVED.partition(b"\n")

    assert head.decode() == (
        f"noljima-history {saved.VERSION} {hashlib.sha256(payload).hexdigest()}"
    )


@pytest.mark.parametrize("begin_s", [0.0, 1e9])
def test_a_new_run_begins_with_what_was_learned_and_without_the_jobs(begin_s: float) -> None:
    before = lived(100, ALL)
    history = History.load(before.save())
    history.begin_anew(begin_s)
    found = history.predict(job(8), None)

    assert len(history._pending) == 1
    assert not history._running
    if begin_s == 0.0:
        # Moved as a whole: a run of the last minute is one of the last minute still.
        assert history._rings.at_s.max() <= 0.0
        before.advance(90.0 * 99)
        # The model that knows the hour of the day, and the siblings, are of another run.
        assert found.q95_s == pytest.approx(before.predict(job(8), None).q95_s, rel=0.5)
    assert History.load(history.save()).save() == history.save()
