"""The line played forward: one by one at its front, as a flow of work behind it."""

from __future__ import annotations

import numpy as np
import pytest

from noljima.app import EngineSpec, build_engine, pool_nodes
from noljima.engine import Engine
from noljima.engine.promises.horizon import Rule
from noljima.engine.promises.lives import Lives
from noljima.engine.promises.play import PLACED_MAX, Play, Tail, rule_of
from noljima.model.events import NodeSeen, Submitted
from noljima.model.job import Job
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.policy.ticket import Ticket

HOUR_S = 3600.0


def job(number: int, gpus: int = 1, *, evictable: bool = True) -> Job:
    return Job(
        id=JobId(f"j{number}"),
        gang=gang_of(1, Resources(gpu_milli=gpus * GPU)),
        evictable=evictable,
        limit_s=HOUR_S,
    )


def full(policy: str, waiting: int, gpus: int = 4) -> Engine:
    """Hand in jobs that each have a GPU for an hour, as is known."""
    engine = build_engine(EngineSpec(policy=policy, estimates="true"))
    engine.handle(NodeSeen(at_s=0.0, node=pool_nodes(gpus)[0]))
    for number in range(gpus + waiting):
        engine.handle(Submitted(at_s=1.0, job=job(number), oracle_s=HOUR_S))
    assert len(engine.state.line) == waiting
    return engine


def certain() -> Lives:
    """Return lives that have learned that estimates are right."""
    lives = Lives()
    engine = full("fifo", 0, 1)
    ended = next(iter(engine.tickets.values()))
    ended.run_s = ended.estimate.q50_s
    for _ in range(3000):
        lives.learn(ended, 1.0)
    return lives


def places_s(engine: Engine, lives: Lives) -> list[float]:
    """Return when each job of the line would start, from now on, in the middle case."""
    line: list[Ticket] = list(engine.state.line)
    play = Play(engine.state, engine.policy, lives)
    told = [forecast for _, forecast in play.first()]
    rest = line[PLACED_MAX:]
    if rest:
        tail = Tail(rest, lives)
        told += [forecast for _, forecast in play.behind(tail, rest[0], rest)]
    assert [forecast.place for forecast in told] == list(range(len(line)))
    return [forecast.mid_s for forecast in told]


@pytest.mark.parametrize("policy", ["fifo", "easy", "fair"])
def test_who_waits_for_so_many_hours_of_work_is_told_so(policy: str) -> None:
    starts_s = places_s(full(policy, 200), certain())

    # Four at a time; each four start an hour after the four before them.
    true_s = [HOUR_S * (1 + place // 4) for place in range(200)]
    assert starts_s == pytest.approx(true_s, rel=0.2, abs=0.6 * HOUR_S)


def test_the_flow_goes_on_where_the_placed_ones_end() -> None:
    starts_s = places_s(full("fair", 3 * PLACED_MAX), certain())

    front, back = starts_s[PLACED_MAX - 1], starts_s[PLACED_MAX]
    assert back == pytest.approx(front, rel=0.15)
    assert starts_s[PLACED_MAX:] == sorted(starts_s[PLACED_MAX:])


def test_a_tail_that_was_added_up_earlier_still_tells_what_is_ahead() -> None:
    engine, lives = full("fair", 3 * PLACED_MAX), certain()
    line = list(engine.state.line)
    tail = Tail(line[PLACED_MAX:], lives)
    # Twelve have started since: the line's front has moved into the tail.
    moved = line[PLACED_MAX + 12]

    ahead = tail.ahead([tail.place(line[PLACED_MAX + 20])], tail.place(moved))

    assert np.median(ahead) == pytest.approx(8 * HOUR_S, rel=0.2)


def test_a_newcomer_has_the_place_that_its_key_gives_it() -> None:
    engine, lives = full("fair", 2 * PLACED_MAX), certain()
    tail = Tail(list(engine.state.line)[PLACED_MAX:], lives)
    engine.handle(Submitted(at_s=2.0, job=job(10_000), oracle_s=HOUR_S))
    newcomer = list(engine.state.line)[-1]

    assert tail.place(newcomer) == len(tail.tickets)


@pytest.mark.parametrize(
    ("policy", "evictable", "rule"),
    [
        ("fair", True, Rule.HOLE),
        ("fair", False, Rule.WINDOW),
        ("efficient", True, Rule.HOLE),
        ("easy", True, Rule.WINDOW),
        ("conservative", True, Rule.WINDOW),
        ("fifo", True, Rule.STRICT),
        ("sjf", True, Rule.STRICT),
        ("tiresias", True, Rule.HOLE),
    ],
)
def test_each_policy_has_a_rule_for_holes(policy: str, evictable: bool, rule: Rule) -> None:  # noqa: FBT001 - a table
    engine = build_engine(EngineSpec(policy=policy))
    engine.handle(NodeSeen(at_s=0.0, node=pool_nodes(1)[0]))
    for number in range(2):
        engine.handle(Submitted(at_s=1.0, job=job(number, evictable=evictable)))
    waiting = next(iter(engine.state.line))

    assert rule_of(engine.policy, waiting) is rule
