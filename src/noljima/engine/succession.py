"""Another engine in the place of one that has jobs: with another policy, or other settings.

What waits and runs is taken over as it stands: places, runs, saved work, estimates. What a policy
keeps for itself begins anew, the strict queue too: its guarantee holds from here on, as if all who
wait had come in this moment, in their order. Promises are made anew, and told anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from noljima.engine.engine import Engine
from noljima.model.events import NodeSeen
from noljima.model.node import Node
from noljima.policy.ticket import Ticket


def succeed(new: Engine, old: Engine, nodes: Iterable[Node]) -> Engine:
    """Let a new engine take over from an old one on these nodes; the old one is not used again."""
    now_s = old.state.now_s
    new.handle(*(NodeSeen(at_s=now_s, node=node) for node in nodes))
    for before in sorted(old.tickets.values(), key=lambda each: each.number):
        new.take_over(_copied(before), before, old.infeasible.get(before.job.id, ""))
    # What was learned is to be known; and what runs has been told of before.
    new.estimates = old.estimates
    new.state.lost_milli_s = old.state.lost_milli_s
    new.state.held_milli_s = old.state.held_milli_s
    new.validate()
    return new


def _copied(before: Ticket) -> Ticket:
    """Return the same job without a place, and without what a policy had made of it."""
    ticket = Ticket(before.job, before.number, before.submit_s, before.demand, before.estimate)
    ticket.fill_s = before.fill_s
    ticket.corrections = before.corrections
    ticket.evictable = before.evictable
    ticket.evictions = before.evictions
    ticket.cancelled = before.cancelled
    ticket.attempt = before.attempt
    ticket.saved_s = before.saved_s
    ticket._attained_s = before._attained_s  # noqa: SLF001 - the same class, to copy itself
    return ticket
