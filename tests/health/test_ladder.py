"""Each rung of the ladder by example: what takes a job up, what holds it, what takes it down."""

from __future__ import annotations

import math

import pytest

from noljima.config import HealthSettings
from noljima.health.facts import (
    Erred,
    Over,
    Pause,
    Paused,
    Progressed,
    Resumed,
    Saved,
    Swept,
    Trouble,
)
from noljima.health.findings import ENDS, Act, Kind, Rung
from noljima.model.resources import JobId
from noljima.testing.hangs import modes
from noljima.testing.hangs.ward import Ward, rungs, verdicts

A = JobId("a")
UP = [Rung.STALLED, Rung.END]


def kinds(ward: Ward, name: str = "a") -> list[Kind]:
    standing = ward.monitor.standing(JobId(name))
    assert standing is not None
    return [evidence.kind for evidence in standing.evidence]


def test_a_job_that_steps_is_never_spoken_of() -> None:
    ward = Ward()
    ward.begin()

    assert ward.run(300) == []
    standing = ward.monitor.standing(A)
    assert standing is not None
    assert (standing.rung, standing.words) == (Rung.OK, "nothing speaks against it")


def test_one_kind_of_evidence_is_a_suspicion_and_no_more() -> None:
    ward = Ward()
    ward.begin().without = ("cpu_s",)
    ward.run(20)
    ward.do("a", modes.SLEEP)
    found = ward.run(600)

    assert rungs(found) == [Rung.SUSPECT]
    (verdict,) = verdicts(found)
    assert verdict.acts == (Act.NOTIFY,)
    assert [evidence.kind for evidence in verdict.evidence] == [Kind.PROGRESS]
    assert verdict.words == (
        "something may be wrong, and it is only watched: no step for 10 min 10 s after step 840;"
        " its longest pause before was 10 s, and 10 min are allowed"
    )


def test_two_kinds_are_a_stall_and_a_grace_later_the_end() -> None:
    ward = Ward()
    ward.trained(checkpoint=True)
    began_s = ward.at_s
    found = ward.run(60)

    assert rungs(found) == UP
    stalled, end = verdicts(found)
    assert stalled.acts == (Act.NOTIFY, Act.DUMP_STACKS, Act.ASK_CHECKPOINT)
    assert [evidence.kind for evidence in stalled.evidence] == [Kind.PROGRESS, Kind.ACTIVITY]
    assert stalled.at_s - began_s == pytest.approx(610, abs=10)
    assert end.at_s - stalled.at_s == 600
    assert end.acts == (Act.NOTIFY, Act.END_REQUEUE)
    assert end.words.startswith("it is ended and goes back to its place in the line")


def test_without_a_saved_state_it_is_ended_for_good() -> None:
    ward = Ward()
    ward.trained(checkpoint=False)

    assert verdicts(ward.run(60))[-1].acts == (Act.NOTIFY, Act.END_FAIL)


def test_a_state_saved_while_it_is_stuck_is_gone_on_from() -> None:
    ward = Ward()
    ward.trained(checkpoint=False)
    ward.run(15)
    ward.tell(Saved(at_s=ward.at_s, job=A))

    assert verdicts(ward.run(60))[-1].acts == (Act.NOTIFY, Act.END_REQUEUE)


def test_after_the_end_was_asked_for_nothing_more_is_said() -> None:
    ward = Ward()
    ward.trained()
    ward.run(60)

    assert ward.run(600) == []


def test_a_job_that_steps_again_goes_straight_down() -> None:
    ward = Ward()
    ward.trained()
    stuck = ward.run(15)
    ward.do("a", modes.TRAIN, steps=True)
    well = ward.run(15)

    assert rungs(stuck) == [Rung.STALLED]
    assert rungs(well) == [Rung.OK]
    assert verdicts(well)[0].acts == (Act.NOTIFY,)
    assert verdicts(well)[0].words.startswith("it goes on again")


def test_life_without_a_step_takes_the_end_away() -> None:
    ward = Ward()
    ward.trained()
    ward.run(15)
    ward.do("a", modes.SAVE)
    found = ward.run(1)

    assert rungs(found) == [Rung.OK]
    assert ward.run(40) == []


