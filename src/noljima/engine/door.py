"""The engine's door: what events say in numbers, before anything is changed by it.

Events refuse by themselves what no number can be. Here is what only the engine knows: what time it
was before, and how long a job has worked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.events import Event, Evicted
from noljima.policy.ticket import Ticket

# By so much the clocks of two machines may differ before it is worth a word.
_CLOCKS_S: Final = 1.0


def check_times(events: Sequence[Event], since_s: float) -> None:
    """Refuse times that are none, and time that goes back."""
    for event in events:
        at_s = event.at_s
        if not since_s <= at_s <= bounds.SECONDS_MAX:  # also true for NaN
            bounds.seconds("at_s", at_s)
            raise InvalidFieldError("at_s", at_s, f"is before {since_s}, the time of the last")
        since_s = at_s


class Doubts:
    """What was not believed: how often, and the last of it in words."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""

    def saved_s(self, event: Evicted, ticket: Ticket) -> float:
        """Return how much work is believed to be saved: no more than there was time for.

        The number may come from the job itself, so that it must neither stop the scheduler nor
        make more of the cluster's work than was done.
        """
        most_s = ticket.saved_s + max(event.at_s - ticket.start_s, 0.0)
        if event.saved_s > most_s + _CLOCKS_S:
            limit = f"is more than the {most_s:g} s that job {event.job} has worked"
            self.count += 1
            self.last = str(InvalidFieldError("saved_s", event.saved_s, limit))
        return min(event.saved_s, most_s)
