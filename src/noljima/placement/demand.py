"""A gang compiled to plain ints, once, for the paths that run for every event."""

from __future__ import annotations

from noljima.model.resources import Gang


class Demand:
    """What a gang asks of a space.

    Demands of equal gangs are equal and hash alike, so that a plan can remember that a shape did
    not fit and need not ask again for the next job of that shape.
    """

    __slots__ = ("_hash", "gang", "gpu_milli", "workers")

    def __init__(self, gang: Gang) -> None:
        self.gang = gang
        self.gpu_milli = gang.gpu_milli
        self.workers = gang.workers
        self._hash = hash(gang)

    def __hash__(self) -> int:
        """Hash as computed once."""
        return self._hash

    def __eq__(self, other: object) -> bool:
        """Compare by gang."""
        return self is other or (isinstance(other, Demand) and self.gang == other.gang)


class Demands:
    """Interns demands: equal gangs share one, so that comparing two is comparing identities."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Gang, Demand] = {}

    def of(self, gang: Gang) -> Demand:
        """Return the one demand of this gang."""
        demand = self._known.get(gang)
        if demand is None:
            demand = self._known[gang] = Demand(gang)
        return demand