def test_the_grace_begins_anew_after_life() -> None:
    ward = Ward()
    ward.trained()
    ward.run(18)
    ward.do("a", modes.PREPARE)
    ward.run(1)
    ward.do("a", modes.SLEEP)
    found = ward.run(19)

    assert Rung.END not in rungs(found)
    assert Rung.END in rungs(ward.run(5))


def test_a_job_that_goes_up_and_down_is_asked_for_a_checkpoint_once_an_hour() -> None:
    ward = Ward()
    ward.trained()
    asked = 0
    for _ in range(8):
        asked += sum(Act.ASK_CHECKPOINT in v.acts for v in verdicts(ward.run(14)))
        ward.do("a", modes.SAVE)
        ward.run(1)
        ward.do("a", modes.SLEEP)

    assert asked == 2


def test_its_own_slow_steps_make_the_limit_longer() -> None:
    ward = Ward()
    patient = ward.begin()
    for _ in range(12):
        patient.steps_each_round = 1.0
        ward.run(1 / 6)
        patient.steps_each_round = 0.0
        ward.run(8)
    ward.do("a", modes.SLEEP)

    assert ward.run(30) == []  # five times eight minutes, less what has passed
    assert rungs(ward.run(30))[-1] is Rung.END


def test_a_pause_that_it_has_made_before_is_allowed_again() -> None:
    ward = Ward()
    patient = ward.trained()
    ward.run(18)  # stalled, and then it goes on
    ward.do("a", modes.TRAIN, steps=True)
    ward.run(20)
    ward.do("a", modes.SLEEP)

    assert patient.step > 0
    assert ward.run(26) == []


def test_the_owner_may_allow_more_silence_or_less() -> None:
    ward = Ward()
    ward.trained("long", silence_s=7200.0)
    ward.trained("short", silence_s=120.0)
    found = ward.run(10)

    assert rungs(found, "short") == [Rung.STALLED]
    assert rungs(found, "long") == []
    assert rungs(ward.run(80), "long") == []
    assert rungs(ward.run(60), "long") == UP


def test_a_job_that_opted_out_is_never_spoken_of() -> None:
    ward = Ward()
    ward.trained(watched=False)

    assert ward.run(600) == []


def test_a_declared_phase_excuses_silence_for_as_long_as_is_set() -> None:
    ward = Ward(HealthSettings(declared_s_max=7200.0))
    ward.trained().phase = "evaluate"

    assert ward.run(115) == []
    assert rungs(ward.run(60)) == UP


def test_what_comes_after_a_declared_phase_is_a_new_silence() -> None:
    ward = Ward()
    patient = ward.trained()
    patient.phase = "download"
    ward.run(60)
    patient.phase = "train"
    ward.do("a", modes.PREPARE)

    assert ward.run(40) == []


def test_silence_before_the_first_steps_is_a_suspicion_at_most() -> None:
    ward = Ward()
    ward.begin()
    ward.do("a", modes.SLEEP)
    found = ward.run(300)

    assert rungs(found) == [Rung.SUSPECT]
    assert kinds(ward) == [Kind.ACTIVITY]


def test_a_job_without_reports_is_judged_by_its_log_and_never_ended() -> None:
    ward = Ward()
    ward.trained(reports=False)
    found = ward.run(600)

    assert rungs(found) == [Rung.SUSPECT, Rung.STALLED]
    assert set(kinds(ward)) == {Kind.OUTPUT, Kind.ACTIVITY}


def test_a_job_that_never_wrote_a_line_is_not_blamed_for_its_log() -> None:
    ward = Ward()
    ward.begin(reports=False).without = ("log_bytes",)
    ward.run(20)
    ward.do("a", modes.SLEEP)
    ward.run(600)

    assert kinds(ward) == [Kind.ACTIVITY]


def test_gpus_that_are_busy_with_waiting_are_no_life() -> None:
    ward = Ward()
    ward.trained(workers=4)
    ward.do("a", modes.SPIN)
    found = ward.run(30)

    assert rungs(found) == UP
    assert "busy with waiting" in verdicts(found)[0].words


