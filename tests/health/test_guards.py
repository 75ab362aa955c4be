"""What keeps verdicts from doing harm: budgets, a blamed sampler, and the dry run."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.config import HealthSettings
from noljima.health.findings import ENDS, Doubt, Finding, Rung, Verdict
from noljima.health.guards import HOUR_S, Guards
from noljima.testing.hangs import modes
from noljima.testing.hangs.ward import Ward, rungs, verdicts

CALM = HealthSettings(doubt_suspects_min=1000)
"""Without doubts of the sampler, which would keep the budgets from being tried."""
HALF = HealthSettings(doubt_suspects_min=1000, cluster_end_share=0.5)
"""And with a large budget for the whole cluster."""


def ended(found: Collection[Finding]) -> list[Verdict]:
    return [f for f in found if isinstance(f, Verdict) and not ENDS.isdisjoint(f.acts)]


def doubts(found: Collection[Finding]) -> list[bool]:
    return [finding.doubted for finding in found if isinstance(finding, Doubt)]


def a_ward(
    stuck: int, well: int, users: int = 1, settings: HealthSettings | None = None
) -> tuple[Ward, list[Finding]]:
    """Return a ward of jobs that have all trained, and of which some sleep now."""
    ward = Ward(settings)
    for number in range(stuck + well):
        ward.begin(f"{number}", user=f"user {number % users}")
    found = ward.run(20)
    for number in range(stuck):
        ward.do(f"{number}", modes.SLEEP)
    return ward, found


def test_one_job_of_a_user_is_ended_an_hour() -> None:
    ward, _ = a_ward(stuck=2, well=4, settings=HALF)
    found = ward.run(40, tick_s=30.0)

    (end,) = ended(found)
    other = "1" if end.job == "0" else "0"
    (held,) = [v for v in verdicts(found, other) if v.rung is Rung.END]
    assert held.acts == ()
    assert held.held_back.startswith("automatic ends are limited to 1 an hour for each user")
    assert held.words.endswith("ago")
    assert ended(ward.run(35, tick_s=30.0)) == []
    (late,) = ended(ward.run(20, tick_s=30.0))
    assert late.job == other
    assert late.at_s - end.at_s >= HOUR_S


def test_one_percent_of_all_jobs_are_ended_an_hour() -> None:
    ward, _ = a_ward(stuck=8, well=300, users=308, settings=CALM)
    found = ward.run(40, tick_s=30.0)

    assert len(ended(found)) == 3
    held = [v for v in verdicts(found, "7") if v.rung is Rung.END]
    assert held[0].held_back.startswith("automatic ends are limited to 3 an hour for 308")


def test_a_small_cluster_may_end_one_job_an_hour() -> None:
    ward, _ = a_ward(stuck=2, well=2, users=4, settings=CALM)

    assert len(ended(ward.run(60, tick_s=30.0))) == 1


def test_who_is_stuck_for_longest_goes_first() -> None:
    ward, _ = a_ward(stuck=0, well=4, users=4, settings=CALM)
    for name in ("2", "0", "1"):
        ward.do(name, modes.SLEEP)
        ward.run(3)

    assert [end.job for end in ended(ward.run(60))] == ["2"]


def test_who_was_stuck_for_longest_goes_first_when_the_budget_is_back() -> None:
    ward, _ = a_ward(stuck=0, well=4, users=4, settings=CALM)
    for name in ("3", "2", "0"):
        ward.do(name, modes.SLEEP)
        ward.run(3)
    assert [end.job for end in ended(ward.run(30))] == ["3"]

    assert [end.job for end in ended(ward.run(60))] == ["2"]


def test_an_end_before_the_monitor_began_counts() -> None:
    ward = Ward()
    ward.monitor.remember_end("user of a", ago_s=600.0)
    ward.trained(user="user of a")
    found = ward.run(25)

    assert ended(found) == []
    assert [v.held_back for v in verdicts(found)][-1].startswith("automatic ends are limited to 1")
    assert len(ended(ward.run(10))) == 1


def test_the_budget_of_zero_switches_ends_off() -> None:
    ward = Ward(HealthSettings(user_ends_per_hour=0))
    ward.trained()
    found = ward.run(300)

    assert ended(found) == []
    assert verdicts(found)[-1].held_back == "automatic ends are switched off"


def test_a_clock_that_jumps_gives_nobody_a_new_budget() -> None:
    ward, _ = a_ward(stuck=2, well=6, users=8, settings=CALM)
    assert len(ended(ward.run(40))) == 1
    ward.at_s += 7200.0

    assert ended(ward.run(10)) == []


# --- The sampler is blamed ---


def test_a_fifth_of_all_jobs_suspect_at_once_blames_the_sampler() -> None:
    ward, _ = a_ward(stuck=4, well=16, users=20)
    found = ward.run(300, tick_s=30.0)

    assert doubts(found) == [True]
    said = [v for v in found if isinstance(v, Verdict)]
    assert {v.rung for v in said} == {Rung.STALLED}
    assert all(v.acts == () and "the sampler is blamed" in v.held_back for v in said)
    assert "more likely the sampler's fault" in next(f.words for f in found if type(f) is Doubt)


def test_fewer_than_a_fifth_are_acted_on() -> None:
    ward, _ = a_ward(stuck=3, well=17, users=20)
    found = ward.run(60, tick_s=30.0)

    assert doubts(found) == []
    assert len(ended(found)) == 1


def test_two_stuck_jobs_of_four_are_no_reason_to_doubt() -> None:
    ward, _ = a_ward(stuck=2, well=2, users=4)
    found = ward.run(60, tick_s=30.0)

    assert doubts(found) == []
    assert len(ended(found)) == 1


def test_when_the_doubt_is_over_the_grace_begins() -> None:
    ward, _ = a_ward(stuck=4, well=16, users=20)
    ward.run(60, tick_s=30.0)
    for number in range(1, 4):
        ward.do(f"{number}", modes.TRAIN, steps=True)
    found = ward.run(9.5, tick_s=30.0)

    assert doubts(found) == [False]
    (asked,) = [v for v in verdicts(found, "0") if v.acts]
    assert asked.rung is Rung.STALLED
    assert rungs(ward.run(2, tick_s=30.0), "0") == [Rung.END]


def test_a_dead_sampler_that_shows_zeros_for_all_ends_nobody() -> None:
    ward, _ = a_ward(stuck=40, well=0, users=40)

    assert ended(ward.run(600, tick_s=30.0)) == []


# --- Dry run ---


def test_a_dry_run_finds_everything_and_acts_on_nothing() -> None:
    ward, _ = a_ward(2, 4, users=6, settings=msgspec.structs.replace(HALF, dry_run=True))
    found = ward.run(60, tick_s=30.0)
    said = [f for f in found if isinstance(f, Verdict)]

    assert [v.rung for v in said].count(Rung.END) == 2
    assert all(v.acts == () for v in said)
    assert all(v.held_back == "this is a dry run: nothing is done" for v in said)
    assert said[-1].words.startswith("it would be ended")


def test_a_dry_run_keeps_to_the_budgets_too() -> None:
    settings = HealthSettings(dry_run=True, doubt_suspects_min=1000)
    ward, _ = a_ward(stuck=3, well=10, users=13, settings=settings)
    said = [f for f in ward.run(60, tick_s=30.0) if isinstance(f, Verdict)]
    ends = [v.held_back for v in said if v.rung is Rung.END]

    assert [words.startswith("this is a dry run") for words in sorted(ends)] == [False, False, True]


# --- The budgets by themselves ---


@given(
    settings=st.builds(
        HealthSettings,
        user_ends_per_hour=st.integers(0, 3),
        cluster_end_share=st.sampled_from([0.0, 0.01, 0.1]),
    ),
    asked=st.lists(
        st.tuples(st.floats(0.0, 3000.0), st.sampled_from("abc"), st.integers(0, 500)),
        max_size=60,
    ),
)
def test_no_stream_of_wishes_exceeds_a_budget(
    settings: HealthSettings, asked: list[tuple[float, str, int]]
) -> None:
    guards, now_s, ends = Guards(settings), 0.0, list[tuple[float, str]]()
    for passed_s, user, running in asked:
        guards.advance(passed_s)
        now_s += passed_s
        lately = [each for each in ends if each[0] > now_s - HOUR_S]
        allowed = max(int(settings.cluster_end_share * running), 1)
        theirs = sum(name == user for _, name in lately)
        may = len(lately) < allowed and theirs < settings.user_ends_per_hour

        assert (not guards.objection(user, running)) is may
        if may:
            guards.note(user)
            ends.append((now_s, user))


@pytest.mark.parametrize(("suspects", "running", "doubted"), [(3, 15, True), (3, 16, False)])
def test_the_share_is_of_running_jobs(suspects: int, running: int, doubted: bool) -> None:  # noqa: FBT001 - a row
    assert Guards(HealthSettings()).doubts(suspects, running) is doubted
