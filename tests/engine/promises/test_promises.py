"""Promises of start times: whoever waits has one, they only move earlier, and they only look on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noljima.app import EngineSpec, build_engine, pool_nodes
from noljima.engine import Engine
from noljima.engine.promises import Promise, Promises, Settled
from noljima.model.commands import Command, Start
from noljima.model.events import Event, NodeSeen, Submitted
from noljima.model.job import Job
from noljima.model.lifecycle import State
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.policy.presets import NAMES
from noljima.runtime import snapshot
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.rehearsal import Record, rehearse

BUSY: Final = Shape(
    jobs_max=60,
    gpus_max=8,
    gap_s_max=8,
    run_s_max=600,
    evictable=Evictable.SOME,
    urgent_share=0.1,
    grace_s=2.0,
    start_failures_share=0.1,
    actions_share=0.2,
    limits=False,
)
NODES: Final = msgspec.structs.replace(
    BUSY, gpus_per_node=4, gpus_max=12, node_faults_mean_s=300.0, start_failures_share=0.0
)


def spec_of(policy: str, estimates: str = "history", space: str = "pool") -> EngineSpec:
    return EngineSpec(policy=policy, estimates=estimates, space=space, promises=True)


class Witness:
    """A sink with books of its own: what each waiting job was told, and when it started."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._by_s: dict[JobId, float] = {}
        self._start_s: dict[JobId, float] = {}
        self.settled: list[Settled] = []
        self.told = 0
        self.moved = 0

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:
        promises = self._engine.promises
        assert promises is not None
        now_s = events[-1].at_s
        for command in commands:
            if isinstance(command, Start):
                self._start_s[command.job] = now_s
        self._settle(promises.take_settled())
        waiting = {job for job, t in self._engine.tickets.items() if t.state is State.QUEUED}
        for job in waiting:
            self._look(job, now_s)
        for job in self._by_s.keys() - waiting:
            state = self._engine.tickets[job].state if job in self._engine.tickets else None
            if state is not State.STARTING:
                del self._by_s[job]

    def _look(self, job: JobId, now_s: float) -> None:
        promises = self._engine.promises
        promise = promises.of(job) if promises is not None else None
        assert promise is not None, f"{job} waits and was told nothing"
        before_s = self._by_s.get(job)
        if before_s is None:
            assert promise.made_s == now_s
            assert promise.by_s > now_s
            self.told += 1
        else:
            assert promise.by_s <= before_s, f"{job} was told {before_s}, then {promise.by_s}"
            self.moved += promise.by_s < before_s
        assert promise.missed or promise.about_s <= promise.by_s <= promise.first_by_s
        assert promise.missed == (promise.by_s < now_s)
        self._by_s[job] = promise.by_s

    def _settle(self, settled: Sequence[Settled]) -> None:
        for each in settled:
            assert each.start_s == self._start_s[each.job]
            assert each.by_s == self._by_s[each.job], "it is judged by the last that it was told"
            assert each.made_s <= each.start_s
        self.settled += settled


def played(spec: EngineSpec, seed: int, shape: Shape) -> tuple[Record, Witness]:
    scenario = draw(seed, shape)
    engine = build_engine(spec)
    witness = Witness(engine)
    return rehearse(engine, scenario.driver(), [witness]), witness


@pytest.mark.parametrize("policy", NAMES)
def test_an_engine_that_promises_decides_as_one_that_does_not(policy: str) -> None:
    silent = msgspec.structs.replace(spec_of(policy), promises=False)

    record, witness = played(spec_of(policy), 3, BUSY)

    plain = rehearse(build_engine(silent), draw(3, BUSY).driver())
    assert record.as_bytes() == plain.as_bytes()
    assert witness.told > 0


@given(
    seed=st.integers(0, 10**6),
    policy=st.sampled_from(NAMES),
    estimates=st.sampled_from(["history", "limit", "last-two", "random", "adversarial", "true"]),
)
def test_whoever_waits_has_a_promise_that_moves_only_earlier(
    seed: int, policy: str, estimates: str
) -> None:
    _, witness = played(spec_of(policy, estimates), seed, BUSY)

    assert len(witness.settled) <= witness.told


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    policy=st.sampled_from(["fair", "efficient", "share", "easy", "conservative"]),
)
def test_so_it_is_while_nodes_come_and_go(seed: int, policy: str) -> None:
    _, witness = played(spec_of(policy, space="grid"), seed, NODES)

    assert len(witness.settled) <= witness.told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "policy", "estimates"),
    [(422632563, "tiresias", "true"), (891244035, "srtf", "limit")],
)
def test_nobody_moves_the_promise_of_a_job_that_is_starting(
    seed: int, policy: str, estimates: str
) -> None:
    # A line so long that it has a tail, which was added up before some of it have started.
    long = msgspec.structs.replace(NODES, jobs_max=250, run_s_max=60_000)

    _, witness = played(spec_of(policy, estimates, space="grid"), seed, long)

    assert witness.settled


