"""The composition root: which parts make an engine, and which make a simulation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from noljima.config import HealthSettings, Settings
from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.drivers.sim.faults import NO_FAULTS, Faults
from noljima.drivers.sim.stepping import Stepping
from noljima.engine import Engine
from noljima.model.bounds import InvalidFieldError
from noljima.model.commands import Command, Start
from noljima.model.events import Event
from noljima.model.node import Node
from noljima.model.resources import NodeId
from noljima.placement.pool import Pool
from noljima.placement.space import Space
from noljima.policy.presets import policy_of
from noljima.prediction.source import Source
from noljima.prediction.sources import listening, source_of
from noljima.runtime.loop import run
from noljima.runtime.ports import Journal, Sink
from noljima.workload.trace import Trace

if TYPE_CHECKING:
    from noljima.service.settings import DaemonSettings  # only where the scheduler is run

POOL = "pool"
GRID = "grid"
LEARNED = "learned"
"""History with trained trees among its experts: an extra that has to be installed."""


class EngineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that it takes to build an engine; what a journal's header holds."""

    policy: str
    estimates: str = "limit"
    seed: int = 0
    space: str = POOL
    placement: str = "pack"
    settings: Settings = Settings()
    promises: bool = False
    """Whether waiting jobs are told when they start; it changes no decision."""


def build_engine(spec: EngineSpec, source: Source | None = None) -> Engine:
    """Build a new engine as specified; a source that is given takes the place of the one named."""
    space = build_space(spec.space, spec.placement)
    source = build_source(spec.estimates, spec.seed) if source is None else listening(source)
    engine = Engine(policy_of(spec.policy, spec.settings), source, space, spec.settings)
    if spec.promises:
        from noljima.engine.promises import Promises  # noqa: PLC0415 - numpy, only where used

        engine.promises = Promises()
    return engine


def sheltered(spec: EngineSpec) -> Source:
    """Build the source of estimates in a process of its own, to be waited for only so long.

    For schedulers of real jobs: in a simulation it would make decisions depend on real time.
    """
    # Processes are loaded only where there is one.
    from noljima.runtime.patience import Apart, Patient, ThreadDesk  # noqa: PLC0415

    return Patient(Apart(partial(source_of, spec.estimates, spec.seed)), ThreadDesk())


def build_source(name: str, seed: int = 0) -> Source:
    """Build a source of estimates by name, those with a trained model included."""
    if name == LEARNED:
        from noljima.prediction.history import History  # noqa: PLC0415 - numpy, only where used
        from noljima.telemetry.boosting import Boosted  # noqa: PLC0415

        return listening(History(learner=Boosted(seed)))
    return source_of(name, seed)


def build_space(kind: str, placement: str) -> Space:
    """Build an empty space: one pool, or a grid of nodes with a placement strategy."""
    if kind == POOL:
        return Pool()
    if kind == GRID:
        from noljima.placement.grid import Grid  # noqa: PLC0415 - numpy is loaded only for nodes
        from noljima.placement.strategies import strategy_of  # noqa: PLC0415

        return Grid(strategy_of(placement))
    raise InvalidFieldError("space", kind, f"is neither {POOL} nor {GRID}")


def pool_nodes(capacity: int) -> tuple[Node, ...]:
    """Return the one node that stands for a pool."""
    return (Node(id=NodeId("pool"), gpus=capacity),)


