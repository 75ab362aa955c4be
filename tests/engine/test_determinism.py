"""T9: the same events give the same commands, in any process, with any hash seed, and in replay."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import noljima
from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event
from noljima.policy.presets import NAMES, policy_of
from noljima.prediction.sources import source_of
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.rehearsal import Record, replay
from noljima.testing.scenario import play

POOL = Shape(evictable=Evictable.SOME, urgent_share=0.1, grace_s=2.0, start_failures_share=0.1)
NODES = Shape(evictable=Evictable.SOME, gpus_per_node=4, gpus_max=16, jobs_max=15)

# What each of the processes runs: it prints one line for each policy.
SCRIPT = """
import hashlib
from noljima.policy.presets import NAMES
from noljima.prediction.sources import source_of
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.scenario import play

pool = Shape(evictable=Evictable.SOME, urgent_share=0.1, grace_s=2.0, start_failures_share=0.1)
nodes = Shape(evictable=Evictable.SOME, gpus_per_node=4, gpus_max=16, jobs_max=15)
for name in NAMES:
    said = hashlib.sha256()
    for shape in (pool, nodes):
        for seed in range(4):
            said.update(play(draw(seed, shape), name, source_of("noisy:1", seed)).as_bytes())
    print(name, said.hexdigest())
"""


def digest(name: str) -> str:
    said = hashlib.sha256()
    for shape in (POOL, NODES):
        for seed in range(4):
            said.update(play(draw(seed, shape), name, source_of("noisy:1", seed)).as_bytes())
    return said.hexdigest()


def start(hash_seed: int) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONPATH": str(Path(noljima.__file__).parents[1]),
    }
    return subprocess.Popen(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_the_hash_seed_of_the_process_decides_nothing() -> None:
    processes = [start(hash_seed) for hash_seed in (1, 4_000_000_000)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    here = "".join(f"{name} {digest(name)}\n" for name in NAMES)

    assert [process.returncode for process in processes] == [0, 0]
    assert said == [here, here]


def record_of(name: str, seed: int = 3) -> Record:
    return play(draw(seed, POOL), name, source_of("last-two"))


@pytest.mark.parametrize("name", NAMES)
def test_fresh_engines_say_the_same(name: str) -> None:
    assert record_of(name).as_bytes() == record_of(name).as_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_events_that_were_written_down_replay_to_the_same_commands(name: str) -> None:
    record = record_of(name)
    written = msgspec.json.encode(record.batches)
    batches = msgspec.json.decode(written, type=list[tuple[tuple[Event, ...], tuple[Command, ...]]])
    engine = Engine(policy_of(name), source_of("last-two"), draw(3, POOL).space())

    assert replay(engine, batches) == [commands for _, commands in record.batches]


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_can_stop_anywhere_and_agree_so_far(name: str) -> None:
    record = record_of(name)
    half = record.batches[: len(record.batches) // 2]
    engine = Engine(policy_of(name), source_of("last-two"), draw(3, POOL).space())

    assert replay(engine, half) == [commands for _, commands in half]


def test_two_engines_in_turn_do_not_disturb_each_other() -> None:
    batches = record_of("fair").batches
    one, other = (
        Engine(policy_of("fair"), source_of("last-two"), draw(3, POOL).space()) for _ in range(2)
    )
    for events, commands in batches:
        assert tuple(one.handle(*events)) == tuple(other.handle(*events)) == commands
