"""What jobs tell of themselves, and what follows from what health finds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from noljima.drivers.local.endings import Ending
from noljima.drivers.local.folders import Folders
from noljima.drivers.local.gpus import GpuReading
from noljima.health import sentences
from noljima.health.facts import Trouble
from noljima.health.findings import (
    Act,
    Drain,
    Evidence,
    Finding,
    Kind,
    Requeue,
    Rung,
    Service,
    Verdict,
)
from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Started
from noljima.model.resources import JobId, NodeId
from noljima.notify.message import Message, decoded
from noljima.service import shelves, symptoms, whereabouts
from noljima.service.office import Office
from noljima.service.overhearing import Overhearing, troubles_in
from noljima.service.past import NO_PAST, Past
from noljima.service.remedies import ASKED, Remedies
from noljima.service.settings import read_file, settings_of
from noljima.service.symptoms import Meters
from noljima.store.records import JobRecord
from noljima.store.state import State
from noljima.store.writes import PutItem, Write
from noljima.testing.premises import premises
from noljima.testing.workshop import Workshop, until

J = JobId("1")

# --- Listening ---


def attempt_in(folder: Path) -> Path:
    (folder / "job").mkdir()
    return folder


def test_steps_are_read_from_the_file_and_before_that_off_the_output(tmp_path: Path) -> None:
    folder = attempt_in(tmp_path)
    overhearing = Overhearing(folder, 1)
    (folder / "worker-0.0.log").write_bytes(b"train:  45%|####      | 450/1000 [00:10<00:12]\r")
    first = overhearing.listen().observation
    (folder / "job/progress").write_text('{"step": 5, "total": 20}\n')
    second = overhearing.listen().observation
    with (folder / "worker-0.0.log").open("ab") as log:
        log.write(b"train:  90%|#########  | 900/1000 [00:20<00:02]\r")
    third = overhearing.listen().observation

    assert first is not None
    assert (first.step, first.total) == (450.0, 1000.0)
    assert second is not None
    assert second.fraction == 0.25
    # What it writes down for us goes before what its bars show.
    assert third == second


def test_troubles_are_told_once_with_their_line_and_worker(tmp_path: Path) -> None:
    folder = attempt_in(tmp_path)
    overhearing = Overhearing(folder, 2)
    (folder / "worker-1.0.log").write_bytes(b"fine\nRuntimeError: CUDA error: bad\x1b[0m\n")
    found = overhearing.listen().troubles
    again = overhearing.listen().troubles

    assert found == ((1, Trouble.CUDA, "RuntimeError: CUDA error: bad [0m"),)
    assert again == ()


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        (b"[rank0]: NCCL error in: x", Trouble.NCCL),
        (b"torch.OutOfMemoryError: CUDA out of memory. Tried", Trouble.CUDA_MEMORY),
        (b"Traceback (most recent call last):", Trouble.TRACEBACK),
        (b"step 4 loss: nan", Trouble.NAN_LOSS),
        (b"{'loss': nan, 'epoch': 1}", Trouble.NAN_LOSS),
    ],
)
def test_signs_of_trouble_are_known(line: bytes, trouble: Trouble) -> None:
    assert trouble in [kind for kind, _ in troubles_in(b"before\n" + line + b"\nafter\n")]


def test_talk_of_other_things_is_no_trouble() -> None:
    assert troubles_in(b"no CUDA here; lossnan=1; nan loss of data; banana loss: nancy\n") == []


@given(st.binary(max_size=500))
def test_no_output_makes_it_fail(text: bytes) -> None:
    for _, line in troubles_in(text):
        assert line.isprintable() or line == ""


def test_a_saved_state_is_noticed(tmp_path: Path) -> None:
    folder = attempt_in(tmp_path)
    overhearing = Overhearing(folder, 1)

    assert not overhearing.listen().saved
    (folder / "job/checkpoint").touch()
    assert overhearing.listen().saved


# --- Conversions ---


def test_what_was_not_read_stays_not_read() -> None:
    meters = Meters()
    meters.read(0.0, {0: GpuReading()}, set())
    meters.read(5.0, {0: GpuReading(power_w=50.0, pcie_bytes_per_s=10.0)}, set())
    meters.read(10.0, {0: GpuReading(power_w=300.0, pcie_bytes_per_s=10.0)}, {0})
    now = {0: GpuReading(pcie_bytes_per_s=1.0)}

    assert meters.idle_w([0]) == 50.0
    assert meters.idle_w([0, 1]) is None
    assert meters.pcie_bytes([0], now) == 100.0
    assert meters.pcie_bytes([0], {0: GpuReading()}) is None


def test_an_end_that_somebody_wanted_is_no_failure() -> None:
    failed = symptoms.over(1.0, J, Ending(outcome="exited", codes=(0, 3)))
    stopped = symptoms.over(1.0, J, Ending(outcome="stop", codes=(-15,)))
    well = symptoms.over(1.0, J, Ending(outcome="exited", codes=(0, 0)))

    assert (failed.failed, failed.exit_code) == (True, 3)
    assert not stopped.failed
    assert (well.failed, well.exit_code) == (False, 0)


# --- Acting ---


class Ward:
    """An office with a real state and a driver that only notes what it is told."""

    def __init__(self, state: State) -> None:
        self.done: list[tuple[str, ...]] = []
        self.past: Past = NO_PAST
        record = JobRecord(job="1", user="kim", state="running", submitted_s=0.0)
        ledger = SimpleNamespace(
            records={J: record},
            handed={},
            ended_by_health={},
            keep_evidence=self._keep,
        )
        driver = SimpleNamespace(
            folders=Folders(state.folder.root),
            end=lambda *words: self.done.append(words),
            drain=lambda gpu, words: self.done.append(("drain", str(gpu), words)),
        )
        self.ledger = ledger
        self.verdicts: dict[JobId, str] = {}
        self.warnings: dict[str, str] = {}
        self.state, self.reader = state, state.reader()
        self.now_s = 100.0
        self.driver = driver
        self.remedies = Remedies(cast("Office", self))

    def _keep(self, job: JobId, words: str) -> Write:
        self.past = self.past.with_evidence(words)
        return PutItem(shelves.PASTS, job, self.past.encoded())

    def act(self, finding: Finding) -> None:
        asyncio.run(self.remedies.act(finding))


def verdict(rung: Rung, *acts: Act, held_back: str = "") -> Verdict:
    evidence = (Evidence(kind=Kind.PROGRESS, for_s=700.0, words="no step for 11 min"),)
    return Verdict(
        job=J,
        attempt=1,
        at_s=100.0,
        rung=rung,
        was=Rung.OK,
        evidence=evidence,
        acts=acts,
        held_back=held_back,
        words="it seems to be stuck",
    )


def test_a_suspect_is_told_of_and_its_evidence_kept(tmp_path: Path) -> None:
    with State.create(tmp_path / "state", {}) as state:
        ward = Ward(state)
        ward.act(verdict(Rung.SUSPECT, Act.NOTIFY))
        (outgoing,) = ward.reader.outbox()
        message = decoded(outgoing.notice.body)
        kept = ward.reader.item(shelves.PASTS, J)
        ward.reader.close()

    assert ward.done == []
    assert outgoing.notice.key == "1/suspected/1"
    assert isinstance(message, Message)
    assert message.why == "it seems to be stuck"
    assert kept is not None
    assert b"it seems to be stuck" in kept
    assert ward.verdicts[J] == "suspect: it seems to be stuck"


@pytest.mark.parametrize(("act", "kind"), [(Act.END_REQUEUE, "evict"), (Act.END_FAIL, "fail")])
def test_a_job_is_ended_with_its_reason_on_the_disk_and_the_budget_outlives_us(
    tmp_path: Path, act: Act, kind: str
) -> None:
    with State.create(tmp_path / "state", {}) as state:
        ward = Ward(state)
        ward.act(verdict(Rung.END, Act.NOTIFY, act))
        ward.reader.close()
        later = Ward(state)
        later.now_s = 1100.0
        before = [*later.remedies.ends_before()]
        later.now_s = 5000.0
        long_after = [*later.remedies.ends_before()]
        later.reader.close()

    assert ward.done == [("1", kind, "it seems to be stuck")]
    assert ward.ledger.ended_by_health == {J: "it seems to be stuck"}
    assert before == [("kim", 1000.0)]
    assert long_after == []


def test_what_is_said_of_a_stuck_job_is_what_is_done(tmp_path: Path) -> None:
    acts = (Act.NOTIFY, Act.DUMP_STACKS, Act.ASK_CHECKPOINT)
    said = sentences.verdict(Rung.STALLED, Rung.OK, (), acts, 600.0, "")
    with State.create(tmp_path / "state", {}) as state:
        ward = Ward(state)
        ward.act(replace(verdict(Rung.STALLED, *acts), words=said))
        ward.reader.close()

    assert ASKED in said
    assert "asked to save" not in ward.verdicts[J]
    assert "Where its processes wait is written down" in ward.verdicts[J]


def test_where_the_processes_of_a_run_wait_is_told(workshop: Workshop) -> None:
    start = workshop.shell("sleep 1000 & sleep 1000")

    async def looked_at() -> str:
        async with workshop.driver() as driver:
            await driver.do(0.0, [start])
            await workshop.until(driver, Started)
            # The shell tells nobody when its children are there.
            await until(lambda: "sleep" in whereabouts.of_run(workshop.folder()))
            words = whereabouts.of_run(workshop.folder())
            driver.end(JobId("job"), "kill", "it is over")
            await workshop.end(driver)
            return words

    words = asyncio.run(looked_at())

    assert words.startswith("its processes: ")
    assert " sh S" in words
    assert whereabouts.of_run(workshop.folder()) == ""


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    with premises() as given:
        made = Workshop(given.state, cgroups=True)
        yield made
        assert made.left() == []


def test_what_a_guard_holds_back_is_shown_and_not_done(tmp_path: Path) -> None:
    with State.create(tmp_path / "state", {}) as state:
        ward = Ward(state)
        ward.act(verdict(Rung.END, held_back="health is on a dry run"))
        shown = ward.verdicts[J]
        ward.act(verdict(Rung.OK))
        ward.reader.close()

    assert ward.done == []
    assert "not acted on: health is on a dry run" in shown
    assert ward.verdicts == {}


def test_nothing_is_ended_whose_reason_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from noljima.store.faults import Fault, StateError  # noqa: PLC0415

    async def full(self: State, *writes: Write) -> None:  # noqa: ARG001 - it breaks first
        raise StateError(Fault.FULL, "here", "its disk is full")

    with State.create(tmp_path / "state", {}) as state:
        ward = Ward(state)
        monkeypatch.setattr(State, "write", full)
        ward.act(verdict(Rung.END, Act.END_FAIL))
        ward.reader.close()

    assert ward.done == []
    assert "its disk is full" in ward.warnings["disk"]


def test_a_broken_gpu_takes_nothing_new_and_its_job_moves(tmp_path: Path) -> None:
    node = NodeId("here")
    drain = Drain(node=node, gpu=3, at_s=1.0, service=Service.NOW, words="Xid 79")
    requeue = Requeue(job=J, attempt=1, at_s=1.0, node=node, gpu=3, words="Xid 79")
    with State.create(tmp_path / "state", {}) as state:
        ward = Ward(state)
        ward.act(drain)
        ward.act(requeue)
        kept = ward.reader.items(shelves.DRAINED)
        ward.reader.close()

    assert ward.done == [("drain", "3", "Xid 79"), ("1", "evict", "Xid 79")]
    assert kept == {"3": b"Xid 79"}
    assert ward.warnings["GPU 3"] == "GPU 3: Xid 79"


# --- Settings ---


def test_options_go_before_the_file_and_the_file_before_what_is_left_out(tmp_path: Path) -> None:
    config = tmp_path / "noljima.toml"
    config.write_text(
        'policy = "share"\ngpus = 4\n[health]\nsilence_s = 900\n[[queues]]\nname = "vision"\n'
    )
    settings = settings_of(tmp_path / "state", config, {"gpus": 2, "policy": None})

    assert (settings.gpus, settings.policy, settings.operators) == (2, "share", "noljima")
    assert settings.engine.health.silence_s == 900
    assert [queue.name for queue in settings.engine.queues] == ["vision"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("polcy = 1", "polcy"),
        ("[health]\nsilense_s = 3", "silense_s"),
        ("gpus = 'many'", "gpus"),
        ("gpus = ", "cannot be read"),
        ("[health]\nsilence_s = 1", "silence_s"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "noljima.toml"
    config.write_text(text)

    with pytest.raises(InvalidFieldError, match=words):
        read_file(config)


def test_settings_that_no_daemon_can_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFieldError, match="gpus: 65 is outside 0 to 64"):
        settings_of(tmp_path, None, {"gpus": 65})
