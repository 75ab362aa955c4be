"""Killed at any moment, a state keeps all that it has acknowledged, and starts again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from noljima.model.events import Ticked
from noljima.store.state import Sizes, State
from noljima.testing.day import header

SMALL = Sizes(reserve_bytes=1 << 12, room_bytes=0)

_WRITER = """
import asyncio, os, sys
from noljima.model.events import Ticked
from noljima.store.notices import Notice
from noljima.store.records import JobRecord
from noljima.store.state import Sizes, State
from noljima.store.writes import AddNotice, PutItem, PutRecord

folder, first = sys.argv[1], int(sys.argv[2])

async def one(state, number):
    job = f"j{number}"
    writes = [
        PutItem("specs", job, job.encode() * 50),
        PutRecord(JobRecord(job=job, state="queued", submitted_s=float(number))),
        AddNotice(Notice(key=job, what="accepted")),
    ]
    await state.append((Ticked(at_s=float(number)),), (), writes)
    os.write(1, f"{number}\\n".encode())

async def run(state):
    number = first
    while True:
        await asyncio.gather(*(one(state, number + n) for n in range(number % 4 + 1)))
        number += number % 4 + 1
        if number % 7 == 0:
            await state.keep("history", str(number).encode() * 1000)

with State.open(folder, sizes=Sizes(reserve_bytes=4096, room_bytes=0)) as state:
    os.write(1, b"open\\n")
    asyncio.run(run(state))
"""


def killed(folder: Path, first: int, after_s: float) -> list[int]:
    """Let a process write and kill it; return what it was told is on the disk."""
    words = [sys.executable, "-c", _WRITER, str(folder), str(first)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:  # noqa: S603 - ourselves
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        time.sleep(after_s)  # the moment of the kill is what is drawn here
        writer.send_signal(signal.SIGKILL)
        lines = writer.stdout.read().split(b"\n")
        writer.wait()
    return [int(line) for line in lines if line]


def check_all_there(folder: Path, acknowledged: list[int]) -> int:
    """Start the state again and look for all that was acknowledged; return the next number."""
    with State.open(folder, full=True, sizes=SMALL) as state, state.reader() as reader:
        start = reader.head(1)
        assert start is not None
        found = [int(batch.events[0].at_s) for batch in reader.batches(start)]
        assert found == sorted(set(found))
        assert set(acknowledged) <= set(found)
        assert set(reader.items("specs")) == {f"j{number}" for number in found}
        assert {o.notice.key for o in reader.outbox(limit=10**6)} == {f"j{n}" for n in found}
        kept = state.kept("history")
        assert kept is None or kept == kept[: len(kept) // 1000] * 1000
    return max(found, default=0) + 1


def kills(folder: Path, count: int, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - when, not a secret
    State.create(folder, header(), sizes=SMALL).close()
    acknowledged: list[int] = []
    first = 1
    for _ in range(count):
        acknowledged += killed(folder, first, random.random() * 0.4)
        first = check_all_there(folder, acknowledged)
    assert len(acknowledged) > count


def test_a_state_is_killed_three_times_and_loses_nothing(tmp_path: Path) -> None:
    kills(tmp_path / "state", 3, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_state_is_killed_thirty_times_and_loses_nothing(tmp_path: Path) -> None:
    kills(tmp_path / "state", 30, seed=2)


# --- Killed at each step, one after the other ---


class _Killed(BaseException):
    """Stands for kill -9 within a process of its own."""


_STEPS = [
    "noljima.store.committing.Committer._check_alone",
    "noljima.store.committing.Committer._add",
    "noljima.store.committing.Committer._set_anchor",
    "noljima.store.committing.Committer._tidy",
]

_STEPWISE = """
import asyncio, importlib, os, signal, sys
from noljima.model.events import Ticked
from noljima.store.state import State, Sizes

folder, step, when = sys.argv[1:]
module, owner, name = step.rsplit(".", 2)
kind = getattr(importlib.import_module(module), owner)
done = getattr(kind, name)

def dies(*values):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done(*values)
    os.kill(os.getpid(), signal.SIGKILL)

async def run(state):
    await state.append((Ticked(at_s=1.0),), ())
    os.write(1, b"1")
    setattr(kind, name, dies)
    await state.append((Ticked(at_s=2.0),), ())
    os.write(1, b"2")
    await asyncio.sleep(60.0)  # What tidies up may come after the answer.

asyncio.run(run(State.open(folder, sizes=Sizes(reserve_bytes=4096, room_bytes=0))))
"""


@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_each_step_of_a_commit_loses_nothing(
    tmp_path: Path, step: str, when: str
) -> None:
    folder = tmp_path / "state"
    State.create(folder, header(), sizes=SMALL).close()
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", _STEPWISE, str(folder), step, when],
        capture_output=True,
        check=False,
    )
    acknowledged = {float(number) for number in done.stdout.decode()}

    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    with State.open(folder, full=True, sizes=SMALL) as state, state.reader() as reader:
        start = reader.head(1)
        assert start is not None
        found = {batch.events[0].at_s for batch in reader.batches(start)}
        assert acknowledged <= found <= {1.0, 2.0}
        asyncio.run(state.append((Ticked(at_s=3.0),), ()))


def test_a_kill_between_keeping_a_content_and_naming_it_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "state"
    state = State.create(folder, header(), sizes=SMALL)
    asyncio.run(state.keep("history", b"old"))

    def dies(*_: object, **__: object) -> None:
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr(State, "write", dies)
        with pytest.raises(_Killed):
            asyncio.run(state.keep("history", b"new"))
    state.close()

    with State.open(folder, sizes=SMALL) as state:
        assert state.kept("history") == b"old"
        assert len(list((folder / "kept").iterdir())) == 1
