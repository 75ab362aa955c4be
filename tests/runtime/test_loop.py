"""The loop: wait, decide, write down, do, show; in this order, until nothing more happens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event, Finished, NodeSeen, Submitted, Ticked
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId
from noljima.placement.pool import Pool
from noljima.policy.presets import AGE_CAP_S, policy_of
from noljima.prediction.sources import source_of
from noljima.runtime.loop import run
from noljima.testing.conversation import in_words, job
from noljima.testing.rehearsal import EndlessError, Record, complete, rehearse


class Told:
    """A driver, a journal and a sink that note in which order they are spoken to."""

    def __init__(self, *batches: tuple[Event, ...]) -> None:
        self._batches = list(batches)
        self.noted: list[str] = []
        self.asked_s: list[float | None] = []

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        self.asked_s.append(until_s)
        self.noted.append("wait")
        return self._batches.pop(0) if self._batches else ()

    async def append(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        self.noted.append(f"write {len(events)} and {len(commands)}")

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        self.noted.append(f"do at {at_s:g}: {', '.join(map(in_words, commands))}")

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        self.noted.append(f"show {len(events)} and {len(commands)}")


def engine(policy: str = "fair") -> Engine:
    return Engine(policy_of(policy), source_of("limit"), Pool())


SEEN = NodeSeen(at_s=0.0, node=Node(id=NodeId("pool"), gpus=1))
ASKED = Submitted(at_s=1.0, job=job("a"))


def test_each_batch_is_written_down_before_anything_is_done_about_it() -> None:
    told = Told((SEEN, ASKED), (Ticked(at_s=2.0),))
    complete(run(engine(), told, told, [told]))

    assert told.noted == [
        "wait",
        "write 2 and 1",
        "do at 1: start a",
        "show 2 and 1",
        "wait",
        "write 1 and 0",
        "show 1 and 0",
        "wait",
    ]


def test_it_goes_without_a_journal_and_without_sinks() -> None:
    told = Told((SEEN, ASKED))
    complete(run(engine(), told))

    assert told.noted == ["wait", "do at 1: start a", "wait"]


def test_nothing_to_do_is_not_handed_over() -> None:
    told = Told((SEEN,))
    complete(run(engine(), told))

    assert told.noted == ["wait", "wait"]


def test_the_driver_is_told_when_the_engine_wants_to_be_woken() -> None:
    told = Told((SEEN, ASKED))
    complete(run(engine("efficient"), told))

    assert told.asked_s == [None, 1.0 + AGE_CAP_S]


def test_what_breaks_in_the_journal_stops_the_loop_before_anything_is_done() -> None:
    class Full(Told):
        async def append(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
            del events, commands
            raise OSError("disk full")

    told = Full((SEEN, ASKED))
    with pytest.raises(OSError, match="disk full"):
        complete(run(engine(), told, told))

    assert told.noted == ["wait"]


def test_a_rehearsal_keeps_every_batch() -> None:
    told = Told((SEEN, ASKED), (Finished(at_s=3.0, job=JobId("a")),))
    record = rehearse(engine(), told)

    assert record.last_start_s() == {"a": 1.0}
    assert record.end_s() == {"a": 3.0}
    assert record.events() == [SEEN, ASKED, Finished(at_s=3.0, job=JobId("a"))]
    assert [in_words(command) for command in record.commands()] == ["start a"]


def test_a_rehearsal_without_end_is_ended() -> None:
    with pytest.raises(EndlessError, match="no end after 3 batches"):
        rehearse(engine(), Told(*[(Ticked(at_s=1.0),)] * 9), batches_max=3)


def test_a_coroutine_that_really_waits_is_found_out() -> None:
    class Forever:
        def __await__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204 - what it yields is nobody's
            yield

    async def wait() -> None:
        await Forever()

    with pytest.raises(AssertionError, match="waits for something outside"):
        complete(wait())


def test_equal_runs_have_equal_bytes() -> None:
    records = [rehearse(engine(), Told((SEEN, ASKED))) for _ in range(2)]

    assert isinstance(records[0], Record)
    assert records[0].as_bytes() == records[1].as_bytes()
