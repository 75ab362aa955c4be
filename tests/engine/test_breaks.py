"""Deliberate breaks: with one protection taken out, the checks have to see it.

Each row takes one thing away from the scheduler and says under which policy that has to be noticed
and by what: the books, a watch, or a comparison with a reference. A check that sees nothing when
something is broken is worth nothing when it is green.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pytest

from noljima.drivers.sim.driver import Simulation
from noljima.engine import Engine
from noljima.model.estimate import Estimate
from noljima.model.events import Event, Evicted, StartFailed
from noljima.model.placements import IN_POOL, Placement
from noljima.placement.demand import Demand
from noljima.placement.pool import Pool
from noljima.placement.space import Space
from noljima.policy import guests, queueing
from noljima.policy.claims import Claims
from noljima.policy.cycle import Cycle
from noljima.policy.guests import GuestPolicy
from noljima.policy.line import KeyedLine
from noljima.policy.shadow import Shadow
from noljima.policy.shares import Shares
from noljima.policy.state import Plan, Planned, SchedulerState
from noljima.policy.ticket import Ticket
from noljima.prediction.source import Guarded, limit_of
from noljima.prediction.sources import source_of
from noljima.runtime.ports import Sink
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.references import Easy, strict_starts
from noljima.testing.rehearsal import Record
from noljima.testing.scenario import Scenario, Watches, lateness_s, play, watches_of
from noljima.testing.watches import HeadReservation

Patch = Callable[[pytest.MonkeyPatch], None]

LATE = "starts later than in the strict queue"
NOT_EASY = "differs from the published algorithm"
NEVER_ENDS = "never end"


# --- What is taken out ---


def due_jobs_evict_nobody(patch: pytest.MonkeyPatch) -> None:
    def only_if_it_fits(cycle: Cycle, ticket: Ticket) -> None:
        if cycle.trial.fits(ticket.demand):
            cycle.start(ticket)

    patch.setattr(guests, "_secure_due", only_if_it_fits)


def the_shadow_is_not_told_of_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Shadow, "finish", lambda *_: None)


def any_place_is_taken_for_the_claim(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Claims, "adopt", lambda *_: True)


def places_are_renamed_without_a_second_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Claims, "_fulfil", lambda *_: True)


def the_shadow_is_not_consulted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Engine, "_become_due", lambda *_: None)


def due_jobs_are_evicted(patch: pytest.MonkeyPatch) -> None:
    def anybody(cycle: Cycle) -> list[Ticket]:
        return [other for other in cycle.state.running.values() if cycle.evictable(other)]

    patch.setattr(Cycle, "_loose", property(anybody))
    patch.setattr(GuestPolicy, "gives_way", lambda *_: True)


def evictions_ignore_the_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GuestPolicy, "gives_way", lambda *_: True)


def whoever_stays_is_evicted(patch: pytest.MonkeyPatch) -> None:
    def the_others_too(cycle: Cycle) -> list[Ticket]:
        running = cycle.state.running.values()
        stopping = cycle.state.stopping.values()
        return [other for other in running if not other.anchored and other not in stopping]

    patch.setattr(Cycle, "_loose", property(the_others_too))


def evicted_jobs_go_to_the_end(patch: pytest.MonkeyPatch) -> None:
    back = Engine._back_in_line

    def to_the_end(self: Engine, ticket: Ticket) -> None:
        ticket.key = (*ticket.key[:3], ticket.number + 1_000_000)
        back(self, ticket)

    patch.setattr(Engine, "_back_in_line", to_the_end)


def evictions_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    take = Engine._evicted

    def uncounted(self: Engine, event: Evicted) -> None:
        ticket = self.tickets[event.job]
        take(self, event)
        ticket.evictions = 0

    patch.setattr(Engine, "_evicted", uncounted)


def nobody_may_be_a_guest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GuestPolicy, "fill", lambda *_: None)


def what_is_kept_is_given_away(patch: pytest.MonkeyPatch) -> None:
    def note_only(cycle: Cycle, ticket: Ticket, soon: Space) -> None:  # noqa: ARG001 - the trial stays as it is
        cycle.settled.add(ticket)

    patch.setattr(Cycle, "_keep", note_only)


def backfill_ignores_the_reservation(patch: pytest.MonkeyPatch) -> None:
    def all_that_fit(
        state: SchedulerState,
        plan: Plan,
        trial: Space,
        blocked: object,
        candidates: Sequence[Ticket],
    ) -> None:
        del state, blocked
        for ticket in candidates:
            if trial.fits(ticket.demand):
                trial.take(ticket.demand)
                plan.starts.append(Planned(ticket, IN_POOL))

    patch.setattr(queueing, "_fill", all_that_fit)


def backfill_looks_at_the_present_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pool, "overlap", lambda self, _: self.copy())


def room_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    def take(self: Pool, demand: Demand) -> Placement:
        self.gpu_milli_free -= demand.gpu_milli
        return IN_POOL

    patch.setattr(Pool, "fits", lambda self, demand: demand.gpu_milli <= self.gpu_milli_total)
    patch.setattr(Pool, "take", take)


def capacity_comes_back_twice(patch: pytest.MonkeyPatch) -> None:
    release = Engine._release

    def twice(self: Engine, ticket: Ticket) -> None:
        release(self, ticket)
        self.state.space.give_back(ticket.demand, ticket.placement)

    patch.setattr(Engine, "_release", twice)


def capacity_leaks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pool, "give_back", lambda *_: None)


def half_a_gang_starts(patch: pytest.MonkeyPatch) -> None:
    start = Engine._start

    def without_the_last(self: Engine, planned: Planned) -> None:
        start(self, planned)
        ticket = planned.ticket
        self.state.ends.remove(ticket)
        ticket.placement = Placement(ticket.placement.workers[:-1])
        self.state.ends.add(ticket)

    patch.setattr(Engine, "_start", without_the_last)


def over_runs_are_not_corrected(patch: pytest.MonkeyPatch) -> None:
    def as_before(
        self: Guarded,  # noqa: ARG001 - as before
        job: object,  # noqa: ARG001 - as before
        estimate: Estimate,
        tau: float,
        *_: object,
    ) -> tuple[float, int]:
        return estimate.at(tau), 0

    patch.setattr(Guarded, "correct", as_before)


def more_is_saved_than_was_done(patch: pytest.MonkeyPatch) -> None:
    end = Simulation._end

    def generous(self: Simulation, *args: object) -> Event:
        event = end(self, *args)  # type: ignore[arg-type]  # passed on as they came
        if not isinstance(event, Evicted):
            return event
        return Evicted(at_s=event.at_s, job=event.job, saved_s=event.saved_s + 1.0)

    patch.setattr(Simulation, "_end", generous)


def failed_starts_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    def forget(self: Engine, event: StartFailed) -> None:
        self._release(self.tickets[event.job])

    patch.setattr(Engine, "_start_failed", forget)


def started_jobs_stay_in_line(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KeyedLine, "remove", lambda *_: None)


def infeasible_jobs_stand_in_line(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pool, "ever_fits", lambda *_: None)


def only_the_head_is_frozen(patch: pytest.MonkeyPatch) -> None:
    freeze = Shares.freeze
    patch.setattr(Shares, "freeze", lambda self, tickets: freeze(self, list(tickets)[-1:]))


# --- What has to see it ---


class Row(NamedTuple):
    """One break: what is taken out, where it shows, and what shows it."""

    patch: Patch
    policy: str
    seen_by: str
    shape: Shape = Shape(jobs_max=20)
    estimates: str = "limit"


CROWDED = Shape(gpus_max=8, jobs_max=60, gap_s_max=5)
SLOW = Shape(gpus_max=8, jobs_max=20, grace_s=5.0)
SOME_STAY = Shape(gpus_max=8, jobs_max=40, gap_s_max=6, grace_s=5.0, evictable=Evictable.SOME)
LONG = Shape(jobs_max=20, run_s_min=1)
ODD = Shape(gpus_per_node=4, gpus_max=16, jobs_max=14, worker_gpus=(1, 2, 3))
ON_NODES = Shape(gpus_per_node=4, gpus_max=16, jobs_max=12)
TOO_SHORT = "noisy:1"

ROWS = [
    Row(due_jobs_evict_nobody, "fair", LATE),
    Row(the_shadow_is_not_told_of_ends, "fair", "T3 whom the strict queue started is due"),
    Row(the_shadow_is_not_consulted, "efficient", "T3 whom the strict queue started is due"),
    Row(any_place_is_taken_for_the_claim, "fair", LATE, ODD),
    Row(places_are_renamed_without_a_second_look, "fair", LATE, ODD),
    Row(due_jobs_are_evicted, "fair", "T3 nobody evicts a due job"),
    Row(evictions_ignore_the_order, "fair", "T3 evictions follow the order"),
    Row(
        whoever_stays_is_evicted, "fair", "T6 only evictable jobs", Shape(evictable=Evictable.SOME)
    ),
    Row(evicted_jobs_go_to_the_end, "fair", "T3 jobs keep their place"),
    Row(evictions_are_not_counted, "fair", "T6 evictions are bounded", CROWDED),
    Row(nobody_may_be_a_guest, "fair", "T7 no idle GPU"),
    Row(what_is_kept_is_given_away, "fair", "no end after", SLOW),
    Row(only_the_head_is_frozen, "share", "nobody is evicted in vain", SOME_STAY),
    Row(backfill_ignores_the_reservation, "easy", "T1 a reservation never moves later"),
    Row(backfill_ignores_the_reservation, "easy", NOT_EASY, LONG),
    Row(backfill_looks_at_the_present_only, "easy", "T1 a reservation never moves later"),
    Row(backfill_looks_at_the_present_only, "easy", NOT_EASY, LONG),
    Row(room_is_not_checked, "easy", "T8 never over capacity"),
    Row(capacity_comes_back_twice, "easy", "T8 no capacity lost or given twice"),
    Row(capacity_leaks, "fifo", "T8 no capacity lost or given twice"),
    Row(half_a_gang_starts, "fifo", "T8 whole gangs", ON_NODES),
    Row(over_runs_are_not_corrected, "easy", "running jobs end later", estimates=TOO_SHORT),
    Row(more_is_saved_than_was_done, "fair", "nothing is saved that was not done"),
    Row(failed_starts_are_forgotten, "fifo", "states say", Shape(start_failures_share=0.2)),
    Row(started_jobs_stay_in_line, "fifo", "nothing lost: the line is who is queued"),
    Row(infeasible_jobs_stand_in_line, "fifo", NEVER_ENDS),
]


def watches(row: Row) -> Watches:
    """Return the watches of the policy, and T1 where limits are believed."""
    believed = row.policy == "easy" and row.seen_by.startswith("T1")

    def watched(engine: Engine) -> Sequence[Sink]:
        return [*watches_of(engine), *([HeadReservation(engine)] if believed else [])]

    return watched


def compared(row: Row, scenario: Scenario, record: Record) -> str:
    """Compare with what must be; say what differs."""
    ended = record.end_s().keys() | record.refused().keys()
    if len(ended) < len(scenario.jobs):
        return f"{len(scenario.jobs) - len(ended)} jobs {NEVER_ENDS}"
    at_once = row.shape.grace_s == 0.0 and row.shape.evictable is Evictable.ALL
    if row.policy == "fair" and at_once:
        return LATE if lateness_s(scenario, record, strictly(scenario)) else ""
    if row.policy == "easy" and row.estimates == "limit":
        return NOT_EASY if differs_from_easy(scenario, record) else ""
    return ""


def strictly(scenario: Scenario) -> Mapping[str, float]:
    """Return when jobs start in the strict queue; on nodes that is the `fifo` policy."""
    if not scenario.nodes:
        return strict_starts(scenario.gpu_milli, scenario.requests())
    starts = play(scenario, "fifo", source_of("true")).last_start_s()
    return {str(job): start_s for job, start_s in starts.items()}


def differs_from_easy(scenario: Scenario, record: Record) -> bool:
    requests = [
        request._replace(estimate_s=limit_of(entry.job))
        for request, entry in zip(scenario.requests(), scenario.jobs, strict=True)
    ]
    return record.last_start_s() != Easy(scenario.gpu_milli, requests).starts


def findings(row: Row, seeds: int = 25) -> set[str]:
    """Play until something is seen; return what."""
    found: set[str] = set()
    for seed in range(seeds):
        scenario = draw(seed, row.shape)
        try:
            source = source_of(row.estimates)
            record = play(scenario, row.policy, source, watches(row), batches_max=2000)
        except AssertionError as seen:
            found.add(str(seen))
        else:
            found.add(compared(row, scenario, record))
    return found - {""}


def name(row: Row) -> str:
    return f"{row.patch.__name__}-{row.policy}"


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_break_is_seen(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    row.patch(monkeypatch)
    found = findings(row)

    assert any(row.seen_by in words for words in found), found


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_without_the_break_nothing_is_seen(row: Row) -> None:
    assert findings(row, seeds=6) == set()
