"""Reasons under any history: there always is one, it is true, and asking changes nothing.

Worlds are drawn, run through the real loop, and an onlooker asks for every reason after every batch
of events. It recounts the numbers from the running jobs and the line, in whole GPUs.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from noljima.config import QueueSettings
from noljima.drivers.sim import SimulatedJob, Simulation
from noljima.drivers.sim.faults import Faults
from noljima.engine import Engine
from noljima.model.commands import Command, Start
from noljima.model.events import Cancelled, Event, Held, Released, Submitted
from noljima.model.job import Checkpoint, Job, Priority
from noljima.model.lifecycle import State
from noljima.model.node import Node
from noljima.model.reasons import BLOCKING_MAX, Basis, Change, Code, Reason, Step, words
from noljima.model.resources import GPU, Gang, JobId, NodeId, Resources, TaskGroup
from noljima.placement.grid import Grid
from noljima.placement.pool import Pool
from noljima.placement.space import Space
from noljima.policy.guests import GuestPolicy
from noljima.policy.presets import NAMES, policy_of
from noljima.policy.queueing import QueuePolicy
from noljima.policy.share import SharePolicy
from noljima.policy.state import Policy
from noljima.policy.ticket import NEVER_S, Ticket
from noljima.prediction.sources import source_of
from noljima.runtime.loop import run
from noljima.runtime.ports import Sink
from noljima.testing.rehearsal import Record, complete
from noljima.testing.scenario import Meddled

QUOTAS: Final = (QueueSettings(name="day", quota_gpus=3, borrow_gpus=1),)
WHOLE: Final = (GPU, 2 * GPU, 4 * GPU)
CODES: Final = {
    State.HELD: {Code.HELD},
    State.INFEASIBLE: {Code.INFEASIBLE},
    State.STARTING: {Code.STARTING},
    State.RUNNING: {Code.RUNNING},
    State.STOPPING: {Code.EVICTING, Code.CANCELLING},
    State.QUEUED: {
        Code.CLEARING,
        Code.QUOTA,
        Code.EVICTED,
        Code.RESERVED,
        Code.RESOURCES,
        Code.ORDER,
        Code.DECISION,
    },
}


class World(NamedTuple):
    """What happens, on what machines, and under which rules."""

    nodes: tuple[Node, ...]
    jobs: tuple[SimulatedJob, ...]
    actions: tuple[Event, ...]
    grace_s: float
    failures: dict[JobId, int]
    policy: str
    estimates: str
    grid: bool

    def engine(self) -> Engine:
        """Build a new engine for it."""
        policy: Policy = policy_of(self.policy)
        if self.policy == "share":
            policy = SharePolicy(QUOTAS)
        return Engine(policy, source_of(self.estimates), Grid() if self.grid else Pool())

    def play(self, engine: Engine, *sinks: Sink) -> Record:
        """Let it happen."""
        faults = Faults(start_failures=self.failures)
        world = Simulation(self.nodes, self.jobs, grace_s=self.grace_s, faults=faults)
        record = Record()
        complete(run(engine, Meddled(world, self.actions), record, sinks))
        return record


@st.composite
def gangs(draw: st.DrawFn, gpus: int, *, grid: bool, calm: bool) -> Gang:
    if not grid:
        each = Resources(gpu_milli=draw(st.integers(1, gpus)) * GPU)
        return Gang((TaskGroup(workers=1, each=each),))
    group = TaskGroup(
        workers=draw(st.sampled_from([1, 1, 2, 3])),
        # With fractions the strict queue does not bind (docs/guarantees.md).
        each=Resources(gpu_milli=draw(st.sampled_from([0, *([] if calm else [500]), *WHOLE]))),
        gpu_types=draw(st.sampled_from([(), (), ("h100",)])),
    )
    master = TaskGroup(workers=1, each=Resources(gpu_milli=GPU), name="master")
    mixed = not calm and draw(st.integers(0, 5)) == 0
    return Gang((group, master) if mixed else (group,))


@st.composite
def jobs_of(draw: st.DrawFn, gpus: int, *, grid: bool, calm: bool) -> tuple[SimulatedJob, ...]:
    jobs: list[SimulatedJob] = []
    submit_s = 0.0
    for number in range(draw(st.integers(3, 14))):
        submit_s += draw(st.sampled_from([0.0, 0.0, 0.0, 2.0, 9.0]))
        run_s = float(draw(st.integers(1, 60) | st.integers(60, 400)))
        limit_s = max(run_s + draw(st.integers(-5, 90)), 1.0)
        urgent = not calm and draw(st.integers(0, 9)) == 0
        interval_s = draw(st.sampled_from([None, 0.0, 7.0]))
        one = Job(
            id=JobId(f"j{number}"),
            gang=draw(gangs(gpus, grid=grid, calm=calm)),
            user=draw(st.sampled_from(["kim", "lee"])),
            queue=draw(st.sampled_from(["", "day"])),
            limit_s=limit_s,
            evictable=calm or draw(st.booleans()),
            priority=Priority.URGENT if urgent else Priority.NORMAL,
            checkpoint=Checkpoint(interval_s=interval_s),
        )
        jobs.append(SimulatedJob(one, submit_s, run_s))
    return tuple(jobs)


@st.composite
def actions_on(draw: st.DrawFn, jobs: Sequence[SimulatedJob]) -> tuple[Event, ...]:
    actions: list[Event] = []
    for entry in jobs:
        at_s = entry.submit_s + draw(st.integers(0, 40))
        what = draw(st.integers(0, 11))
        if what == 0:
            actions.append(Cancelled(at_s=at_s, job=entry.job.id))
        elif what == 1:
            later_s = at_s + draw(st.integers(0, 30))
            actions.append(Held(at_s=at_s, job=entry.job.id))
            actions.append(Released(at_s=later_s, job=entry.job.id))
    return tuple(actions)


@st.composite
def worlds(
    draw: st.DrawFn,
    policies: Sequence[str] = (*NAMES, *("fair", "efficient", "share", "easy") * 2),
    *,
    grid: bool = False,
    calm: bool = False,
    estimates: Sequence[str] = ("limit", "true", "random"),
) -> World:
    """Draw a world; a calm one has no faults, urgent jobs, shared GPUs or mixed gangs."""
    gpus = 8 if grid else draw(st.integers(2, 12))
    kinds = ["h100", draw(st.sampled_from(["a100", "h100"])), "a100"]
    nodes = tuple(
        Node(id=NodeId(f"gpu-{number}"), gpus=gpus // 2 if grid else gpus, gpu_type=kinds[number])
        for number in range(draw(st.integers(1, 3)) if grid else 1)
    )
    # One in a while is larger than the cluster.
    jobs = draw(jobs_of(gpus if calm else gpus + 1, grid=grid, calm=calm))
    failing = () if calm else draw(st.lists(st.sampled_from(jobs), max_size=2))
    return World(
        nodes=nodes,
        jobs=jobs,
        actions=() if calm else draw(actions_on(jobs)),
        grace_s=0.0 if calm else draw(st.sampled_from([0.0, 3.0])),
        failures={entry.job.id: 1 for entry in failing},
        policy=draw(st.sampled_from(list(policies))),
        estimates=draw(st.sampled_from(list(estimates))),
        grid=grid,
    )


class Asking:
    """A sink that does something with every reason after every batch."""

    def __init__(
        self, engine: Engine, *uses: Callable[[Engine, dict[JobId, Reason]], None]
    ) -> None:
        self._engine = engine
        self._uses = uses

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - the state tells
        """Ask for everybody, one by one."""
        reasons = {job: self._engine.explain(job) for job in self._engine.tickets}
        for use in self._uses:
            use(self._engine, reasons)


# --- What is counted a second time ---


def has_a_reason(engine: Engine, reasons: dict[JobId, Reason]) -> None:
    """Check that everybody has a reason that suits the state, in words by any clock."""
    for job, reason in reasons.items():
        assert reason.job == job
        assert reason.at_s == engine.state.now_s
        assert reason.code in CODES[engine.tickets[job].state]
        assert len(reason.blocking) == min(reason.blocking_count, BLOCKING_MAX)
        for text in (words(reason), words(reason, lambda at_s: f"{at_s:.0f} o'clock")):
            assert text.startswith(f"{reason.code}: ")
            assert "None" not in text
            assert "inf" not in text


def stands_in_line(engine: Engine, reasons: dict[JobId, Reason]) -> None:
    """Count the places in the line by going along it."""
    line = list(engine.state.line)
    for index, ticket in enumerate(line):
        reason = reasons[ticket.job.id]
        assert reason.position == index + 1
        assert reason.ahead_milli == sum(other.gpu_milli for other in line[:index])
        assert reason.needed_milli == ticket.job.gang.gpu_milli
        if reason.code is Code.ORDER:
            assert reason.ahead > 0
            assert reason.blocking == (line[0].job.id,)


def is_listed_alike(engine: Engine, reasons: dict[JobId, Reason]) -> None:
    """Compare the listing with what each waiting job is told itself."""
    listed = engine.explain_all()
    waiting = (State.QUEUED, State.HELD, State.INFEASIBLE)

    assert listed == [reasons[reason.job] for reason in listed]
    assert {r.job for r in listed} == {
        job for job, ticket in engine.tickets.items() if ticket.state in waiting
    }


def is_true_in_a_pool(engine: Engine, reasons: dict[JobId, Reason]) -> None:
    """Check by the numbers what each code claims."""
    free = engine.state.space.gpu_milli_total - sum(
        ticket.gpu_milli for ticket in engine.state.running.values()
    )
    for job, reason in reasons.items():
        assert reason.free_milli == free
        fits = reason.needed_milli <= free
        match reason.code:
            case Code.INFEASIBLE:
                assert reason.needed_milli > engine.state.space.gpu_milli_total
            case Code.RESOURCES:
                assert reason.missing_milli == reason.needed_milli - free > 0
            case Code.CLEARING:
                # What is free may be kept for another whose place is being cleared.
                others = [r for r in reasons.values() if r.code is Code.CLEARING]
                assert not fits or len(others) > 1
                check_clearing(engine, reason)
            case Code.EVICTED:
                assert fits
                assert engine.tickets[job].evictions >= 3
            case Code.RESERVED:
                assert fits
                check_reserved(engine, reasons, reason)
            case Code.QUOTA:
                check_quota(engine, reasons, reason)
            case Code.DECISION:
                assert fits
                # Backfill is planned anew with the event after the one that upset it.
                assert not isinstance(engine.policy, QueuePolicy) or engine._corrected
            case _:
                pass


def check_clearing(engine: Engine, reason: Reason) -> None:
    stopping = engine.state.stopping
    assert reason.blocking
    assert set(reason.blocking) <= set(stopping)
    going = sum(ticket.gpu_milli for ticket in stopping.values())
    assert reason.needed_milli <= reason.free_milli + going
    if reason.saving:
        assert all(stopping[job].job.checkpoint.interval_s is not None for job in reason.blocking)


def check_quota(engine: Engine, reasons: dict[JobId, Reason], reason: Reason) -> None:
    tickets = engine.tickets
    cleared = [tickets[job] for job, r in reasons.items() if r.code is Code.CLEARING]
    holders = [*engine.state.running.values(), *cleared]
    held = sum(ticket.gpu_milli for ticket in holders if ticket.job.queue == "day")
    assert engine.tickets[reason.job].job.queue == "day"
    assert held + reason.needed_milli > 4 * GPU


def check_reserved(engine: Engine, reasons: dict[JobId, Reason], reason: Reason) -> None:
    """Check that it would delay the job that GPUs are kept for."""
    ticket = engine.tickets[reason.job]
    if reason.kept_from_s is None:
        assert all(reasons[job].code is Code.CLEARING for job in reason.blocking)
        kept = sum(reasons[job].needed_milli for job in reason.blocking)
        going = sum(other.gpu_milli for other in engine.state.stopping.values())
        assert reason.kept_milli == max(kept - going, 0)
        assert ticket.gpu_milli > reason.free_milli - reason.kept_milli
        return
    head = engine.tickets[reason.blocking[0]]
    assert head is not ticket
    assert reason.run_s == ticket.remaining_s()
    taken = [(ticket.gpu_milli, engine.state.now_s + ticket.remaining_s())]
    assert head_start_s(engine, reasons, head, taken) > reason.kept_from_s
    if engine.policy.name != "conservative":
        assert head_start_s(engine, reasons, head, []) == reason.kept_from_s


def head_start_s(
    engine: Engine, reasons: dict[JobId, Reason], head: Ticket, taken: list[tuple[int, float]]
) -> float:
    """Say when the head starts if `taken` is started now, by going through all ends."""
    now_s, policy = engine.state.now_s, engine.policy
    space = engine.state.space
    holders = list(taken)
    for other in engine.state.running.values():
        guest = isinstance(policy, GuestPolicy) and (
            other.job.id in engine.state.stopping
            or (other.evictable and policy.gives_way(other, head))
        )
        if not guest:
            holders.append((other.gpu_milli, other.expected_end_s))
    if isinstance(policy, GuestPolicy):
        cleared = [r for r in reasons.values() if r.code is Code.CLEARING]
        holders += [(reason.needed_milli, NEVER_S) for reason in cleared]
    for at_s in sorted({now_s, *(end_s for _, end_s in holders)}):
        held = sum(milli for milli, end_s in holders if end_s > at_s)
        if held + head.gpu_milli <= space.gpu_milli_total:
            return at_s
    return NEVER_S


@given(world=worlds())
def test_every_reason_in_a_pool_is_true_at_every_moment(world: World) -> None:
    engine = world.engine()
    world.play(
        engine,
        Asking(engine, has_a_reason, stands_in_line, is_listed_alike, is_true_in_a_pool),
    )


def is_true_on_nodes(engine: Engine, reasons: dict[JobId, Reason]) -> None:
    """Check with the space what fits and what does not."""
    space = engine.state.space
    for job, reason in reasons.items():
        demand = engine.tickets[job].demand
        match reason.code:
            case Code.RESOURCES:
                assert not space.fits(demand)
            case Code.CLEARING:
                # A due job waits for its own place, even where another would do; and what is
                # free may be kept for another whose place is being cleared.
                others = [r for r in reasons.values() if r.code is Code.CLEARING]
                assert not space.fits(demand) or job in engine.state.due or len(others) > 1
            case Code.RESERVED | Code.EVICTED | Code.DECISION:
                assert space.fits(demand)
            case Code.INFEASIBLE:
                assert space.ever_fits(demand) is not None
            case _:
                pass
        if reason.rooms:
            assert set(reason.rooms) <= nodes_of(space)


def nodes_of(space: Space) -> set[NodeId]:
    assert isinstance(space, Grid)
    return {free.node.id for free in space.nodes()}


@given(world=worlds(grid=True))
def test_every_reason_on_nodes_is_true_at_every_moment(world: World) -> None:
    engine = world.engine()
    world.play(
        engine, Asking(engine, has_a_reason, stands_in_line, is_listed_alike, is_true_on_nodes)
    )


# --- Asking changes nothing ---


def asking_leaves_no_trace(engine: Engine, reasons: dict[JobId, Reason]) -> None:  # noqa: ARG001 - asks itself
    """Check that books, policy and line are byte for byte what they were."""
    before = all_books(engine)
    space = engine.state.space.copy()
    engine.explain_all()
    for job in engine.tickets:
        engine.explain(job)

    assert engine.state.space.gpu_milli_free == space.gpu_milli_free
    if isinstance(space, Grid):
        assert engine.state.space == space
    else:
        assert all_books(engine) == before


def all_books(engine: Engine) -> bytes:
    """Write down everything that decisions are made from."""
    if isinstance(engine.state.space, Grid):
        return b""  # It remembers what it has worked out, which decides nothing.
    parts = (engine.state, engine.tickets, engine.infeasible, engine.reservation, engine.policy)
    return pickle.dumps(parts)


@given(world=worlds() | worlds(grid=True))
def test_asking_changes_nothing_and_the_same_is_decided_with_and_without_it(world: World) -> None:
    asked, left_alone = world.engine(), world.engine()
    with_questions = world.play(asked, Asking(asked, asking_leaves_no_trace))
    without = world.play(left_alone)

    assert with_questions.as_bytes() == without.as_bytes()


# --- Times ---


CALM: Final = {name: worlds([name], calm=True, estimates=["true"]) for name in NAMES}
CALM_ON_NODES: Final = {
    name: worlds([name], grid=True, calm=True, estimates=["true"]) for name in NAMES
}


class Told(NamedTuple):
    """What a job was told of its start at some moment."""

    at_s: float
    job: JobId
    reason: Reason


class Listener:
    """Keeps every answer that a waiting job got."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def __call__(self, engine: Engine, reasons: dict[JobId, Reason]) -> None:
        """Note what waiting jobs are told."""
        self.told += [
            Told(engine.state.now_s, job, reason)
            for job, reason in reasons.items()
            if engine.tickets[job].state is State.QUEUED
        ]


