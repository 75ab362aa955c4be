"""The fair-share policy: who has used least goes next, and quotas bound and protect queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from noljima.config import QueueSettings
from noljima.policy.cycle import Cycle
from noljima.policy.guests import GuestPolicy, GuestTerms
from noljima.policy.line import Line
from noljima.policy.order import Order
from noljima.policy.shares import Shares
from noljima.policy.state import Plan, SchedulerState
from noljima.policy.ticket import Ticket

HALF_LIFE_S: Final = 7 * 86400.0


class SharePolicy(GuestPolicy):
    """Main line by decayed usage over shares, guests in every hole, quotas with borrowing.

    The order changes with what everybody uses, so that there is no strict queue to compare with.
    Instead the head is frozen: once a job has become the first that must wait, it stays first. So
    does a job for which others were told to go, or they might have gone for nothing.
    A job within its queue's quota takes its GPUs back from whoever has borrowed them.
    """

    keeps_shadow = False

    def __init__(
        self,
        queues: Sequence[QueueSettings] = (),
        half_life_s: float = HALF_LIFE_S,
        terms: GuestTerms | None = None,
    ) -> None:
        super().__init__("share", Order.SUBMIT, terms)
        self.shares = Shares(queues, half_life_s)
        # Whom a guest has jumped: it is main line once that job waits no longer.
        self._jumped: dict[Ticket, Ticket] = {}

    def new_line(self) -> Line:
        """Return the tree itself."""
        return self.shares

    def plan(self, state: SchedulerState, arrived: Ticket | None) -> Plan:
        """Bring the shares up to date, then plan as with any order."""
        self.shares.settle(state.now_s, list(state.running.values()))
        waiting = set(state.line)
        self._jumped = {
            guest: head
            for guest, head in self._jumped.items()
            if head in waiting and guest.job.id in state.running
        }
        return super().plan(state, arrived)

    def gives_way(self, other: Ticket, ticket: Ticket) -> bool:
        """Let guests give way to the head they jumped, and borrowers to those with a right."""
        if other in self._jumped:
            return True
        return self.shares.has_right(ticket) and self.shares.borrows(other)

    def admits(self, ticket: Ticket) -> bool:
        """Keep queues within their quotas."""
        return self.shares.admits(ticket)

    def count(self, ticket: Ticket) -> None:
        """Count a job as holding its GPUs already: a quota that is spoken for is not given away."""
        self.shares.charge(ticket)

    def fill(self, cycle: Cycle, head: Ticket) -> None:
        """Note whom each guest has jumped."""
        super().fill(cycle, head)
        for planned in cycle.plan.starts:
            if planned.guest:
                self._jumped[planned.ticket] = head

    def main_line(self, cycle: Cycle) -> Ticket | None:
        """Freeze those whose place is being cleared, and whoever must wait first behind them."""
        head = super().main_line(cycle)
        self.shares.freeze(cycle.kept if head is None else [*cycle.kept, head])
        return head