def test_spinning_without_a_look_at_the_links_is_no_evidence() -> None:
    ward = Ward()
    patient = ward.trained(workers=4)
    patient.without = ("pcie_bytes", "nvlink_bytes")
    ward.begin("b", workers=4).without = patient.without
    ward.run(20)
    for name in ("a", "b"):
        ward.do(name, modes.SPIN)

    assert Rung.END not in rungs(ward.run(300), "b")


def test_one_rank_that_is_still_while_others_spin_is_named() -> None:
    ward = Ward()
    ward.trained(workers=4)
    ward.do("a", modes.SPIN, modes.SPIN, modes.SLEEP, modes.SPIN)
    found = ward.run(30)

    assert rungs(found) == UP
    assert kinds(ward) == [Kind.PROGRESS, Kind.PEERS]
    assert "worker 2 did nothing that can be measured" in verdicts(found)[0].words


def test_a_stopped_rank_is_found_even_where_the_others_seem_to_compute() -> None:
    ward = Ward()
    ward.trained(workers=3, gpus_measured=False)
    ward.do("a", modes.CPU_ONLY, modes.FROZEN, modes.CPU_ONLY)
    found = ward.run(90)

    assert rungs(found) == [Rung.SUSPECT, *UP]
    assert "worker 1 was stopped by a signal" in verdicts(found)[1].words


def test_a_rank_that_is_done_before_others_that_compute_is_no_evidence() -> None:
    ward = Ward()
    ward.trained(workers=3, gpus_measured=False)
    ward.do("a", modes.CPU_ONLY, modes.GONE, modes.CPU_ONLY)
    found = ward.run(90)

    assert rungs(found) == [Rung.SUSPECT]
    assert kinds(ward) == [Kind.PROGRESS]


def test_a_rank_that_is_gone_while_the_others_do_nothing_is_found() -> None:
    ward = Ward()
    ward.trained(workers=3)
    ward.do("a", modes.SLEEP, modes.GONE, modes.SLEEP)
    found = ward.run(30)

    assert rungs(found) == UP
    assert "worker 1 had no process left" in verdicts(found)[0].words


def test_a_rank_that_waits_while_another_computes_is_no_evidence() -> None:
    ward = Ward()
    ward.trained(workers=2, gpus_measured=False)
    ward.do("a", modes.CPU_ONLY, modes.SLEEP)

    assert ward.run(55) == []


def test_an_endless_loop_is_suspected_after_six_times_the_limit() -> None:
    ward = Ward()
    ward.trained(gpus_measured=False)
    ward.do("a", modes.CPU_ONLY)

    assert ward.run(58) == []
    assert rungs(ward.run(300)) == [Rung.SUSPECT]


@pytest.mark.parametrize("trouble", [Trouble.NCCL, Trouble.CUDA, Trouble.EXIT, Trouble.MEMORY_KILL])
def test_an_error_is_one_kind_and_silence_after_it_the_second(trouble: Trouble) -> None:
    ward = Ward()
    ward.trained().without = ("cpu_s",)
    ward.tell(Erred(at_s=ward.at_s, job=A, trouble=trouble, line="what went wrong"))
    found = ward.run(30)

    assert rungs(found) == [Rung.SUSPECT, *UP]
    assert "what went wrong" in verdicts(found)[0].words


def test_the_first_firm_error_is_the_one_that_is_told() -> None:
    ward = Ward()
    ward.trained()
    for trouble in (Trouble.TRACEBACK, Trouble.EXIT, Trouble.NCCL):
        ward.tell(Erred(at_s=ward.at_s, job=A, trouble=trouble, line=f"a line of {trouble}"))
    (suspected,) = verdicts(ward.run(1))

    assert "a line of exit" in suspected.words


def test_a_job_without_steps_that_moves_long_after_an_error_has_survived_it() -> None:
    ward = Ward()
    ward.begin(reports=False)
    ward.run(5)
    ward.tell(Erred(at_s=ward.at_s, job=A, trouble=Trouble.NCCL))

    assert rungs(ward.run(10)) == [Rung.SUSPECT, Rung.OK]