@given(world=CALM["fifo"] | CALM_ON_NODES["fifo"])
def test_where_run_times_are_known_a_strict_queue_keeps_every_time_it_told(world: World) -> None:
    engine, listener = world.engine(), Listener()
    starts = world.play(engine, Asking(engine, listener)).last_start_s()

    for told in listener.told:
        assert told.reason.expected_s == starts[told.job]


@given(world=CALM["easy"] | CALM["easy-sjbf"] | CALM_ON_NODES["easy"])
def test_where_run_times_are_known_a_reserved_start_is_never_late(world: World) -> None:
    engine, listener = world.engine(), Listener()
    starts = world.play(engine, Asking(engine, listener)).last_start_s()

    for told in listener.told:
        if told.reason.basis is Basis.RESERVED:
            assert told.reason.expected_s is not None
            assert starts[told.job] <= told.reason.expected_s


@given(world=CALM["fair"] | CALM["efficient"] | CALM_ON_NODES["fair"])
def test_where_run_times_are_known_nobody_starts_later_than_the_latest_told(world: World) -> None:
    engine, listener = world.engine(), Listener()
    starts = world.play(engine, Asking(engine, listener)).last_start_s()

    for told in listener.told:
        assert told.reason.code is Code.CLEARING or told.reason.strict_s is not None
        if told.reason.strict_s is not None:
            assert starts[told.job] <= max(told.reason.strict_s, told.at_s)


