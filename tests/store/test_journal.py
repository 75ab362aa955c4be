"""A journal holds everything, exactly, and never passes off half of it as whole."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    NodeLost,
    NodeSeen,
    Outcome,
    Progressed,
    Released,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.job import Checkpoint, Job, Priority
from noljima.model.node import Node
from noljima.model.phase import Phase
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import Gang, JobId, NodeId, Resources, TaskGroup
from noljima.store import journal
from noljima.store.journal import Header, JournalError, JournalWriter, read_journal
from noljima.testing.rehearsal import complete

Told = tuple[tuple[Event, ...], tuple[Command, ...]]
FreshPath = Callable[[str], Path]

ENGINE = {"policy": "fair", "seed": 7, "settings": {"whole_node_gpus": 4}}
JOBS = st.text(min_size=1, max_size=8).map(JobId)
NODES = st.text(min_size=1, max_size=8).map(NodeId)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8)
TIMES = st.floats(0, 1e9) | st.integers(0, 10**9)
GROUPS = st.builds(
    TaskGroup,
    workers=st.integers(1, 1000),
    each=st.builds(
        Resources,
        gpu_milli=st.integers(0, 1000) | st.just(8000),
        gpu_memory_mib=st.integers(0, 80_000),
        cpu_milli=st.integers(0, 96_000),
        memory_mib=st.integers(0, 1_000_000),
    ),
    gpu_types=st.lists(st.sampled_from(["A100", "H100"])).map(tuple),
    name=NAMES.filter(bool),
)
SUBMISSIONS = st.builds(
    Job,
    id=NAMES.filter(bool).map(JobId),
    gang=st.lists(GROUPS, min_size=1, max_size=3).map(lambda groups: Gang(tuple(groups))),
    user=NAMES,
    name=NAMES,
    queue=NAMES,
    priority=st.sampled_from(Priority),
    limit_s=st.none() | st.floats(0, 1e9),
    evictable=st.none() | st.booleans(),
    checkpoint=st.builds(
        Checkpoint, interval_s=st.none() | st.floats(0, 1e6), restart_s=st.floats(0, 1e6)
    ),
)
MACHINES = st.builds(
    Node,
    id=NAMES.filter(bool).map(NodeId),
    gpus=st.integers(0, 64),
    gpu_type=NAMES,
    gpu_memory_mib=st.integers(0, 80_000),
    cpu_milli=st.integers(0, 96_000),
    memory_mib=st.integers(0, 1_000_000),
    rack=NAMES,
    labels=st.dictionaries(NAMES.filter(bool), NAMES, max_size=3),
    drained=st.booleans(),
)
PLACEMENTS = st.lists(
    st.builds(Assignment, NODES, st.lists(st.integers(0, 63), max_size=4).map(tuple)), max_size=4
).map(lambda workers: Placement(tuple(workers)))
EVENTS_BY_KIND: dict[type, st.SearchStrategy[Event]] = {
    Submitted: st.builds(
        Submitted, at_s=TIMES, job=SUBMISSIONS, oracle_s=st.none() | st.floats(0, 1e9)
    ),
    Cancelled: st.builds(Cancelled, at_s=TIMES, job=JOBS),
    Held: st.builds(Held, at_s=TIMES, job=JOBS),
    Released: st.builds(Released, at_s=TIMES, job=JOBS),
    Started: st.builds(Started, at_s=TIMES, job=JOBS),
    StartFailed: st.builds(StartFailed, at_s=TIMES, job=JOBS, reason=st.text(max_size=8)),
    Evicted: st.builds(Evicted, at_s=TIMES, job=JOBS, saved_s=st.floats(0, 1e9)),
    Finished: st.builds(Finished, at_s=TIMES, job=JOBS, outcome=st.sampled_from(Outcome)),
    Progressed: st.builds(
        Progressed,
        at_s=TIMES,
        job=JOBS,
        step=st.floats(0, 1e15),
        total=st.none() | st.floats(0, 1e15),
        phase=st.sampled_from(Phase),
    ),
    NodeSeen: st.builds(NodeSeen, at_s=TIMES, node=MACHINES),
    NodeLost: st.builds(NodeLost, at_s=TIMES, node=NODES),
    Ticked: st.builds(Ticked, at_s=TIMES),
}
COMMANDS_BY_KIND: dict[type, st.SearchStrategy[Command]] = {
    Start: st.builds(Start, JOBS, PLACEMENTS, st.booleans()),
    Evict: st.builds(Evict, JOBS, JOBS),
    Stop: st.builds(Stop, JOBS),
    Refuse: st.builds(Refuse, JOBS, st.text(max_size=8)),
}
EVENTS = st.one_of(list(EVENTS_BY_KIND.values()))
COMMANDS = st.one_of(list(COMMANDS_BY_KIND.values()))


def in_order(batches: Sequence[Told]) -> list[Told]:
    """Give drawn batches the drawn times in rising order."""
    times = iter(sorted(event.at_s for events, _ in batches for event in events))
    return [
        (tuple(msgspec.structs.replace(e, at_s=next(times)) for e in events), commands)
        for events, commands in batches
    ]


BATCHES = st.lists(
    st.tuples(
        st.lists(EVENTS, min_size=1, max_size=4).map(tuple),
        st.lists(COMMANDS, max_size=4).map(tuple),
    ),
    max_size=6,
).map(in_order)
START_ON_A_RACK = b'{"type":"Start","job":"j","placement":{"workers":[{"node":"n","rack":"r"}]}}'
NOBODY = b'{"id":"j","gang":{"groups":[]}}'
SMALL: list[Told] = [
    ((NodeSeen(at_s=0, node=Node(id=NodeId("n"), gpus=8, labels={"a": "b"})),), ()),
    (
        (Ticked(at_s=1), Ticked(at_s=2.5)),
        (Start(JobId("j"), Placement((Assignment(NodeId("n"), (0, 1)),)), guest=True),),
    ),
    ((Finished(at_s=3, job=JobId("j")),), ()),
]


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> FreshPath:
    """Return a path to write to; of the session, because a property writes hundreds of files."""
    folder = tmp_path_factory.mktemp("journals")
    numbers = itertools.count()
    return lambda ending: folder / f"{next(numbers) % 8}{ending}"


def write(path: Path, batches: Sequence[Told], *, durable: bool = False) -> Path:
    with JournalWriter(path, ENGINE, durable=durable) as writer:
        for events, commands in batches:
            complete(writer.append(events, commands))
    return path


def read(path: Path) -> list[Told]:
    return [(batch.events, batch.commands) for batch in read_journal(path)[1]]


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_every_kind_of_event_and_command_is_drawn() -> None:
    assert set(EVENTS_BY_KIND) == set(get_args(Event))
    assert set(COMMANDS_BY_KIND) == set(get_args(Command))


@given(batches=BATCHES, ending=st.sampled_from([".journal", ".journal.gz"]))
def test_what_is_written_is_read(fresh: FreshPath, batches: list[Told], ending: str) -> None:
    assert read(write(fresh(ending), batches)) == batches


def test_a_reader_is_told_lines_and_how_the_engine_was_built(fresh: FreshPath) -> None:
    header, batches = read_journal(write(fresh(".journal"), SMALL))

    assert header.engine == ENGINE
    assert [batch.line for batch in batches] == [2, 3, 4]
    assert batches.torn == ""
    assert batches.bytes_read == batches.bytes_total > 0


def test_equal_journals_are_equal_files(fresh: FreshPath) -> None:
    one, other = (write(fresh(".gz"), SMALL).read_bytes() for _ in range(2))

    assert one == other


def test_a_new_journal_replaces_the_old_one(fresh: FreshPath) -> None:
    path = write(fresh(".journal"), SMALL)

    assert read(write(path, SMALL[:1])) == SMALL[:1]


# --- Writing ---


@pytest.mark.parametrize("ending", [".journal", ".journal.gz"])
def test_a_durable_batch_is_in_the_file_at_once(
    fresh: FreshPath, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    path = fresh(ending)
    writer = JournalWriter(path, ENGINE, durable=True)
    for count, (events, commands) in enumerate(SMALL, 1):
        complete(writer.append(events, commands))

        assert read(path) == SMALL[:count]
        assert len(synced) == 1 + count
    writer.close()
    assert read(path) == SMALL


def test_a_batch_that_cannot_be_encoded_leaves_nothing_behind(fresh: FreshPath) -> None:
    path = fresh(".journal")
    with JournalWriter(path, ENGINE) as writer:
        with pytest.raises(TypeError):
            complete(writer.append((Ticked(at_s=0), object()), ()))  # type: ignore[arg-type]  # on purpose
        complete(writer.append(*SMALL[0]))

    assert read(path) == SMALL[:1]


def test_what_was_appended_before_a_crash_of_the_run_is_there(fresh: FreshPath) -> None:
    path = fresh(".journal")
    with suppress(ZeroDivisionError), JournalWriter(path, ENGINE) as writer:
        complete(writer.append(*SMALL[0]))
        raise ZeroDivisionError

    assert read(path) == SMALL[:1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_told_and_nothing_is_added_after_half_a_line() -> None:
    with pytest.raises(JournalError, match=r"/dev/full: cannot be written \(No space left"):
        JournalWriter("/dev/full", ENGINE)


def test_nothing_is_added_after_a_write_that_failed(
    fresh: FreshPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    writer = JournalWriter(fresh(".journal"), ENGINE, durable=True)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(JournalError, match="No space left"):
        complete(writer.append(*SMALL[0]))
    monkeypatch.undo()
    with pytest.raises(JournalError, match="half a line since a write failed"):
        complete(writer.append(*SMALL[1]))
    writer.close()


@pytest.mark.parametrize("name", ["", "missing/deep.journal", "nul\0name"])
def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalError, match="cannot be written"):
        JournalWriter(tmp_path / name, ENGINE)


# --- Torn ends ---


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_torn_last_line_is_told_and_the_rest_is_read(fresh: FreshPath, cut: int) -> None:
    path = write(fresh(".journal"), SMALL)
    path.write_bytes(path.read_bytes()[:-cut])
    _, batches = read_journal(path)

    assert [(batch.events, batch.commands) for batch in batches] == SMALL[:-1]
    assert batches.torn == "line 4 is torn: it has no end"


def test_a_gzip_file_that_ends_too_early_is_told_and_the_rest_is_read(fresh: FreshPath) -> None:
    path = write(fresh(".gz"), SMALL, durable=True)
    whole = path.read_bytes()
    counts = set()
    for length in range(len(whole) - 1, len(whole) // 2, -1):
        path.write_bytes(whole[:length])
        _, batches = read_journal(path)
        got = [(batch.events, batch.commands) for batch in batches]

        assert got == SMALL[: len(got)]
        assert batches.torn != ""
        counts.add(len(got))
    assert counts >= {1, 2, 3}


def test_journals_packed_one_after_another_are_one(fresh: FreshPath) -> None:
    path = fresh(".gz")
    lines = lines_of(write(fresh(".journal"), SMALL))
    path.write_bytes(b"".join(gzip.compress(line) for line in lines))

    assert read(path) == SMALL


# --- What is no journal ---


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty, or ends within its first line"),
        (b'{"format": "noljima-journal", "ver', "is empty, or ends within its first line"),
        (b"; Version: 2\n1 2 3\n", "begins with '; Version: 2', which is no journal's header"),
        (b'{"noljima_trace": 1}\n', "which is no journal's header"),
        (b"\x89PNG\r\n\x1a\n\x00\n", "which is no journal's header"),
        (b"[" * 9000 + b"\n", "which is no journal's header"),
        (b'{"format": "other", "version": 1}\n', "is of format 'other', not 'noljima-journal'"),
        (
            b'{"format": "noljima-journal", "version": 2, "new": []}\n',
            "is of version 2; this program reads version 1",
        ),
        (b'{"format": "noljima-journal", "version": 1}\n', "line 1: is no journal's header"),
        (
            b'{"format":"noljima-journal","version":1,"noljima":"0","engine":{},"colour":1}\n',
            "unknown field `colour`",
        ),
    ],
)
def test_a_file_that_is_no_journal_is_refused(fresh: FreshPath, content: bytes, words: str) -> None:
    path = fresh(".journal")
    path.write_bytes(content)

    with pytest.raises(JournalError) as refusal:
        read_journal(path)
    assert words in str(refusal.value)
    assert str(refusal.value).startswith(str(path))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "line 3: is no batch"),
        (b"{}", "Object missing required field `events`"),
        (b'{"events":[],"commands":[]}', "it has no events"),
        (b'{"events":[{"at_s":5}],"commands":[]}', "missing required field `type`"),
        (b'{"events":[{"type":"Danced","at_s":5}],"commands":[]}', "Invalid value 'Danced'"),
        (b'{"events":[{"type":"Ticked","at_s":null}],"commands":[]}', "$.events[0].at_s"),
        (b'{"events":[{"type":"Ticked","at_s":NaN}],"commands":[]}', "JSON is malformed"),
        (b'{"events":[{"type":"Ticked","at_s":1e999}],"commands":[]}', "is no batch"),
        (b'{"events":[{"type":"Ticked","at_s":5}],"commands":[],"x":1}', "unknown field `x`"),
        (
            b'{"events":[{"type":"Ticked","at_s":5,"why":"so"}],"commands":[]}',
            "has an unknown field .events[0].why",
        ),
        (
            b'{"events":[{"type":"Ticked","at_s":5}],"commands":[%s]}' % START_ON_A_RACK,
            "has an unknown field .commands[0].placement.workers[0].rack",
        ),
        (
            b'{"events":[{"type":"Submitted","at_s":5,"job":%s}],"commands":[]}' % NOBODY,
            "task groups: 0 is outside",
        ),
        (b'{"events":[{"type":"Ticked","at_s":-1}],"commands":[]}', "time goes back from 0.0"),
        (
            b'{"events":[{"type":"Ticked","at_s":5},{"type":"Ticked","at_s":4}],"commands":[]}',
            "line 3: time goes back from 5.0 to 4.0",
        ),
        (b'{"events":[{"type":"Ticked","at_s":5}],"commands":[]}\x00', "line 3: is no batch"),
        (b'{"events":[{"type":"Stop\x1b[2J","at_s":5}],"commands":[]}', "line 3: is no batch"),
        (b"[" * 9000, "line 3: is no batch"),
        (b"\xff\xfe", "line 3: is no batch"),
    ],
)
def test_a_broken_line_is_told_with_its_number(fresh: FreshPath, line: bytes, words: str) -> None:
    path = write(fresh(".journal"), SMALL)
    path.write_bytes(b"".join([*lines_of(path)[:2], line, b"\n", *lines_of(path)[2:]]))
    _, batches = read_journal(path)

    assert next(batches).line == 2
    with pytest.raises(JournalError) as refusal:
        next(batches)
    assert words in str(refusal.value)
    assert "line 3" in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_time_that_goes_back_between_two_batches_is_told(fresh: FreshPath) -> None:
    path = write(fresh(".journal"), [SMALL[1], SMALL[0]])

    with pytest.raises(JournalError, match=r"line 3: time goes back from 2\.5 to 0\.0"):
        read(path)


def test_a_line_that_somebody_has_spaced_out_is_still_a_batch(fresh: FreshPath) -> None:
    path = write(fresh(".journal"), SMALL)
    path.write_bytes(path.read_bytes().replace(b",", b" , ").replace(b"3.0", b"3"))

    assert read(path) == SMALL


def test_a_bomb_is_refused(fresh: FreshPath) -> None:
    path = fresh(".gz")
    path.write_bytes(gzip.compress(lines_of(write(fresh(".journal"), []))[0] + b"0" * (1 << 22)))

    with pytest.raises(JournalError, match="holds more than 1,048,576 bytes of text"):
        list(read_journal(path, bytes_max=1 << 20)[1])
    with pytest.raises(JournalError, match="line 2: is longer than 1,048,576 bytes"):
        list(read_journal(path, line_bytes_max=1 << 20)[1])


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path, Path("nul\0name")):
        with pytest.raises(JournalError, match="cannot be read"):
            read_journal(path)


@given(data=st.data(), ending=st.sampled_from([".journal", ".gz"]))
def test_whatever_is_done_to_its_bytes_a_journal_is_read_or_refused(
    fresh: FreshPath, data: st.DataObject, ending: str
) -> None:
    path = write(fresh(ending), SMALL)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])

    with suppress(JournalError):
        times = [event.at_s for batch in read_journal(path)[1] for event in batch.events]

        assert times == sorted(times)


def test_the_header_says_what_a_reader_has_to_know(fresh: FreshPath) -> None:
    first = lines_of(write(fresh(".journal"), []))[0]

    assert first.startswith(b'{"format":"noljima-journal","version":1,"noljima":"')
    assert msgspec.json.decode(first, type=Header).format == journal.FORMAT


def test_bytes_that_are_no_text_in_a_name_are_refused(fresh: FreshPath) -> None:
    # A line is decoded without a look at the names of fields that it has no use for.
    path = write(fresh(".journal"), SMALL)
    content = path.read_bytes()
    assert b'"labels"' in content
    path.write_bytes(content.replace(b'"labels"', b'"\x80abels"', 1))

    with pytest.raises(JournalError, match="no text"):
        list(read_journal(path)[1])
