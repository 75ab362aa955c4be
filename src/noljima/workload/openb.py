"""Alibaba's openb node and pod lists, for packing: what there is and what is asked for.

The pods of a packing benchmark have no times: they come one after the other and stay. `pods` reads
the same files as a trace with times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
import numpy as np

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.node import GPUS_PER_NODE_MAX, Node
from noljima.model.resources import Gang, NodeId
from noljima.workload.chance import Chance
from noljima.workload.draft import PROBLEMS_KEPT
from noljima.workload.files import TraceError
from noljima.workload.rows import POD_COLUMNS, Row, pod_gang, read_rows, whole
from noljima.workload.trace import Problem

NODE_COLUMNS: Final = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
PODS_MAX: Final = 4_000_000
"""More than that tell nothing new and fill the memory."""

Item = TypeVar("Item")


class Listing(msgspec.Struct, Generic[Item], frozen=True):
    """The rows of a file, and those that could not be used: the first few, and how many."""

    items: tuple[Item, ...]
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0

    def __iter__(self) -> Iterator[Item]:
        """Go through the items."""
        return iter(self.items)


def read_nodes(path: Path | str, *, strict: bool = False) -> Listing[Node]:
    """Read the machines of a cluster; a second one of the same name is refused."""
    seen: set[str] = set()

    def node(row: Row) -> Node:
        if row["sn"] in seen:
            raise InvalidFieldError("sn", row["sn"], "is the name of an earlier node")
        made = _node(row)
        seen.add(row["sn"])
        return made

    return _read(path, NODE_COLUMNS, node, strict=strict)


def read_pods(path: Path | str, *, strict: bool = False) -> Listing[Gang]:
    """Read the pods, each a gang of one worker."""
    return _read(path, POD_COLUMNS, pod_gang, strict=strict)


def shuffled(nodes: Sequence[Node], seed: int) -> list[Node]:
    """Put the nodes in an order by chance: they are renamed, as nodes are ordered by name.

    The published benchmark does so, for ties between nodes go to the first in order.
    """
    rank = np.argsort(Chance(seed, "openb node order").uniform(len(nodes)), kind="stable")
    names = [NodeId(f"{place:06d}-{nodes[row].id}") for place, row in enumerate(rank.tolist())]
    return [
        msgspec.structs.replace(nodes[row], id=name)
        for name, row in zip(names, rank.tolist(), strict=True)
    ]


def resampled(pods: Sequence[Gang], gpu_milli: int, seed: int) -> list[Gang]:
    """Shuffle the pods and bring what they ask for to this amount of GPUs, from below.

    Where they ask for less, pods drawn from them follow until one more would be too much; where
    they ask for more, pods drawn from them are left out. So does the benchmark of "Beware of
    Fragmentation" (Weng et al., USENIX ATC 2023).
    """
    order = np.argsort(Chance(seed, "openb pod order").uniform(len(pods)), kind="stable").tolist()
    asked = sum(pod.gpu_milli for pod in pods)
    if asked > gpu_milli:
        leaving = Chance(seed, "openb pods left out").uniform(len(pods))
        left_out = set()
        for row in np.argsort(leaving, kind="stable").tolist():
            if asked <= gpu_milli:
                break
            asked -= pods[row].gpu_milli
            left_out.add(row)
        return [pods[row] for row in order if row not in left_out]
    return [*(pods[row] for row in order), *_drawn(pods, gpu_milli - asked, seed)]


def _drawn(pods: Sequence[Gang], gpu_milli: int, seed: int) -> Iterator[Gang]:
    """Draw pods until the next one would be too much."""
    mean = sum(pod.gpu_milli for pod in pods) / len(pods)
    if gpu_milli > PODS_MAX * mean:
        raise InvalidFieldError("demand", gpu_milli, f"takes more than {PODS_MAX:,} pods")
    chance = Chance(seed, "openb pods drawn")
    while True:
        for draw in chance.uniform(4096).tolist():
            pod = pods[int(draw * len(pods))]
            if pod.gpu_milli > gpu_milli:
                return
            gpu_milli -= pod.gpu_milli
            yield pod


def _read(
    path: Path | str, columns: Sequence[str], build: Callable[[Row], Item], *, strict: bool
) -> Listing[Item]:
    """Build an item of each row; a row that cannot be used is left out, or refuses the file."""
    items: list[Item] = []
    problems: list[Problem] = []
    count = 0

    def take(line: int, row: Row) -> None:  # noqa: ARG001 - an item has no line
        items.append(build(row))

    def refuse(line: int, words: str) -> None:
        nonlocal count
        if strict:
            raise TraceError(path, words, line=line) from None
        count += 1
        if count <= PROBLEMS_KEPT:
            problems.append(Problem(line, words))

    read_rows(path, columns, take, refuse)
    if not items:
        raise TraceError(path, "has no row that could be used")
    return Listing(tuple(items), tuple(problems), count)


def _node(row: Row) -> Node:
    return Node(
        id=NodeId(row["sn"]),
        gpus=whole(row, "gpu", GPUS_PER_NODE_MAX),
        gpu_type=row["model"],
        cpu_milli=whole(row, "cpu_milli", bounds.CPU_MILLI_MAX - 1),
        memory_mib=whole(row, "memory_mib", bounds.MEMORY_MIB_MAX - 1),
    )
