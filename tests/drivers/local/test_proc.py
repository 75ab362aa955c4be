"""Reading `/proc`: right on what is there, quiet on what is not, and never surprised."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.drivers.local.readings import parse_io
from noljima.drivers.local.shim import memory, proc
from noljima.drivers.local.shim.proc import Stat
from noljima.testing.workshop import until

# ruff: noqa: S603 - the programs that are started are our own

LINE = b"42 (a) b) c) S 7 8 9 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 5 0 777 1000 99 18446744 1 1 0"


def process(pid: int, parent: int) -> Stat:
    return Stat(pid, "x", "S", parent, pid, pid, 0, 1, 0, 0)


def test_a_name_may_hold_brackets_and_blanks() -> None:
    stat = proc.parse_stat(LINE)

    assert stat == Stat(42, "a) b) c", "S", 7, 8, 9, 124, 5, 777, 99)


@given(name=st.binary(max_size=15), fields=st.lists(st.integers(0, 2**63), min_size=24))
def test_any_process_can_be_read(name: bytes, fields: list[int]) -> None:
    line = b"1 (%s) R %s\n" % (name, b" ".join(b"%d" % number for number in fields))
    stat = proc.parse_stat(line)

    assert stat is not None
    assert (stat.parent, stat.resident_pages) == (fields[0], fields[20])


@given(line=st.binary(max_size=300))
def test_what_is_no_process_is_none(line: bytes) -> None:
    stat = proc.parse_stat(line)

    assert stat is None or isinstance(stat, Stat)


@given(cut=st.integers(0, len(LINE) - 1))
def test_what_was_cut_short_is_none_or_whole(cut: int) -> None:
    stat = proc.parse_stat(LINE[:cut])

    assert stat is None or stat._replace(resident_pages=99) == proc.parse_stat(LINE)


@given(text=st.binary(max_size=300))
def test_other_files_are_read_without_surprise(text: bytes) -> None:
    caught = proc.parse_caught(text)
    moved = parse_io(text)
    share = memory.parse_share(text)

    assert caught >= 0
    assert moved is None or min(moved) >= 0
    assert share is None or share >= 0


def test_signals_that_a_process_handles_are_told() -> None:
    status = b"Name:\tx\nSigIgn:\t0000000000000004\nSigCgt:\t0000000000004200\n"

    assert proc.parse_caught(status) == 0x4200
    assert proc.parse_caught(b"SigCgt:\tnothing\n") == 0
    assert parse_io(b"rchar: 5\nwchar: 7\nsyscr: 1\n") == (5, 7)
    assert parse_io(b"rchar: 5\n") is None
    assert memory.parse_share(b"Rss:   9 kB\nPss:    3 kB\n") == 3072


def test_this_process_is_there() -> None:
    own = proc.stat_of(os.getpid())

    assert own is not None
    assert proc.table()[os.getpid()].began_ticks == own.began_ticks
    assert own.parent == os.getppid()
    assert proc.same(own)
    assert not proc.same(own._replace(began_ticks=own.began_ticks - 1))
    assert proc.stat_of(2**22 + 1) is None
    assert proc.read("/proc/no/such/file") == b""
    assert len(proc.boot()) == 36


def test_descendants_come_after_their_parents() -> None:
    processes = {
        pid: process(pid, parent) for pid, parent in [(1, 0), (5, 1), (9, 5), (3, 9), (4, 2)]
    }

    assert [stat.pid for stat in proc.below({1}, processes)] == [5, 9, 3]
    assert [stat.pid for stat in proc.below({5, 2}, processes)] == [9, 4, 3]
    assert proc.below({3}, processes) == []


@given(parents=st.dictionaries(st.integers(1, 12), st.integers(1, 12)), root=st.integers(1, 12))
def test_a_table_that_changed_while_it_was_read_is_gone_through_once(
    parents: dict[int, int], root: int
) -> None:
    """Two reads can make a ring of parents."""
    processes = {pid: process(pid, parent) for pid, parent in parents.items()}
    found = [stat.pid for stat in proc.below({root}, processes)]

    assert len(found) == len(set(found))
    assert root not in found
    assert all(parents[pid] == root or parents[pid] in found for pid in found)


def test_a_signal_goes_to_the_very_process_or_to_none() -> None:
    child = subprocess.Popen(["/bin/sleep", "1000"])
    stat = proc.stat_of(child.pid)
    assert stat is not None

    assert not proc.send(stat._replace(began_ticks=stat.began_ticks - 1), signal.SIGKILL)
    assert child.poll() is None
    assert proc.send(stat, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not proc.send(stat, signal.SIGKILL)


def test_the_first_listener_of_each_branch_is_found() -> None:
    """A shell that knows nothing of a signal, a program that handles it, and a child of that."""
    text = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
        "os.fork() and print('up', flush=True)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen(
        ["/bin/sh", "-c", '"$0" -I -S -c "$1"; :', sys.executable, text],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        processes = proc.table()
        program, child = proc.below({shell.pid}, processes)
        found = proc.listeners([shell.pid], signal.SIGUSR1, processes)
        os.killpg(shell.pid, signal.SIGKILL)

    assert child.parent == program.pid
    assert [stat.pid for stat in found] == [program.pid]


def test_a_mark_in_the_environment_is_seen_whole() -> None:
    with subprocess.Popen(["/bin/sleep", "1000"], env={"NOLJIMA_RUN": "abc"}) as child:
        try:
            # There is none for a moment while the program is put in place.
            asyncio.run(until(lambda: proc.marked(child.pid, b"NOLJIMA_RUN=abc")))
            assert not proc.marked(child.pid, b"NOLJIMA_RUN=ab")
        finally:
            child.kill()


@pytest.mark.parametrize(("limit", "beyond"), [(1 << 40, False), (1 << 20, True)])
def test_memory_is_compared_with_a_limit(limit: int, *, beyond: bool) -> None:
    own = proc.stat_of(os.getpid())
    assert own is not None

    assert memory.beyond([own], limit) is beyond
    assert 0 < memory.taken([own]) <= memory.resident([own])
