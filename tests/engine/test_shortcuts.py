"""What the books keep only to be fast says the same as going through everything would."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event
from noljima.model.resources import NodeId
from noljima.placement.demand import Demand
from noljima.placement.space import Space
from noljima.policy import cycle, line
from noljima.policy.columns import Arrays
from noljima.policy.cycle import Cycle
from noljima.policy.line import KeyedLine
from noljima.policy.ticket import NEVER_S, Ticket
from noljima.prediction.sources import source_of
from noljima.runtime.ports import Sink
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.scenario import play

POOL = Shape(
    jobs_max=50, evictable=Evictable.SOME, grace_s=5, start_failures_share=0.1, actions_share=0.2
)
NODES = Shape(
    jobs_max=60,
    gpus_max=24,
    gpus_per_node=8,
    evictable=Evictable.SOME,
    grace_s=7,
    actions_share=0.2,
    node_faults_mean_s=150,
)
SHAPES = pytest.mark.parametrize("shape", [POOL, NODES], ids=["pool", "nodes"])


class Recount:
    """A watch that counts anew what the engine keeps beside its books."""

    def __init__(self, engine: Engine) -> None:
        self._state = engine.state

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - the state tells
        state = self._state
        for ticket in state.running.values():
            stays = not ticket.evictable or ticket.due_s < NEVER_S
            assert ticket.firm == (stays and ticket.job.id not in state.stopping)
        assert state.firm is not None
        held = sum(ticket.gpu_milli for ticket in state.running.values() if ticket.firm)
        assert state.firm.gpu_milli_free == state.firm.gpu_milli_total - held
        nodes = {w.node for ticket in state.running.values() for w in ticket.placement.workers}
        for node in nodes:
            there = {
                t for t in state.running.values() for w in t.placement.workers if w.node == node
            }
            assert set(state.residents.on([node])) == there
        assert set(state.residents.on(nodes)) == {
            ticket for ticket in state.running.values() if ticket.placement.workers
        }


@SHAPES
@pytest.mark.parametrize("seed", range(30))
def test_whoever_stays_and_who_is_where_is_known_without_counting(seed: int, shape: Shape) -> None:
    # What ran on a lost node is in nobody's count.
    shape = msgspec.structs.replace(shape, node_faults_mean_s=0.0)
    play(draw(seed, shape), "fair", source_of("noisy:1", seed), lambda engine: [Recount(engine)])


@SHAPES
@pytest.mark.parametrize("policy", ["fair", "efficient"])
def test_a_job_said_to_be_hopeless_would_not_fit_without_anybody_who_may_go(
    shape: Shape, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hopeless, found = Cycle.hopeless, []

    def checked(self: Cycle, ticket: Ticket) -> bool:
        answer = hopeless(self, ticket)
        if answer:
            space = (self.soon or self.trial).copy()
            for other in self.candidates(ticket):
                space.give_back(other.demand, other.placement)
            found.append(space.fits(ticket.demand))
        return answer

    monkeypatch.setattr(Cycle, "hopeless", checked)
    for seed in range(40):
        play(draw(seed, shape), policy, source_of("noisy:1", seed))

    assert len(found) > 20
    assert not any(found)


class Heard:
    """A watch that notes all commands."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - decisions only
        self.commands += commands


class Columned:
    """A watch that compares the columns of the line with its jobs."""

    def __init__(self, engine: Engine) -> None:
        self._line = engine.state.line
        self.looks = 0

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - the line tells
        assert isinstance(self._line, KeyedLine)
        columns = self._line._columns
        if columns is not None:
            assert isinstance(columns, Arrays)
            waiting, count = list(self._line), columns._count
            assert columns._gpu_milli[:count].tolist() == [t.gpu_milli for t in waiting]
            assert columns._remaining_s[:count].tolist() == [t.remaining_s() for t in waiting]
            self.looks += 1


@SHAPES
@pytest.mark.parametrize("policy", ["easy", "easy-sjbf"])
def test_backfill_by_columns_starts_whom_going_through_the_line_starts(
    shape: Shape, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    for seed in range(30):
        heard: list[Heard] = []
        for long in (10_000, 2):
            monkeypatch.setattr(line, "LONG", long)
            heard.append(Heard())
            columned: list[Columned] = []

            def watches(engine: Engine) -> list[Sink]:
                columned.append(Columned(engine))  # noqa: B023 - called before the next turn
                return [heard[-1], columned[-1]]  # noqa: B023 - likewise

            play(draw(seed, shape), policy, source_of("noisy:1", seed), watches)
            looks += columned[-1].looks

        assert heard[0].commands == heard[1].commands

    assert looks > 100


@SHAPES
def test_halving_finds_the_victims_that_one_by_one_would(
    shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    enough, found = cycle._enough, []

    def checked(
        space: Space,
        demand: Demand,
        candidates: Sequence[Ticket],
        nodes: Sequence[NodeId] | None,
    ) -> tuple[Sequence[Ticket], Space]:
        chosen, left = enough(space, demand, candidates, nodes)
        for count in range(1, len(candidates) + 1):
            if cycle._fits(cycle._without(space, candidates[:count]), demand, nodes):
                assert list(chosen) == list(candidates[:count])
                break
        else:
            assert not chosen
        found.append(len(chosen))
        return chosen, left

    monkeypatch.setattr(cycle, "_enough", checked)
    for seed in range(40):
        play(draw(seed, shape), "fair", source_of("random", seed))

    assert max(found) > 1
