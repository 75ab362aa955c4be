"""Faults of GPUs: what is drained, which jobs move without blame, and what is the program's own."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from noljima.config import HealthSettings
from noljima.health import Monitor, xids
from noljima.health.facts import Counted, Faulted, Over, Pause, Paused, Repaired, Swept
from noljima.health.findings import (
    Advice,
    Blame,
    Drain,
    Finding,
    Notice,
    Postmortem,
    Requeue,
    Rung,
    Service,
)
from noljima.model.resources import JobId, NodeId
from noljima.testing.hangs import modes
from noljima.testing.hangs.ward import Ward, rungs, verdicts

A = JobId("a")
N = NodeId("gpu-07")
DRAINED_NOW = [46, 48, 62, 64, 79, 95, 109, 119, 120, 140, 143]
OWN = [8, 11, 13, 31, 32, 43, 68, 69]


def fault(ward: Ward, xid: int, gpu: int = 3, line: str = "") -> list[Finding]:
    return ward.tell(Faulted(at_s=ward.at_s, node=N, gpu=gpu, xid=xid, job=A, line=line))


def kinds(found: Collection[Finding]) -> list[type]:
    return [type(finding) for finding in found]


@pytest.mark.parametrize("xid", DRAINED_NOW)
def test_a_gpu_that_cannot_go_on_is_drained_and_its_job_moves(xid: int) -> None:
    ward = Ward()
    ward.begin()
    drain, requeue = fault(ward, xid)

    assert isinstance(drain, Drain)
    assert (drain.service, drain.xid, drain.held_back) == (Service.NOW, xid, "")
    assert drain.words.startswith(f"Xid {xid} on GPU 3 of gpu-07: ")
    assert isinstance(requeue, Requeue)
    assert (requeue.job, requeue.attempt) == (A, 1)
    assert "without blame" in requeue.words
    assert fault(ward, xid) == []  # told once


def test_a_contained_error_moves_the_job_and_lets_others_end() -> None:
    ward = Ward()
    ward.begin()
    drain, requeue = fault(ward, 94)

    assert isinstance(drain, Drain)
    assert drain.service is Service.AFTER
    assert isinstance(requeue, Requeue)


@pytest.mark.parametrize("xid", [63, 74, 92])
def test_wear_drains_the_gpu_and_leaves_the_job_alone(xid: int) -> None:
    ward = Ward()
    ward.begin()
    (drain,) = fault(ward, xid)

    assert isinstance(drain, Drain)
    assert drain.service is Service.AFTER
    assert ward.run(60) == []


def test_a_worn_gpu_that_gets_worse_is_told_of_again() -> None:
    ward = Ward()
    ward.begin()

    assert kinds(fault(ward, 63)) == [Drain]
    assert kinds(fault(ward, 92)) == []
    assert kinds(fault(ward, 48)) == [Drain, Requeue]


def test_a_second_job_on_a_drained_gpu_moves_too() -> None:
    ward = Ward()
    ward.begin()
    fault(ward, 79)
    ward.tell(Over(at_s=ward.at_s, job=A, asked=True))
    ward.begin()

    assert kinds(fault(ward, 79)) == [Requeue]


@pytest.mark.parametrize("xid", OWN)
def test_the_programs_own_fault_drains_nothing_and_fails_the_job(xid: int) -> None:
    ward = Ward()
    ward.begin()
    ward.run(20)

    assert fault(ward, xid) == []
    (said,) = ward.tell(Over(at_s=ward.at_s, job=A, exit_code=1))
    assert isinstance(said, Postmortem)
    assert (said.blame, said.advice) == (Blame.JOB, Advice.FAIL)
    assert said.words.startswith(f"its own program failed with Xid {xid}, ")


def test_the_programs_own_fault_is_evidence_until_a_step_comes() -> None:
    ward = Ward()
    ward.trained()
    fault(ward, 31)
    (suspected,) = verdicts(ward.run(1))
    ward.do("a", modes.TRAIN, steps=True)

    assert suspected.words.endswith(
        "a page fault of GPU memory; nothing has gone on in the 10 s since"
    )
    assert rungs(ward.run(1)) == [Rung.OK]
    (said,) = ward.tell(Over(at_s=ward.at_s, job=A, exit_code=1))
    assert isinstance(said, Postmortem)
    assert said.advice is Advice.AS_USUAL


def test_cleaning_up_after_another_error_blames_nobody() -> None:
    ward = Ward()
    ward.begin()
    fault(ward, 45)
    (said,) = ward.tell(Over(at_s=ward.at_s, job=A, exit_code=1))

    assert isinstance(said, Postmortem)
    assert (said.blame, said.advice) == (Blame.JOB, Advice.AS_USUAL)


@pytest.mark.parametrize("order", [(31, 63), (63, 31), (13, 74), (45, 92)])
def test_a_fault_of_the_gpu_explains_errors_of_the_program(order: tuple[int, int]) -> None:
    ward = Ward()
    ward.begin()
    for xid in order:
        fault(ward, xid)
    ward.run(9)
    (said,) = ward.tell(Over(at_s=ward.at_s, job=A, exit_code=1))

    assert isinstance(said, Postmortem)
    assert (said.blame, said.advice) == (Blame.HARDWARE, Advice.REQUEUE)


def test_a_fault_of_the_gpu_does_not_explain_what_comes_much_later() -> None:
    ward = Ward()
    ward.begin()
    fault(ward, 63)
    ward.run(30)
    (said,) = ward.tell(Over(at_s=ward.at_s, job=A, exit_code=1))

    assert isinstance(said, Postmortem)
    assert said.blame is Blame.JOB


def test_an_unknown_xid_is_told_once_and_nothing_is_done() -> None:
    ward = Ward()
    ward.begin()
    (notice,) = fault(ward, 9999)

    assert isinstance(notice, Notice)
    assert notice.words.endswith("not in the table; nothing is done")
    assert fault(ward, 9999) == []
    assert [len(fault(ward, xid)) for xid in range(2000, 2100)].count(1) == 63  # and not for ever


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)", Service.NOW),
        ("GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)", Service.NOW),
        ("GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)", Service.NOW),
        ("GPU recovery action changed from 0x0 (None) to 0x3 (Drain P2P)", Service.AFTER),
        ("GPU recovery action changed from 0x2 (Node Reboot Required) to 0x0 (None)", None),
        ("", None),
    ],
)
def test_the_driver_says_itself_what_is_to_be_done(line: str, expected: Service | None) -> None:
    ward = Ward()
    ward.begin()
    drains = [f.service for f in fault(ward, 154, line=line) if isinstance(f, Drain)]

    assert drains == ([] if expected is None else [expected])


def test_a_dry_run_drains_and_moves_nothing() -> None:
    ward = Ward(HealthSettings(dry_run=True))
    ward.begin()
    found = fault(ward, 79)

    assert kinds(found) == [Drain, Requeue]
    assert all(getattr(f, "held_back", "") == "this is a dry run: nothing is done" for f in found)
    assert fault(ward, 79) == []
    ward.run(20)
    ward.do("a", modes.SLEEP)
    assert rungs(ward.run(30)) == [Rung.STALLED, Rung.END]  # it is still there, and looked at


def test_a_job_that_opted_out_of_verdicts_still_leaves_a_broken_gpu() -> None:
    ward = Ward()
    ward.begin(watched=False)

    assert kinds(fault(ward, 79)) == [Drain, Requeue]


def test_a_job_that_is_being_stopped_is_not_moved_once_more() -> None:
    ward = Ward()
    ward.begin()
    ward.tell(Paused(at_s=ward.at_s, job=A, why=Pause.STOPPING))

    assert kinds(fault(ward, 79)) == [Drain]


def test_a_fault_of_a_gpu_that_nobody_holds_is_a_drain_alone() -> None:
    monitor = Monitor()

    assert kinds(monitor.observe(Faulted(at_s=1.0, node=N, gpu=0, xid=79))) == [Drain]
    assert kinds(monitor.observe(Faulted(at_s=1.0, node=N, gpu=0, xid=79, job=A))) == []


def test_a_gpu_that_was_repaired_begins_anew() -> None:
    ward = Ward()
    fault(ward, 79)
    ward.tell(Repaired(at_s=ward.at_s, node=N, gpu=3))

    assert kinds(fault(ward, 79)) == [Drain]


# --- Counters ---


def counted(ward: Ward, **counts: object) -> list[Finding]:
    return ward.tell(Counted(at_s=ward.at_s, node=N, gpu=3, job=A, **counts))  # type: ignore[arg-type]


def test_a_row_to_be_replaced_drains_the_gpu_after_its_job() -> None:
    ward = Ward()
    ward.begin()

    assert counted(ward, remap_pending=False, remap_failed=False, uncorrected=0) == []
    (drain,) = counted(ward, remap_pending=True, remap_failed=False, uncorrected=0)
    assert isinstance(drain, Drain)
    assert drain.service is Service.AFTER
    assert counted(ward, remap_pending=True, remap_failed=False, uncorrected=0) == []


def test_a_row_that_fails_to_be_replaced_under_a_job_moves_it() -> None:
    ward = Ward()
    ward.begin()
    counted(ward, remap_failed=False)
    found = counted(ward, remap_failed=True)

    assert kinds(found) == [Drain, Requeue]


def test_a_failure_from_before_is_no_reason_to_move_a_job() -> None:
    ward = Ward()
    ward.begin()
    (drain,) = counted(ward, remap_failed=True)

    assert isinstance(drain, Drain)
    assert drain.service is Service.AFTER


def test_a_counter_that_cannot_be_read_is_neither_news_nor_forgotten() -> None:
    ward = Ward()
    ward.begin()
    counted(ward, remap_failed=False, uncorrected=2)

    assert counted(ward) == []
    assert kinds(counted(ward, uncorrected=3)) == [Drain]
    assert counted(ward) == []
    assert kinds(counted(ward, remap_failed=True)) == [Drain, Requeue]


def test_errors_from_before_the_first_look_are_no_news() -> None:
    ward = Ward()
    ward.begin()

    assert counted(ward, uncorrected=7) == []
    assert counted(ward, uncorrected=7) == []
    assert counted(ward, uncorrected=0) == []  # the driver was loaded anew
    assert kinds(counted(ward, uncorrected=1)) == [Drain]


def test_a_job_that_fails_after_an_error_of_memory_is_not_to_blame() -> None:
    ward = Ward()
    ward.begin()
    counted(ward, uncorrected=0)
    counted(ward, uncorrected=1)
    (said,) = ward.tell(Over(at_s=ward.at_s + 30.0, job=A, exit_code=134))

    assert isinstance(said, Postmortem)
    assert said.blame is Blame.HARDWARE
    assert "could not be corrected" in said.words


# --- The table ---


def test_the_table_is_of_one_piece() -> None:
    for number, xid in xids.TABLE.items():
        assert xid.number == number
        assert xid.name
        assert not xid.name.endswith(".")
    assert {xid.fault for xid in xids.TABLE.values()} == set(xids.Fault) - {xids.Fault.UNKNOWN}


def test_a_flood_of_xids_is_told_of_once() -> None:
    ward = Ward()
    ward.begin()
    found = [f for _ in range(10_000) for f in fault(ward, 13)]
    found += ward.tell(Swept(at_s=ward.at_s + 10.0))

    assert len(found) == 1
