"""The packing benchmark: how much of a cluster's GPUs each strategy allocates, seed by seed.

Pods come in an order by chance until they have asked for so many times the cluster's GPUs; none
ever goes, and one that does not fit is left out. So does the published benchmark of "Beware of
Fragmentation" (Weng et al., USENIX ATC 2023).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean
from typing import Final, NamedTuple

import msgspec

from noljima.model.node import Node
from noljima.model.resources import GPU, Gang
from noljima.placement.demand import Demand, Demands
from noljima.placement.grid import Grid
from noljima.placement.packing import arrivals
from noljima.placement.strategies import strategy_of
from noljima.placement.strategies.typical import Usual, usual_workers
from noljima.workload.openb import resampled, shuffled

Tick = Callable[[int], None]
Clock = Callable[[], float]

_TICK_PODS: Final = 200


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy made of one seed's pods."""

    placement: str
    seed: int
    gpu_allocation: float
    """Percent of the cluster's GPU milli that are allocated in the end."""
    pods: int
    placed: int
    refused: int
    wall_s: float
    pods_per_s: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All runs, as they are written to JSON."""

    trace: str
    cluster: str
    demand: float
    runs: tuple[Run, ...]
    means: dict[str, float]
    """GPU allocation by placement, over the seeds."""


class Curve(msgspec.Struct, frozen=True):
    """Percent allocated after each whole percent of the cluster's GPUs that was asked for."""

    placement: str
    allocated: tuple[float, ...]


class Benchmark:
    """A cluster and the pods that are offered to it."""

    def __init__(self, nodes: Sequence[Node], pods: Sequence[Gang], demand: float) -> None:
        self._nodes = nodes
        self._pods = pods
        self._demand = demand
        self._gpu_milli = sum(node.gpus for node in nodes) * GPU
        self._usual: Usual = usual_workers(group for pod in pods for group in pod.groups)

    def arriving(self, seed: int) -> list[Demand]:
        """Return the pods of a seed, in the order in which they come."""
        demands = Demands()
        wanted = int(self._gpu_milli * self._demand)
        return [demands.of(pod) for pod in resampled(self._pods, wanted, seed)]

    def run(self, placement: str, seed: int, clock: Clock, tick: Tick) -> tuple[Run, Curve]:
        """Offer a seed's pods to an empty cluster; `tick` hears of every few hundred pods."""
        demands = self.arriving(seed)
        grid = Grid(strategy_of(placement, seed=seed, usual=self._usual))
        for node in shuffled(self._nodes, seed):
            grid.set_node(node)
        placed = allocated = 0
        curve = [0.0]
        begun_s = clock()
        for pod, now in enumerate(arrivals(grid, demands), start=1):
            placed += now.placed
            allocated = now.gpu_milli_allocated
            while now.gpu_milli_arrived * 100 >= len(curve) * self._gpu_milli:
                curve.append(self._percent(allocated))
            if not pod % _TICK_PODS:
                tick(_TICK_PODS)
        wall_s = clock() - begun_s
        tick(len(demands) % _TICK_PODS)
        run = Run(
            placement=placement,
            seed=seed,
            gpu_allocation=self._percent(allocated),
            pods=len(demands),
            placed=placed,
            refused=len(demands) - placed,
            wall_s=round(wall_s, 3),
            pods_per_s=round(len(demands) / wall_s, 1) if wall_s else 0.0,
        )
        return run, Curve(placement, tuple(curve))

    def _percent(self, gpu_milli: int) -> float:
        return round(100 * gpu_milli / self._gpu_milli, 4)


