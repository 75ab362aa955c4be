"""A scenario, what happens in a simulated cluster, and how it goes under a policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.drivers.sim.faults import NO_FAULTS, Faults
from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event, Ticked
from noljima.model.node import Node
from noljima.model.resources import GPU, NodeId
from noljima.placement.grid import Grid
from noljima.placement.pool import Pool
from noljima.placement.space import Space
from noljima.policy.guests import GuestPolicy
from noljima.policy.podwise import PodByPod
from noljima.policy.presets import policy_of
from noljima.policy.state import Policy
from noljima.prediction.source import Source, limit_of
from noljima.runtime.ports import Driver, Sink
from noljima.testing.references import Request
from noljima.testing.rehearsal import BATCHES_MAX, Record, rehearse
from noljima.testing.watches import (
    EvictionTerms,
    Ledger,
    Lifecycle,
    NoIdleGpu,
    NotInVain,
    SavedWork,
)


class Scenario(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cluster, the jobs that come to it, and what else happens."""

    gpus: int
    """The size of the pool; with nodes, what they have together."""
    jobs: tuple[SimulatedJob, ...]
    nodes: tuple[Node, ...] = ()
    """Without nodes, the cluster is a pool."""
    grace_s: float = 0.0
    faults: Faults = NO_FAULTS
    actions: tuple[Event, ...] = ()
    """What users and operators do, in order of time."""

    def requests(self) -> list[Request]:
        """Return the jobs as `references` takes them, sizes in milli, killed at their limits."""
        return [
            Request(
                name=entry.job.id,
                submit_s=entry.submit_s,
                size=entry.job.gang.gpu_milli,
                run_s=min(entry.run_s, limit_of(entry.job)),
                rank=int(entry.job.priority),
                limit_s=limit_of(entry.job),
            )
            for entry in self.jobs
        ]

    @property
    def gpu_milli(self) -> int:
        """The size of the cluster."""
        return self.gpus * GPU

    def space(self) -> Space:
        """Return an empty space of the scenario's kind."""
        return Grid() if self.nodes else Pool()

    def driver(self) -> Driver:
        """Return a new simulated world in which this scenario happens."""
        nodes = self.nodes or (Node(id=NodeId("pool"), gpus=self.gpus),)
        world = Simulation(nodes, self.jobs, grace_s=self.grace_s, faults=self.faults)
        return Meddled(world, self.actions) if self.actions else world


class Meddled:
    """A driver in whose world users and operators interfere: their events come in between."""

    def __init__(self, driver: Driver, actions: Sequence[Event]) -> None:
        self._driver = driver
        self._actions = sorted(actions, key=lambda action: action.at_s)

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Return what happens next: of the world, or the actions of one moment."""
        if not self._actions:
            return await self._driver.wait(until_s)
        at_s = self._actions[0].at_s
        events = await self._driver.wait(at_s if until_s is None else min(at_s, until_s))
        if len(events) != 1 or not isinstance(events[0], Ticked) or events[0].at_s < at_s:
            return events
        now_s = events[0].at_s
        happened: list[Event] = []
        while self._actions and self._actions[0].at_s <= now_s:
            happened.append(msgspec.structs.replace(self._actions.pop(0), at_s=now_s))
        return tuple(happened)

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        """Pass commands on."""
        await self._driver.do(at_s, commands)


Watches = Callable[[Engine], Sequence[Sink]]


def watches_of(engine: Engine) -> Sequence[Sink]:
    """Return the watches that the engine's policy has to stand."""
    if isinstance(engine.policy, PodByPod):
        # It starts jobs of which pods stood on a node that was lost: no ledger can balance.
        return [Lifecycle(engine), SavedWork()]
    ledger = Ledger(each_event=engine.policy.each_event)
    watches: list[Sink] = [ledger, Lifecycle(engine), SavedWork()]
    if isinstance(engine.policy, GuestPolicy):
        by_key = engine.policy.keeps_shadow
        watches.append(EvictionTerms(engine, by_key=by_key))
        watches.append(NoIdleGpu(engine) if by_key else NotInVain(engine))
    return watches


def play(
    scenario: Scenario,
    policy: Policy | str,
    source: Source,
    watches: Watches = watches_of,
    *,
    batches_max: int = BATCHES_MAX,
) -> Record:
    """Play a scenario to its end under a policy, every book checked after every event."""
    if isinstance(policy, str):
        policy = policy_of(policy)
    engine = Engine(policy, source, scenario.space())
    return rehearse(engine, scenario.driver(), watches(engine), batches_max)


def lateness_s(
    scenario: Scenario, record: Record, reference_s: Mapping[str, float]
) -> dict[str, float]:
    """Return by how much jobs started later than in a reference; those only that did."""
    started_s = record.last_start_s()
    late_s = {
        entry.job.id: started_s.get(entry.job.id, math.inf) - reference_s[entry.job.id]
        for entry in scenario.jobs
        if entry.job.id in reference_s
    }
    return {job: seconds for job, seconds in late_s.items() if seconds > 0.0}
