"""The values of a run: what is refused, and that what is written is what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.drivers.local import endings
from noljima.drivers.local.clock import Clock
from noljima.drivers.local.endings import Claim, Ending, Running
from noljima.drivers.local.environment import share
from noljima.drivers.local.folders import Folders, name_of
from noljima.drivers.local.gpus import Gpu, VirtualGpus
from noljima.drivers.local.shim import checkpoints
from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim.checkpoints import Past
from noljima.drivers.local.spec import TEXT_MAX, RunSpec
from noljima.model.bounds import InvalidFieldError
from noljima.model.commands import Start
from noljima.model.events import Evicted, Finished, Outcome, StartFailed
from noljima.model.placements import IN_POOL
from noljima.model.resources import JobId, Resources, gang_of


def spec(**fields: Any) -> RunSpec:  # noqa: ANN401 - whatever a spec has
    given = {"job": JobId("j"), "gang": gang_of(1, Resources()), "folder": "/", "argv": ("true",)}
    return RunSpec(**{**given, **fields})


# --- What is to run ---


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("job", "", "job id"),
        ("job", "a\nb", "control character"),
        ("argv", (), "is empty"),
        ("argv", ("",), "names no program"),
        ("argv", ("a\0b",), "NUL"),
        ("argv", ("\ud800",), "is not text"),
        ("argv", ("x" * (TEXT_MAX + 1),), "longer than"),
        ("argv", ("x" * 100_000,) * 20, "together"),
        ("script", "echo hello", "does not begin with #!"),
        ("script", "#!/bin/sh\0", "NUL"),
        ("folder", "relative", "not an absolute path"),
        ("folder", "/a\0b", "NUL"),
        ("environment", {"": "x"}, "no name"),
        ("environment", {"A=B": "x"}, "no name"),
        ("environment", {"1A": "x"}, "no name"),
        ("environment", {"A\n": "x"}, "no name"),
        ("environment", {"A": "x\0"}, "NUL"),
        ("passed_on", ("*",), "no name"),
        ("passed_on", ("A*B",), "no name"),
        ("uid", -1, "outside"),
        ("uid", 2**32 - 1, "outside"),
        ("uid", True, "not a whole number"),
        ("gid", -1, "outside"),
        ("limit_s", float("nan"), "outside"),
        ("limit_s", -1.0, "outside"),
        ("stop_grace_s", float("inf"), "outside"),
        ("checkpoint_grace_s", -0.1, "outside"),
        ("log_bytes", 0, "outside"),
        ("umask", 0o1000, "outside"),
        ("attempt", -1, "outside"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words(field: str, value: object, words: str) -> None:
    with pytest.raises(InvalidFieldError, match=words):
        spec(**{field: value})


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)


@given(
    argv=st.lists(texts.filter(bool), min_size=1, max_size=5),
    environment=st.dictionaries(names, texts),
)
def test_what_is_written_down_is_what_was_asked(
    argv: list[str], environment: dict[str, str]
) -> None:
    asked = spec(argv=tuple(argv), environment=environment, limit_s=5.0)

    assert msgspec.json.decode(msgspec.json.encode(asked), type=RunSpec) == asked


@pytest.mark.parametrize(
    ("milli", "memory_mib", "expected"),
    [(250, 0, (4096, 0.25)), (500, 1024, (1024, 0.0625)), (1000, 0, None), (0, 0, None)],
)
def test_a_part_of_a_gpu_is_a_part_of_its_memory(
    milli: int, memory_mib: int, expected: tuple[int, float] | None
) -> None:
    gpu = VirtualGpus(1, memory_mib=16_384).found()[0]
    need = Resources(gpu_milli=milli, gpu_memory_mib=memory_mib)

    assert share(need, [gpu]) == expected
    assert share(need, list[Gpu]()) is None


# --- Folders ---


@given(one=st.text(min_size=1, max_size=256), two=st.text(min_size=1, max_size=256))
def test_every_job_has_a_folder_of_its_own(one: str, two: str) -> None:
    try:
        names = [name_of(JobId(job)) for job in (one, two)]
    except UnicodeEncodeError:
        return  # Refused as a job id.
    assert (names[0] == names[1]) == (one == two)
    for name in names:
        assert "/" not in name
        assert name not in {".", ".."}
        assert len(name.encode()) <= 64


def test_plain_names_stay_as_they_are() -> None:
    assert name_of(JobId("train-7.b")) == "train-7.b"
    assert name_of(JobId("a/b")).startswith("a_b~")


@given(junk=st.binary(max_size=200))
def test_whatever_stands_in_a_folder_is_read_without_surprise(
    junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    for name in (files.EXIT, files.STATE, files.CLAIM, files.ORDERS, "spec.json", "start.json"):
        (folder / name).write_bytes(junk)

    assert isinstance(endings.read_ending(folder), Ending | None)
    assert isinstance(endings.read_running(folder), Running | None)
    assert isinstance(endings.read_claim(folder), Claim | None)
    assert isinstance(files.load(str(folder / files.ORDERS)), dict | None)
    folders = Folders(folder)
    assert list(folders.unfinished()) == []
    assert folders.spec(JobId("j"), 1) is None


@given(cut=st.integers(0, 200))
def test_an_end_that_was_cut_short_is_no_end(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    whole = msgspec.json.encode(Ending(outcome="exited", reason="worker 0", codes=(1,)))
    (folder / files.EXIT).write_bytes(whole[:cut])

    assert (endings.read_ending(folder) is None) == (cut < len(whole))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("{}")
    (tmp_path / files.ORDERS).symlink_to(tmp_path / "real")

    assert files.load(str(tmp_path / files.ORDERS)) is None


def test_a_claim_is_made_once(tmp_path: Path) -> None:
    first = files.claim(str(tmp_path), files.claimant())
    assert first is not None

    assert files.claim(str(tmp_path), files.claimant()) is None
    assert files.locked(str(tmp_path / files.CLAIM))
    assert [path.name for path in tmp_path.iterdir()] == [files.CLAIM]


def test_a_claim_whose_owner_is_gone_is_not_locked(tmp_path: Path) -> None:
    fd = files.claim(str(tmp_path), files.claimant())
    assert fd is not None
    import os  # noqa: PLC0415 - for this line

    os.close(fd)

    assert not files.locked(str(tmp_path / files.CLAIM))
    assert not files.locked(str(tmp_path / "no such claim"))


# --- Ends ---

START = Start(JobId("j"), IN_POOL, attempt=4)


@pytest.mark.parametrize(
    ("ending", "event"),
    [
        (Ending(outcome="exited", codes=(0, 0)), Outcome.SUCCEEDED),
        (Ending(outcome="exited", codes=(0, 1)), Outcome.FAILED),
        (Ending(outcome="exited", codes=(0, None)), Outcome.FAILED),
        (Ending(outcome="limit"), Outcome.LIMIT),
        (Ending(outcome="stop"), Outcome.CANCELLED),
        (Ending(outcome="kill"), Outcome.CANCELLED),
        (Ending(outcome="fail"), Outcome.FAILED),
        (Ending(outcome="memory"), Outcome.FAILED),
        (Ending(outcome="broken"), Outcome.FAILED),
        (Ending(outcome="lost"), Outcome.FAILED),
    ],
)
def test_an_end_is_an_outcome(ending: Ending, event: Outcome) -> None:
    told = endings.event_of(START, ending, 7.0, 1)

    assert told == Finished(at_s=7.0, job=JobId("j"), attempt=4, outcome=event)


def test_an_eviction_carries_what_was_saved() -> None:
    for outcome in ("evict", "restarted"):
        ending = msgspec.convert({"outcome": outcome, "saved_s": 5.0}, Ending)
        told = endings.event_of(START, ending, 7.0, 0)
        assert told == Evicted(at_s=7.0, job=JobId("j"), attempt=4, saved_s=5.0)


def test_a_start_is_not_tried_for_ever() -> None:
    ending = Ending(outcome="start-failed", reason="no such program")

    assert isinstance(endings.event_of(START, ending, 7.0, 2), StartFailed)
    assert isinstance(endings.event_of(START, ending, 7.0, 3), Finished)


@pytest.mark.parametrize(
    "broken", [{}, {"outcome": "else"}, {"outcome": "evict", "saved_s": -1.0}, {"outcome": 5}, []]
)
def test_ends_that_cannot_be_are_none(tmp_path: Path, broken: object) -> None:
    (tmp_path / files.EXIT).write_text(json.dumps(broken))

    assert endings.read_ending(tmp_path) is None


# --- Checkpoints ---


@given(junk=st.binary(max_size=300))
def test_any_progress_file_is_read_without_surprise(junk: bytes) -> None:
    assert checkpoints.told_s(junk) is None or junk


def test_the_last_checkpoint_that_is_one_counts() -> None:
    lines = (
        b'{"checkpoint_at_s": 5.0}\n{"checkpoint_at_s": 9}\n{"step": 3}\n'
        b'{"checkpoint_at_s": "x"}\n{"checkpoint_at_s": NaN}\n{"checkpoint_at_s": -1}\n'
        b'{"checkpoint_at_s": true}\n["checkpoint_at_s"]\n{"checkpoint_at_s": 1e99'
    )

    assert checkpoints.told_s(lines) == 9.0


@pytest.mark.parametrize(
    ("last_s", "past", "saved_s"),
    [
        (None, Past(100.0, 50.0, 0.0, 0.0), 0.0),
        (None, Past(100.0, 50.0, 30.0, 0.0), 30.0),
        (130.0, Past(100.0, 50.0, 0.0, 9.0), 30.0),
        (130.0, Past(100.0, 50.0, 7.0, 9.0), 28.0),
        (105.0, Past(100.0, 50.0, 7.0, 9.0), 7.0),
        (90.0, Past(100.0, 50.0, 7.0, 0.0), 7.0),
        (900.0, Past(100.0, 50.0, 7.0, 0.0), 57.0),
    ],
)
def test_what_is_saved_is_no_more_than_there_was_time_for(
    last_s: float | None, past: Past, saved_s: float
) -> None:
    assert checkpoints.saved_s(last_s, past) == saved_s


def test_a_link_is_no_progress_and_no_mark(tmp_path: Path) -> None:
    own = tmp_path / files.JOB
    own.mkdir()
    (tmp_path / "secret").write_text('{"checkpoint_at_s": 5.0}')
    (own / files.PROGRESS).symlink_to(tmp_path / "secret")
    (own / files.CHECKPOINT).symlink_to(tmp_path / "secret")

    assert checkpoints.last_s(str(tmp_path)) is None


# --- Time ---


@given(steps=st.lists(st.tuples(st.floats(0.0, 1e5), st.floats(-1e6, 1e6)), min_size=1))
def test_time_never_goes_back_and_is_never_before_its_floor(
    steps: list[tuple[float, float]],
) -> None:
    """The wall clock is set to and fro; the other one only ever goes on."""
    now = {"wall": 1.8e9, "steady": 5.0}
    clock = Clock(1.8e9 + 10.0, wall_s=lambda: now["wall"], steady_s=lambda: now["steady"])
    last_s = 1.8e9 + 10.0
    for passed_s, jump_s in steps:
        now["steady"] += passed_s
        now["wall"] += passed_s + jump_s
        read_s = clock.now_s()
        assert read_s >= max(last_s, now["wall"])
        last_s = read_s


def test_a_clock_that_is_ahead_waits_for_the_wall_clock() -> None:
    now = {"wall": 1000.0, "steady": 0.0}
    clock = Clock(wall_s=lambda: now["wall"], steady_s=lambda: now["steady"])
    now["wall"] -= 100.0
    readings = []
    for _ in range(4):
        for name in now:
            now[name] += 100.0
        readings.append(clock.now_s())

    assert readings == [1050.0, 1100.0, 1200.0, 1300.0]