def test_a_step_clears_an_error() -> None:
    ward = Ward()
    ward.begin()
    ward.run(20)
    ward.tell(Erred(at_s=ward.at_s, job=A, trouble=Trouble.NCCL))

    assert rungs(ward.run(30)) == []


@pytest.mark.parametrize("trouble", [Trouble.TRACEBACK, Trouble.CUDA_MEMORY])
def test_a_weak_error_is_no_evidence_while_the_job_lives(trouble: Trouble) -> None:
    ward = Ward()
    ward.trained()
    ward.do("a", modes.COMPILE)
    ward.tell(Erred(at_s=ward.at_s, job=A, trouble=trouble))

    assert ward.run(50) == []


def test_a_weak_error_does_not_suffice_for_an_end() -> None:
    ward = Ward()
    ward.trained(reports=False).without = ("log_bytes",)
    ward.tell(Erred(at_s=ward.at_s, job=A, trouble=Trouble.TRACEBACK))
    found = ward.run(300)

    assert rungs(found) == [Rung.SUSPECT, Rung.STALLED]


def test_bytes_that_move_veto_an_end_whatever_speaks_for_it() -> None:
    ward = Ward()
    ward.trained()
    ward.do("a", modes.DOWNLOAD)
    ward.tell(Erred(at_s=ward.at_s, job=A, trouble=Trouble.NCCL))
    found = ward.run(600)

    assert set(rungs(found)) == {Rung.SUSPECT}


def test_a_loss_that_is_no_number_is_told_and_not_ended() -> None:
    ward = Ward()
    patient = ward.begin()
    ward.run(20)
    patient.loss = math.nan
    found = ward.run(300)

    assert rungs(found) == [Rung.SUSPECT]
    assert "not been a number" in verdicts(found)[0].words


def test_a_site_that_allows_short_silences_takes_life_before_them_for_the_past() -> None:
    ward = Ward(HealthSettings(silence_s=60.0, grace_s=0.0, sight_s=0.0))
    ward.trained()
    ward.do("a", modes.SLEEP)

    assert rungs(ward.run(0.9)) == []
    assert rungs(ward.run(0.5)) == UP


def test_a_site_that_allows_short_silences_waits_no_longer_for_a_loss_that_is_no_number() -> None:
    ward = Ward(HealthSettings(silence_s=60.0, nan_steps=2))
    patient = ward.begin()
    ward.run(1)
    patient.loss = math.nan
    early, late = ward.run(0.9), ward.run(0.5)

    assert rungs(early) == []
    assert rungs(late) == [Rung.SUSPECT]


def test_a_loss_that_is_a_number_again_is_forgiven() -> None:
    ward = Ward()
    patient = ward.begin()
    patient.loss = math.inf
    ward.run(20)
    patient.loss = 2.0

    assert rungs(ward.run(1)) == [Rung.OK]


def test_nan_and_circles_together_are_ended_and_not_started_again() -> None:
    ward = Ward()
    patient = ward.begin(checkpoint=True)
    ward.run(20)
    patient.loss = math.nan
    for _ in range(12):
        patient.step -= 7.0 * 18.0
        ward.run(3)
    found = verdicts([*ward.run(0.1)])
    history = [ward.monitor.standing(A)]

    assert found == []
    (standing,) = history
    assert standing is not None
    assert standing.rung is Rung.END
    assert [evidence.kind for evidence in standing.evidence] == [Kind.LOSS, Kind.LOOP]
    assert "not started again" in standing.words


# --- Clocks that stand still ---


@pytest.mark.parametrize("why", list(Pause))
def test_a_paused_job_is_never_spoken_of(why: Pause) -> None:
    ward = Ward()
    ward.trained()
    ward.run(9)
    ward.tell(Paused(at_s=ward.at_s, job=A, why=why))

    assert ward.run(600) == []


def test_after_a_suspension_all_silences_begin_anew() -> None:
    ward = Ward()
    ward.trained()
    ward.run(9)
    ward.tell(Paused(at_s=ward.at_s, job=A, why=Pause.SUSPENDED))
    ward.run(60)
    ward.tell(Resumed(at_s=ward.at_s, job=A))

    assert ward.run(9.5) == []
    assert rungs(ward.run(30)) == UP


