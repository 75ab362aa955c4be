"""The strategies by name, as people choose them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import GPU, Resources
from noljima.placement.shapes import Strategy
from noljima.placement.strategies.chance import Random
from noljima.placement.strategies.fit import BestFit, DotProduct, FirstFit, GpuPacking, WorstFit
from noljima.placement.strategies.gradient import Fgd
from noljima.placement.strategies.pack import Pack
from noljima.placement.strategies.refill import Refill
from noljima.placement.strategies.typical import Usual, usual_of

# name -> (how it is built, one line for people).
_STRATEGIES: Final[dict[str, tuple[Callable[[int, Usual], Strategy], str]]] = {
    "pack": (
        lambda _seed, _usual: Pack(),
        "whole nodes from one end, smaller jobs from the other; fewest nodes, then racks",
    ),
    "refill": (
        lambda _seed, usual: Refill(usual),
        "where the least stays idle once usual workers have filled the node again",
    ),
    "fgd": (
        lambda _seed, usual: Fgd(usual),
        "where the least breaks of what usual workers need (ATC'23)",
    ),
    "best-fit": (lambda _seed, _usual: BestFit(), "the node with the least CPU and GPUs left"),
    "gpu-packing": (
        lambda _seed, _usual: GpuPacking(),
        "shared GPUs before free GPUs of a used node before free nodes",
    ),
    "dot-product": (
        lambda _seed, _usual: DotProduct(),
        "the node whose free amounts are least like the need (Tetris)",
    ),
    "first-fit": (lambda _seed, _usual: FirstFit(), "the first node in node order"),
    "worst-fit": (
        lambda _seed, _usual: WorstFit(),
        "the node with the most left: spreads workers out; also called spread",
    ),
    "random": (lambda seed, _usual: Random(seed), "any node that has room, from the seed"),
}
_OTHER_NAMES: Final = {"spread": "worst-fit"}

NAMES: Final = tuple(_STRATEGIES)

ANYBODY: Final = usual_of(
    {
        (Resources(gpu_milli=gpu_milli), ()): times
        for gpu_milli, times in (
            (GPU // 2, 8), (GPU, 8), (2 * GPU, 4), (4 * GPU, 2), (8 * GPU, 1),
        )
    }
)  # fmt: skip
"""The usual workers where nobody knows them: each size brings as many GPUs as the next."""


def strategy_of(name: str, *, seed: int = 0, usual: Usual = ANYBODY) -> Strategy:
    """Build the strategy of this name; `usual` is what `refill` and `fgd` know of the future."""
    found = _STRATEGIES.get(_OTHER_NAMES.get(name, name))
    if found is None:
        raise InvalidFieldError("placement", name, f"is none of: {', '.join(NAMES)}")
    build, _ = found
    return build(seed, usual)


def describe(name: str) -> str:
    """Say in a line what a strategy does."""
    return _STRATEGIES[name][1]