def test_the_watched_days_hold_moves_misses_and_hits() -> None:
    witnesses = [played(spec_of("fair"), seed, BUSY)[1] for seed in range(12)]

    settled = [each for witness in witnesses for each in witness.settled]
    assert sum(witness.moved for witness in witnesses) > 10
    assert sum(not each.kept for each in settled) > 0
    assert sum(each.kept for each in settled) > 100


@pytest.mark.parametrize("policy", ["fair", "easy", "share"])
def test_promises_may_begin_while_jobs_wait_and_run(policy: str) -> None:
    batches = played(spec_of(policy), 3, BUSY)[0].batches
    engine = build_engine(msgspec.structs.replace(spec_of(policy), promises=False))
    half = next(
        place
        for place, (events, _) in enumerate(batches)
        if not engine.handle(*events) and len(engine.state.line) > 2 and engine.state.running
    )
    waited = {ticket.job.id for ticket in engine.state.line}
    engine.promises = Promises()
    witness = Witness(engine)

    for events, commands in batches[half + 1 :]:
        assert tuple(engine.handle(*events)) == commands
        witness.observe(events, commands)

    assert waited & {each.job for each in witness.settled}


@pytest.mark.parametrize("policy", ["fair", "easy", "share"])
def test_whoever_waits_is_told_the_promise_with_the_reason(policy: str) -> None:
    engine = build_engine(spec_of(policy))
    assert engine.promises is not None
    seen = 0
    for events, _ in played(spec_of(policy), 3, BUSY)[0].batches:
        engine.handle(*events)
        for reason in engine.explain_all():
            promise = engine.promises.of(reason.job)
            if promise is not None and promise.told_by_s is None:
                assert reason.by_s is None
                assert "it starts" not in reason.sentence
            elif promise is not None:
                seen += 1
                assert (reason.about_s, reason.by_s) == (promise.about_s, promise.by_s)
                assert "it starts" in reason.sentence

    assert seen > 10


def told(engine: Engine) -> list[tuple[JobId, float, float, int, bool]]:
    assert engine.promises is not None
    book = engine.promises.book
    return [(p.job, p.about_s, p.by_s, p.moves, p.missed) for p in book]


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    part=st.floats(0.0, 1.0),
    policy=st.sampled_from(["fair", "efficient", "share", "easy"]),
    space=st.sampled_from(["pool", "grid"]),
)
def test_a_restored_engine_goes_on_with_the_same_promises(
    seed: int, part: float, policy: str, space: str
) -> None:
    shape = NODES if space == "grid" else BUSY
    spec = spec_of(policy, space=space)
    batches = played(spec, seed, shape)[0].batches
    cut = int(part * len(batches))
    engine = build_engine(spec)
    for events, _ in batches[:cut]:
        engine.handle(*events)

    copy = snapshot.restore(snapshot.save(engine))

    assert told(copy) == told(engine)
    for events, _ in batches[cut:]:
        assert copy.handle(*events) == engine.handle(*events)
        assert told(copy) == told(engine)
    assert copy.promises is not None
    assert engine.promises is not None
    assert copy.promises.take_settled() == engine.promises.take_settled()


def test_a_promise_is_no_later_than_what_limits_and_the_strict_queue_allow() -> None:
    # Nobody has ended yet, so that nothing is known but the limits.
    engine = build_engine(EngineSpec(policy="fair", estimates="history", promises=True))
    engine.handle(NodeSeen(at_s=0.0, node=pool_nodes(2)[0]))
    for name, gpus, limit_s in (("a", 2, 600.0), ("b", 1, 300.0), ("c", 2, None), ("d", 1, 60.0)):
        gang = gang_of(1, Resources(gpu_milli=gpus * GPU))
        engine.handle(Submitted(at_s=0.0, job=Job(id=JobId(name), gang=gang, limit_s=limit_s)))
    assert engine.promises is not None
    by_s = {name: promise.by_s for name in "bcd" if (promise := engine.promises.of(JobId(name)))}

    assert by_s["b"] == 660.0
    assert by_s["c"] == 960.0
    assert by_s["d"] > 3600.0


def test_a_limit_on_nobody_ahead_promises_nothing_more() -> None:
    engine = build_engine(EngineSpec(policy="fair", estimates="history", promises=True))
    engine.handle(NodeSeen(at_s=0.0, node=pool_nodes(1)[0]))
    for name, limit_s in (("a", None), ("b", 300.0)):
        gang = gang_of(1, Resources(gpu_milli=GPU))
        engine.handle(Submitted(at_s=0.0, job=Job(id=JobId(name), gang=gang, limit_s=limit_s)))
    assert engine.promises is not None
    promise = engine.promises.of(JobId("b"))

    assert promise is not None
    assert promise.by_s > 3600.0


def test_what_only_says_that_nobody_knows_is_not_told_as_a_promise() -> None:
    by_s = (3600.0, 299 * 86400.0, 366 * 86400.0)
    told = [Promise(JobId("a"), 0.0, each, 0.0, 1.0).told_by_s for each in by_s]

    assert told == [*by_s[:2], None]
