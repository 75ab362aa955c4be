"""Jobs that fail by themselves: what is said of it, and when starting again is given up."""

from __future__ import annotations

import pytest

from noljima.config import HealthSettings
from noljima.health.facts import Erred, Over, Trouble
from noljima.health.findings import Advice, Blame, Postmortem
from noljima.health.restarts import JOBS_MAX, Restarts
from noljima.model.resources import JobId
from noljima.testing.hangs.ward import Ward

A = JobId("a")


def crash(ward: Ward, code: int | None = 1, line: str = "", minutes: float = 1.0) -> Postmortem:
    ward.begin()
    ward.run(minutes)
    if line:
        ward.tell(Erred(at_s=ward.at_s, job=A, trouble=Trouble.TRACEBACK, line=line))
    (said,) = ward.tell(Over(at_s=ward.at_s, job=A, exit_code=code))
    del ward.patients[A]
    assert isinstance(said, Postmortem)
    return said


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "it failed: it ended with exit code 3"),
        (-9, "it failed: it was killed by signal 9"),
        (None, "it failed: nobody knows how it ended"),
    ],
)
def test_a_failure_is_told_in_words(code: int | None, words: str) -> None:
    said = crash(Ward(), code)

    assert (said.words, said.blame, said.advice) == (words, Blame.JOB, Advice.AS_USUAL)


def test_the_last_error_is_the_reason() -> None:
    said = crash(Ward(), line="ValueError: no such file: data-17.bin")

    assert said.words == (
        "it failed: worker 0 printed a stack trace: ValueError: no such file: data-17.bin"
    )


@pytest.mark.parametrize("code", [0, None])
def test_an_end_that_was_wanted_is_no_failure(code: int | None) -> None:
    ward = Ward()
    ward.begin()

    assert ward.tell(Over(at_s=ward.at_s, job=A, exit_code=code, asked=True)) == []


def test_an_end_without_a_failure_is_not_spoken_of() -> None:
    ward = Ward()
    ward.begin()

    assert ward.tell(Over(at_s=ward.at_s, job=A, exit_code=0)) == []


def test_the_same_failure_three_times_is_a_loop() -> None:
    ward = Ward()
    said = [crash(ward, line=f"OSError at step {n}, file {n * 17}") for n in range(3)]

    assert [each.advice for each in said] == [Advice.AS_USUAL, Advice.AS_USUAL, Advice.FAIL]
    assert said[-1].words.startswith("it failed 3 times in the same way, and is not started again:")


def test_different_failures_are_no_loop() -> None:
    ward = Ward()

    assert all(crash(ward, code).advice is Advice.AS_USUAL for code in (1, 2, 1, 3, 2, 1))


def test_failures_far_apart_are_no_loop() -> None:
    ward = Ward(HealthSettings(crash_window_s=3600.0))

    assert all(crash(ward, minutes=40.0).advice is Advice.AS_USUAL for _ in range(4))


def test_a_run_that_succeeds_ends_the_count() -> None:
    ward = Ward()
    crash(ward)
    crash(ward)
    ward.begin()
    ward.tell(Over(at_s=ward.at_s, job=A, exit_code=0))

    assert crash(ward).advice is Advice.AS_USUAL


def test_failed_jobs_are_forgotten_by_and_by() -> None:
    restarts = Restarts(HealthSettings(crash_window_s=100.0))
    for number in range(1000):
        restarts.failed(JobId(f"{number}"), float(number), "same")

    assert len(restarts._failures) == 101


def test_no_more_failed_jobs_are_remembered_than_is_set() -> None:
    restarts = Restarts(HealthSettings())
    for number in range(JOBS_MAX + 10):
        restarts.failed(JobId(f"{number}"), 1.0, "same")

    assert len(restarts._failures) == JOBS_MAX


def test_a_clock_that_is_set_back_makes_no_loop() -> None:
    restarts = Restarts(HealthSettings())
    counts = [restarts.failed(A, at_s, "same") for at_s in (1e6, 1e6 + 1, 5.0, 6.0)]

    assert counts == [1, 2, 1, 2]