def equal_nodes(count: int, gpus_per_node: int) -> tuple[Node, ...]:
    """Return nodes that are alike, named so that they sort as they are numbered."""
    width = len(str(count - 1))
    return tuple(
        Node(id=NodeId(f"node-{number:0{width}d}"), gpus=gpus_per_node) for number in range(count)
    )


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulation plays: the cluster, the jobs and what goes wrong."""

    nodes: tuple[Node, ...]
    trace: Trace
    grace_s: float = 0.0
    faults: Faults = NO_FAULTS
    stepping: Stepping | None = None
    """How jobs step and tell of it; None where they tell nothing."""


def simulate(
    engine: Engine, scene: Scene, sinks: Sequence[Sink] = (), journal: Journal | None = None
) -> float:
    """Run a scene through an engine to its end; return the seconds that it took."""
    jobs = [SimulatedJob(t.job, t.submit_s, t.run_s, t.outcome) for t in scene.trace.jobs]
    driver = Simulation(
        scene.nodes, jobs, grace_s=scene.grace_s, faults=scene.faults, stepping=scene.stepping
    )
    began_s = time.perf_counter()
    asyncio.run(run(engine, driver, journal, sinks))
    return time.perf_counter() - began_s


class StrictStarts:
    """A sink that notes when each job starts, in a queue that starts each once."""

    def __init__(self) -> None:
        self.start_s: dict[str, float] = {}

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        """Take note of the starts of one moment."""
        for command in commands:
            if type(command) is Start:
                self.start_s[command.job] = events[-1].at_s


def strict_starts(
    spec: EngineSpec, scene: Scene, sinks: Sequence[Sink] = ()
) -> Mapping[str, float]:
    """Return when each job would start first come, first served, with no backfill and no faults.

    The reference of the order guarantee: the same cluster, the same placement, true run times.
    """
    starts = StrictStarts()
    engine = build_engine(msgspec.structs.replace(spec, policy="fifo", estimates="true"))
    simple = msgspec.structs.replace(scene, faults=NO_FAULTS, stepping=None)
    simulate(engine, simple, [starts, *sinks])
    return starts.start_s


class Validator:
    """A sink that checks all invariants after every moment."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - the books say it all
        """Check the engine's books; raise `BrokenInvariantError` where they are wrong."""
        self._engine.validate()


def workstation(settings: DaemonSettings, say: Callable[[str], None]) -> None:
    """Run the scheduler of this machine until it is told to end."""
    from noljima.drivers.local.gpus import VirtualGpus  # noqa: PLC0415 - only where it is run
    from noljima.drivers.local.nvml import find  # noqa: PLC0415
    from noljima.service.scheduler import Composition, serve  # noqa: PLC0415

    gpus = find() if settings.gpus is None else VirtualGpus(settings.gpus)
    serve(settings, gpus, Composition(wanted=partial(_wanted, settings), build=_built), say)


_COMPARED_ONLY: Final = {
    "pod-by-pod": "starts gangs by halves",
    "srtf": "wants true run times, and stops jobs that cannot be evicted",
    "tiresias": "stops jobs that cannot be evicted",
}
"""Policies that are there to be compared with, and what keeps them from real jobs."""
SAVED_ESTIMATES: Final = ("history", "last-two", "limit")
"""Sources that a workstation's engine may have: those that are kept with it and replay alike."""


def _wanted(settings: DaemonSettings, before: Mapping[str, object] | None) -> dict[str, object]:
    """Say what engine is wanted: as the settings say, and where they do not, as it was before."""
    was = EngineSpec(policy="fair", estimates="history") if before is None else _spec_of(before)
    estimates = settings.estimates or was.estimates
    if estimates not in SAVED_ESTIMATES:
        raise InvalidFieldError("estimates", estimates, f"is not one of {SAVED_ESTIMATES}")
    engine = msgspec.structs.replace(settings.engine, health=HealthSettings())
    spec = EngineSpec(
        policy=settings.policy or was.policy,
        estimates=estimates,
        space=GRID,
        settings=engine,
        promises=True,
    )
    policy_of(spec.policy, spec.settings)
    found: dict[str, object] = msgspec.to_builtins(spec)
    _spec_of(found)
    return found


def _spec_of(header: Mapping[str, object]) -> EngineSpec:
    spec = msgspec.convert(dict(header), EngineSpec)
    if spec.policy in _COMPARED_ONLY:
        limit = f"is there to be compared with: it {_COMPARED_ONLY[spec.policy]}"
        raise InvalidFieldError("policy", spec.policy, limit)
    return spec


def _built(header: Mapping[str, object]) -> Engine:
    return build_engine(_spec_of(header))
