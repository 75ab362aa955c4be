"""A node by chance, from a seed: what any other strategy must beat.

The chance is a hash of the seed and of what is free (splitmix64, Steele et al., OOPSLA 2014), not a
stream: the same free capacity gives the same placement, on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from noljima.model.resources import GPU
from noljima.placement.shapes import Field, Shape
from noljima.placement.states import FloatArray, IntArray
from noljima.placement.strategies.choice import first_free, with_room

Words = npt.NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


class Random:
    """Any node that has room, each as likely; for a fraction any GPU of it that has room."""

    name: Final = "random"

    def __init__(self, seed: int = 0) -> None:
        self._seed = mixed(np.array([seed & 0xFFFF_FFFF_FFFF_FFFF], np.uint64))

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:  # noqa: ARG002 - all are alike
        """Rate all nodes alike."""
        return np.zeros(len(ids))

    def gpus(self, shape: Shape, state: int) -> tuple[int, ...]:
        """Choose any GPU that has room for a fraction, the first free ones for whole GPUs."""
        if not shape.load.gpus:
            return ()
        if shape.load.gpu_milli == GPU:
            return first_free(shape, state)
        row = shape.states.rows[state]
        chance = self._seed
        for amount in (*row.gpu_milli, row.cpu_milli, row.memory_mib):
            chance = mixed(chance ^ np.array([amount], np.int64).view(np.uint64))
        gpus = with_room(shape, state)
        return (gpus[int(chance[0] % np.uint64(len(gpus)))],)

    def rows(self, shape: Shape, field: Field, workers: int) -> Iterator[tuple[int, int]]:
        """Give a node by chance for each worker in turn."""
        places = np.arange(len(field.column), dtype=np.uint64) * _GOLDEN
        for _ in range(workers):
            chances = mixed(places ^ self._seed ^ _digest(shape, field.column))
            chances[shape.capacity.take(field.column) == 0] = 0
            yield int(chances.argmax()), 1


def mixed(words: Words) -> Words:
    """Mix 64-bit words; each bit of the outcome depends on all bits of its word."""
    words = words + _GOLDEN
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))


def _digest(shape: Shape, column: IntArray) -> np.uint64:
    """Return a word that depends on what is free of every node, and where."""
    states = shape.states
    words = np.arange(len(column), dtype=np.uint64)
    for amounts in (states.gpu_milli_sum, states.cpu_milli, states.memory_mib):
        words = mixed(words ^ amounts.take(column).view(np.uint64))
    digest: np.uint64 = np.bitwise_xor.reduce(words)
    return digest