def test_a_checkpoint_that_was_asked_for_stops_the_clock_and_forgives_nothing() -> None:
    ward = Ward()
    ward.trained()
    ward.run(15)
    ward.tell(Paused(at_s=ward.at_s, job=A, why=Pause.CHECKPOINTING))
    ward.do("a", modes.SAVE)
    assert ward.run(60) == []
    ward.do("a", modes.SLEEP)
    ward.tell(Resumed(at_s=ward.at_s, job=A))

    assert ward.run(4) == []
    assert rungs(ward.run(6)) == [Rung.END]


def test_time_that_nobody_looked_at_is_not_counted() -> None:
    ward = Ward()
    ward.trained()
    ward.run(8)
    ward.pass_unseen(7200.0)

    assert ward.run(1.5) == []
    assert rungs(ward.run(60)) == UP


def test_steps_on_both_sides_of_a_gap_make_no_habit_of_it() -> None:
    ward = Ward()
    ward.begin()
    ward.run(20)
    ward.pass_unseen(7200.0)
    ward.run(20)
    ward.do("a", modes.SLEEP)

    assert rungs(ward.run(30)) == UP


def test_a_step_that_is_told_in_a_gap_sets_no_clock_forward() -> None:
    ward = Ward()
    ward.begin()
    ward.run(20)
    ward.pass_unseen(7200.0)
    ward.tell(Progressed(at_s=ward.at_s, job=A, step=1e5))
    ward.do("a", modes.SLEEP)
    ward.patients[A].step = 1e5

    assert rungs(ward.run(30)) == UP


def test_rounds_that_leave_a_job_out_do_not_count_for_it() -> None:
    ward = Ward()
    ward.trained()
    ward.run(8)
    for _ in range(600):
        ward.pass_unseen(10.0)
        assert ward.tell(Swept(at_s=ward.at_s, unseen=(A,))) == []

    assert ward.run(1.5) == []


def test_a_sampler_that_sweeps_and_sees_nothing_ends_nobody() -> None:
    ward = Ward()
    ward.trained()
    found = []
    for _ in range(600):
        ward.pass_unseen(10.0)
        found += ward.tell(Swept(at_s=ward.at_s))

    assert rungs(found) == [Rung.SUSPECT]


@pytest.mark.parametrize("jump_s", [7200.0, -7200.0])
def test_a_clock_that_is_set_ends_nobody(jump_s: float) -> None:
    ward = Ward()
    ward.at_s += 1e6
    ward.trained()
    ward.run(8)
    ward.at_s += jump_s

    assert ward.run(1.5) == []
    assert rungs(ward.run(60)) == UP


def test_a_job_is_not_ended_in_the_first_moments_after_a_gap() -> None:
    ward = Ward()
    ward.trained()
    ward.run(19.5)
    ward.pass_unseen(600.0)
    first = ward.run(1.9)

    assert Rung.END not in rungs(first)
    assert Rung.END in rungs(ward.run(2))


# --- What came of it ---


def test_what_is_not_running_is_refused_in_words() -> None:
    ward = Ward()
    ward.trained()
    ward.tell(Over(at_s=ward.at_s, job=A, exit_code=0))
    (refusal,) = ward.tell(Saved(at_s=ward.at_s, job=A))

    assert str(getattr(refusal, "words", "")) == "no job a is running"


def test_a_job_that_gets_stuck_each_time_is_not_queued_again_for_ever() -> None:
    ward = Ward(HealthSettings(user_ends_per_hour=100))
    ends = []
    for attempt in range(1, 4):
        ward.trained(checkpoint=True, attempt=attempt)
        ends.append(verdicts(ward.run(60))[-1].acts[-1])
        ward.tell(Over(at_s=ward.at_s, job=A, asked=True))
        del ward.patients[A]

    assert ends == [Act.END_REQUEUE, Act.END_REQUEUE, Act.END_FAIL]
    assert set(ends) == ENDS
