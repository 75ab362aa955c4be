"""The nouns: what they say of themselves, and that they survive being written down."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import Event
from noljima.model.job import NO_CHECKPOINT, Checkpoint
from noljima.model.placements import IN_POOL, Assignment, Placement
from noljima.model.resources import Gang, JobId, NodeId, Resources, TaskGroup, gang_of
from noljima.testing.strategies import checkpoints, events, gangs

A = JobId("a")


def test_a_gang_counts_the_workers_and_gpus_of_all_groups() -> None:
    master = TaskGroup(workers=1, each=Resources(gpu_milli=500), name="master")
    workers = TaskGroup(workers=7, each=Resources(gpu_milli=2000))

    assert Gang((master, workers)).workers == 8
    assert Gang((master, workers)).gpu_milli == 14_500
    assert gang_of(7, Resources(gpu_milli=2000)) == Gang((workers,))


@given(gang=gangs())
def test_equal_gangs_are_equal_and_hash_alike(gang: Gang) -> None:
    twin = Gang(tuple(gang.groups))

    assert twin == gang
    assert hash(twin) == hash(gang)


@given(event=events())
def test_an_event_that_was_written_down_reads_the_same(event: Event) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


@pytest.mark.parametrize(
    "command",
    [
        Start(A, IN_POOL),
        Start(A, Placement((Assignment(NodeId("n"), (0, 3)),)), guest=True),
        Evict(A, JobId("b")),
        Stop(A),
        Refuse(A, "needs 9 GPUs; 8 in the whole pool"),
    ],
)
def test_a_command_that_was_written_down_reads_the_same(command: Command) -> None:
    assert msgspec.json.decode(msgspec.json.encode(command), type=Command) == command


@pytest.mark.parametrize(
    ("checkpoint", "saved_s"),
    [
        (NO_CHECKPOINT, 0.0),
        (Checkpoint(interval_s=0.0), 95.0),
        (Checkpoint(interval_s=30.0), 90.0),
        (Checkpoint(interval_s=200.0), 0.0),
        (Checkpoint(interval_s=30.0, restart_s=89.0), 90.0),
        (Checkpoint(interval_s=30.0, restart_s=90.0), 0.0),
    ],
)
def test_an_eviction_saves_what_the_last_checkpoint_held(
    checkpoint: Checkpoint, saved_s: float
) -> None:
    assert checkpoint.saved_of(95.0) == saved_s


@given(checkpoint=checkpoints(), worked_s=st.floats(0.0, 1e6), rest_s=st.floats(0.0, 1e6))
def test_going_on_never_takes_longer_than_beginning_anew(
    checkpoint: Checkpoint, worked_s: float, rest_s: float
) -> None:
    saved_s = checkpoint.saved_of(worked_s)
    run_s = worked_s + rest_s
    restart_s = checkpoint.restart_s if saved_s > 0.0 else 0.0

    assert 0.0 <= saved_s <= worked_s
    assert restart_s + (run_s - saved_s) <= run_s
