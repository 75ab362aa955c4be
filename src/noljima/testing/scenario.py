"""A scenario, what happens in a simulated cluster, and how it goes under a policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.drivers.sim.faults import NO_FAULTS, Faults
from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event, Ticked
from noljima.model.node import Node
from noljima.model.resources import GPU, NodeId
from noljima.placement.pool import Pool
from noljima.policy.state import Policy
from noljima.prediction.source import Source, limit_of
from noljima.runtime.ports import Driver, Sink
from noljima.testing.references import Request
from noljima.testing.rehearsal import Record, rehearse
from noljima.testing.watches import EvictionTerms, Ledger, Lifecycle, NoIdleGpu


class Scenario(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pool, the jobs that come to it, and what else happens."""

    gpus: int
    jobs: tuple[SimulatedJob, ...]
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
            )
            for entry in self.jobs
        ]

    @property
    def gpu_milli(self) -> int:
        """The size of the pool."""
        return self.gpus * GPU

    def driver(self) -> Driver:
        """Return a new simulated world in which this scenario happens."""
        nodes = [Node(id=NodeId("pool"), gpus=self.gpus)]
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


def guest_watches(engine: Engine) -> Sequence[Sink]:
    """Return the watches for policies that run guests."""
    return [Ledger(), Lifecycle(engine), NoIdleGpu(engine), EvictionTerms(engine)]


def queue_watches(engine: Engine) -> Sequence[Sink]:
    """Return the watches for policies that never stop a job."""
    return [Ledger(), Lifecycle(engine)]


def play(
    scenario: Scenario, policy: Policy, source: Source, watches: Watches | None = None
) -> Record:
    """Play a scenario to its end under a policy, every book checked after every event."""
    engine = Engine(policy, source, Pool())
    if watches is None:
        watches = guest_watches if policy.keeps_shadow else queue_watches
    return rehearse(engine, scenario.driver(), watches(engine))


def lateness_s(scenario: Scenario, record: Record, reference: dict[str, float]) -> dict[str, float]:
    """Return by how much each job started later than in a reference; only those that did."""
    started = record.last_start_s()
    late = {
        entry.job.id: started.get(entry.job.id, math.inf) - reference[entry.job.id]
        for entry in scenario.jobs
        if entry.job.id in reference
    }
    return {job: seconds for job, seconds in late.items() if seconds > 0.0}
