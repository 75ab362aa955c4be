"""What is between GPUs, as latency and bandwidth, and what exchanges over it cost.

The costs are those of ring algorithms in Hockney's model: a message of S bytes takes alpha plus S
over beta. Sources: Hockney, "The communication challenge for MPP", Parallel Computing 20(3), 1994;
Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in MPICH",
IJHPCA 19(1), 2005; Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms", JPDC 69(2), 2009.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from noljima.model.bounds import InvalidFieldError

_GIGA: Final = 1e9


class Link(NamedTuple):
    """One GPU's or one node's way out, in one direction."""

    latency_s: float
    bytes_per_s: float
    """As the sheet has it."""
    reached: float
    """Share of it that a long message gets."""
    source: str

    @property
    def rate(self) -> float:
        """Return the bytes a second that a long message gets."""
        return self.bytes_per_s * self.reached

    def shared_by(self, ranks: float) -> Link:
        """Return what each of several users of the link gets at once."""
        return self._replace(bytes_per_s=self.bytes_per_s / max(1.0, ranks))


_NCCL: Final = "NVIDIA NCCL tests, PERFORMANCE.md: bus bandwidth beside the link's"
_TCP: Final = "Paleo, ICLR 2017: share of the wire that TCP exchanges reached (0.56 to 1.0)"


def _nvlink(gigabytes: float) -> Link:
    return Link(10e-6, gigabytes * _GIGA, 0.8, f"data sheet; reached: {_NCCL}")


def _pcie(gigabytes: float) -> Link:
    return Link(15e-6, gigabytes * _GIGA, 0.7, f"PCI-SIG, 16 lanes; reached: {_NCCL}")


def _infiniband(gigabits: float) -> Link:
    return Link(10e-6, gigabits / 8 * _GIGA, 0.85, f"IBTA roadmap; reached: {_NCCL}")


def _ethernet(gigabits: float) -> Link:
    return Link(50e-6, gigabits / 8 * _GIGA, 0.7, f"IEEE 802.3; reached: {_TCP}")


LINKS: Final[Mapping[str, Link]] = {
    "nvlink1": _nvlink(80),
    "nvlink2": _nvlink(150),
    "nvlink3": _nvlink(300),
    "nvlink4": _nvlink(450),
    "infinity-fabric": _nvlink(50),
    "pcie2": _pcie(8),
    "pcie3": _pcie(15.75),
    "pcie4": _pcie(31.5),
    "pcie5": _pcie(63),
    "infiniband-fdr": _infiniband(56),
    "infiniband-edr": _infiniband(100),
    "infiniband-hdr": _infiniband(200),
    "infiniband-ndr": _infiniband(400),
    "ethernet-1": _ethernet(1),
    "ethernet-10": _ethernet(10),
    "ethernet-25": _ethernet(25),
    "ethernet-50": _ethernet(50),
    "ethernet-100": _ethernet(100),
    "ethernet-200": _ethernet(200),
}


def find(field: str, name: str) -> Link:
    """Return the link of this name, or refuse it."""
    if name not in LINKS:
        raise InvalidFieldError(field, name, f"is not one of {', '.join(LINKS)}")
    return LINKS[name]


def all_reduce_s(size: float, ranks: float, link: Link) -> float:
    """Return the time of a ring all-reduce of so many bytes on each rank."""
    return 2.0 * reduce_scatter_s(size, ranks, link)


def reduce_scatter_s(size: float, ranks: float, link: Link) -> float:
    """Return the time of a ring reduce-scatter of so many bytes on each rank."""
    if ranks <= 1:
        return 0.0
    return (ranks - 1) * (link.latency_s + size / ranks / link.rate)


def all_gather_s(size: float, ranks: float, link: Link) -> float:
    """Return the time of a ring all-gather that leaves so many bytes on each rank."""
    return reduce_scatter_s(size, ranks, link)


def all_to_all_s(size: float, ranks: float, link: Link) -> float:
    """Return the time in which each rank of `ranks` spreads so many bytes evenly over all."""
    return reduce_scatter_s(size, ranks, link)


def send_s(size: float, link: Link) -> float:
    """Return the time of one message."""
    return link.latency_s + size / link.rate


class Fabric(NamedTuple):
    """The links of a site: inside a node, and from node to node."""

    inside: Link
    between: Link
    """All of a node's ports together."""
    gpus_per_node: int

    def all_reduce_s(self, size: float, ranks: int, apart: int = 1) -> float:
        """Return the time of an all-reduce over ranks that lie `apart` GPUs from each other.

        Where they fill several nodes it goes in three steps: a reduce-scatter inside each node, an
        all-reduce of the parts between the nodes, and an all-gather inside.
        """
        local = self.ranks_inside(ranks, apart)
        nodes = math.ceil(ranks / local)
        inside = 2.0 * reduce_scatter_s(size, local, self.inside)
        # Each local rank exchanges its part at once, and so do the groups that lie between them.
        crowd = self.between.shared_by(min(self.gpus_per_node, local * apart))
        return inside + all_reduce_s(size / local, nodes, crowd)

    def send_s(self, size: float, apart: int) -> float:
        """Return the time of a message between GPUs so far apart, all GPUs sending at once."""
        if apart < self.gpus_per_node:
            return send_s(size, self.inside)
        return send_s(size, self.between.shared_by(self.gpus_per_node))

    def ranks_inside(self, ranks: int, apart: int) -> int:
        """Return how many of these ranks share a node."""
        return max(1, min(ranks, self.gpus_per_node // apart))
