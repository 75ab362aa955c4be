"""What a GPU reaches of its data sheet: ten numbers of a type, and six that all types share.

Kept as natural logarithms, in which a fit cannot make a rate negative and a deviation means the
same for a large GPU and a small one.
"""

from __future__ import annotations

from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Number = TypeVar("Number", float, Floats)


class Traits(NamedTuple, Generic[Number]):
    """How one GPU type departs from its data sheet; all but the last two are logarithms."""

    peak: Number
    """Share of the peak that a product without edges, waves or transfers reaches."""
    ramp: Number
    """Waves' worth of time that a kernel loses to filling and draining the GPU."""
    launch: Number
    """Seconds that each kernel takes beside its work."""
    bandwidth: Number
    """Share of the memory bandwidth that is reached."""
    thrash: Number
    """How much longer a product with a depth of 16,384 takes whose operands are huge."""
    thrash_bytes: Number
    """Size of the operands from which on they are called huge."""
    batched: Number
    """What batched products reach beside single ones."""
    tensor: Number
    """What matrix units reach of their peak beside plain units of theirs."""
    short_rows: Number
    """Price of each halving of a tile's rows below 128; 0 where any tile is as good."""
    short_columns: Number
    """Price of each halving of a tile's columns below 128."""


class Shared(NamedTuple, Generic[Number]):
    """What the types have in common; all but the first are logarithms."""

    quantised: Number
    """How strictly tiles come in whole waves, on the logistic scale."""
    lead: Number
    """Depth that a tile's prologue and epilogue cost."""
    corner: Number
    """How sharply the roofline bends from memory to arithmetic."""
    split: Number
    """Traffic of summing a product's depth up in several parts."""
    thrash_power: Number
    """How steeply the cost of huge operands sets in."""
    thrash_depth: Number
    """How that cost grows with the depth."""


TRAIT_COUNT: Final = len(Traits._fields)
SHARED_COUNT: Final = len(Shared._fields)


def trait_columns(values: Floats) -> Traits[Floats]:
    """Give the rows of an array, or the numbers of a vector, their names."""
    return Traits(*values)


def shared_columns(values: Floats) -> Shared[Floats]:
    """Give the numbers of a vector their names."""
    return Shared(*values)