# --- What would change it ---


class Trying:
    """Follows every piece of advice on a copy of the engine, up to a number of times."""

    def __init__(self, tries: int) -> None:
        self.tries = tries

    def __call__(self, engine: Engine, reasons: dict[JobId, Reason]) -> None:
        """Hand each job in anew as it was told to, and look whether that helps."""
        for job, reason in reasons.items():
            for change in reason.changes:
                if change.step is Step.RELEASE or self.tries == 0:
                    continue
                self.tries -= 1
                twin = copy.deepcopy(engine)
                changed = hand_in_changed(twin, job, change)
                if reason.code is Code.INFEASIBLE:
                    assert JobId("changed") not in twin.infeasible
                else:
                    started = [command.job for command in changed if isinstance(command, Start)]
                    assert "changed" in started, (words(reason), changed)


def hand_in_changed(engine: Engine, job: JobId, change: Change) -> list[Command]:
    """Take the job back and hand it in with the change, all in one moment."""
    old = engine.tickets[job].job
    new = replace(old, id=JobId("changed"))
    groups = old.gang.groups
    match change.step:
        case Step.EVICTABLE:
            new = replace(new, evictable=True)
        case Step.LIMIT:
            new = replace(new, limit_s=change.limit_s)
        case Step.GPU_TYPE:
            new = replace(new, gang=Gang(tuple(replace(g, gpu_types=()) for g in groups)))
        case Step.WORKERS:
            new = replace(new, gang=Gang((replace(groups[0], workers=change.workers),)))
        case Step.RELEASE:
            raise AssertionError("nothing to hand in")
    now_s = engine.state.now_s
    return engine.handle(Cancelled(at_s=now_s, job=job), Submitted(at_s=now_s, job=new))


@given(world=worlds(estimates=["limit"]) | worlds(grid=True, estimates=["limit"]))
def test_whoever_follows_an_advice_starts_at_once(world: World) -> None:
    engine = world.engine()
    world.play(engine, Asking(engine, Trying(tries=12)))
