"""When a waiting job can start at the latest, if running jobs end as expected."""

from __future__ import annotations

from collections.abc import Sequence

from noljima.placement.demand import Demand
from noljima.placement.space import Space
from noljima.policy.state import Release
from noljima.policy.ticket import NEVER_S


def earliest(space: Space, releases: Sequence[Release], demand: Demand) -> tuple[float, Space]:
    """Return when the gang fits first and what is free then, the gang's own need included.

    `releases` are in order of time. Capacity only grows from one to the next, so that the first
    moment at which the gang fits is the moment from which on it fits.
    """
    future = space.copy()
    index, count = 0, len(releases)
    while index < count:
        end_s = releases[index][0]
        while index < count and releases[index][0] == end_s:
            _, _, ticket, placement = releases[index]
            future.give_back(ticket.demand, placement)
            index += 1
        # The totals tell most misses apart more cheaply than the nodes do.
        if demand.gpu_milli <= future.gpu_milli_free and future.fits(demand):
            return end_s, future
    return NEVER_S, future