def means_of(runs: Iterable[Run]) -> dict[str, float]:
    """Average the allocation of each placement over its seeds."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for run in runs:
        found[run.placement].append(run.gpu_allocation)
    return {placement: round(fmean(shares), 4) for placement, shares in found.items()}


def table(runs: Sequence[Run]) -> str:
    """Write a line for each placement: its mean allocation, the best first."""
    lines = [("placement", "GPU allocation %", "lowest", "highest", "seeds", "pods/s")]
    means = means_of(runs)
    for placement in sorted(means, key=lambda name: -means[name]):
        own = [run for run in runs if run.placement == placement]
        shares = [run.gpu_allocation for run in own]
        lines.append(
            (
                placement,
                f"{means[placement]:.2f}",
                f"{min(shares):.2f}",
                f"{max(shares):.2f}",
                str(len(own)),
                f"{fmean(run.pods_per_s for run in own):,.0f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(line, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(words.rjust(width) for words, width in others)]
    return "  ".join(cells)


def averaged(curves: Sequence[Curve]) -> list[Curve]:
    """Average the curves of each placement, as far as all its seeds go."""
    found: defaultdict[str, list[tuple[float, ...]]] = defaultdict(list)
    for curve in curves:
        found[curve.placement].append(curve.allocated)
    return [
        Curve(placement, tuple(fmean(values) for values in zip(*rows, strict=False)))
        for placement, rows in found.items()
    ]


_WIDTH: Final = 720
_HEIGHT: Final = 440
_LEFT: Final = 56
_BOTTOM: Final = 40
_FULL_FROM: Final = 70
_COLOURS: Final = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8c8c8c",
    "#7a3b9e",
)  # fmt: skip
"""After Okabe and Ito: told apart by those who see colours differently, too."""


def svg(curves: Sequence[Curve]) -> str:
    """Draw allocation against what was asked for, a line for each placement, the best on top.

    Where the cluster fills up, only that part is drawn: before it nothing is left out anywhere.
    """
    means = sorted(averaged(curves), key=lambda curve: -curve.allocated[-1])
    right = max((len(curve.allocated) for curve in means), default=2) - 1 or 1
    scale = _Scale(low=_FULL_FROM if right >= 100 else 0, right=right)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        '<g font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        *_axes(scale),
    ]
    for place, curve in enumerate(means):
        colour = _COLOURS[place % len(_COLOURS)]
        points = " ".join(
            f"{scale.across(asked):.1f},{scale.down(share):.1f}"
            for asked, share in enumerate(curve.allocated)
            if asked >= scale.low and share >= scale.low
        )
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>'
        )
        words = f"{curve.placement} {curve.allocated[-1]:.2f} %"
        across, down = _WIDTH - 30, _HEIGHT - _BOTTOM - 16 * (len(means) - place)
        parts.append(
            f'<text x="{across}" y="{down}" text-anchor="end" fill="{colour}">{words}</text>'
        )
    return "\n".join([*parts, "</g>", "</svg>", ""])


class _Scale(NamedTuple):
    """Where percents are drawn."""

    low: int
    right: int

    def across(self, asked: float) -> float:
        return _LEFT + (asked - self.low) * (_WIDTH - _LEFT - 20) / (self.right - self.low)

    def down(self, allocated: float) -> float:
        return 20 + (100 - allocated) * (_HEIGHT - _BOTTOM - 20) / (100 - self.low)


def _axes(scale: _Scale) -> Iterator[str]:
    """Draw lines at every ten percent, with their numbers and what they count."""
    for share in range(scale.low, 101, 10):
        level = f"{scale.down(share):.1f}"
        yield f'<path stroke="#ddd" d="M{_LEFT},{level}H{scale.across(scale.right):.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{level}" text-anchor="end">{share}</text>'
    for asked in range(scale.low, scale.right + 1, 10):
        across, below = scale.across(asked), _HEIGHT - _BOTTOM + 16
        yield f'<text x="{across:.1f}" y="{below}" text-anchor="middle">{asked}</text>'
    words = "GPUs asked for, percent of the cluster (up: percent allocated)"
    yield f'<text x="{_WIDTH // 2}" y="{_HEIGHT - 6}" text-anchor="middle">{words}</text>'
