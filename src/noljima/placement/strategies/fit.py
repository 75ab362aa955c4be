"""The classic rules: one number for each node, the smallest wins.

They are here to compare with. Best fit, dot product and GPU packing follow their definitions in
the artifact of "Beware of Fragmentation" (Weng et al., USENIX ATC 2023), with its constants: a
large node has 128 CPUs and 8 GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from noljima.model.resources import GPU
from noljima.placement.shapes import Field, Shape
from noljima.placement.states import UNLIMITED, FloatArray, IntArray
from noljima.placement.strategies.choice import emptiest, fullest, one_by_one

CPU_MILLI_LARGE: Final = 128_000
GPU_MILLI_LARGE: Final = 8_000
CPU_PER_GPU: Final = CPU_MILLI_LARGE // GPU_MILLI_LARGE


class _OneByOne:
    """Workers one after the other, each on the cheapest node, fractions on the fullest GPU."""

    def gpus(self, shape: Shape, state: int) -> tuple[int, ...]:
        """Choose the fullest GPU with room for a fraction, the first free ones for whole GPUs."""
        return fullest(shape, state)

    def rows(self, shape: Shape, field: Field, workers: int) -> Iterator[tuple[int, int]]:
        """Give the cheapest node for each worker in turn."""
        return one_by_one(shape, field, workers)


class FirstFit(_OneByOne):
    """The first node in node order that has room."""

    name: Final = "first-fit"

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:  # noqa: ARG002 - all are alike
        """Rate all nodes alike."""
        return np.zeros(len(ids))


class BestFit(_OneByOne):
    """The node with the least CPU and GPUs left, weighed by what a large node has of each."""

    name: Final = "best-fit"

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        """Rate by what is free; what the worker takes is the same everywhere."""
        costs: FloatArray = _free(shape, ids).astype(np.float64)
        return costs


class WorstFit(_OneByOne):
    """The node with the most CPU and GPUs left: spreads workers out."""

    name: Final = "worst-fit"

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        """Rate by what is free, the most first."""
        costs: FloatArray = -_free(shape, ids).astype(np.float64)
        return costs

    def gpus(self, shape: Shape, state: int) -> tuple[int, ...]:
        """Choose the emptiest GPU for a fraction, the first free ones for whole GPUs."""
        return emptiest(shape, state)


class DotProduct(_OneByOne):
    """The node whose free amounts are least like the need (Tetris, Grandl et al., SIGCOMM 2014).

    Scores are whole numbers from 0 to 100 as in the artifact, where many nodes tie and node order
    decides; finer scores allocate about a percent less.
    """

    name: Final = "dot-product"

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        """Rate by the product of free amounts and need, each as a share of a large node."""
        load = shape.load
        cpu = _cpu(shape, ids) / CPU_MILLI_LARGE * (load.cpu_milli / CPU_MILLI_LARGE)
        need = load.gpus * load.gpu_milli / GPU_MILLI_LARGE
        gpu = shape.states.gpu_milli_sum[ids] / GPU_MILLI_LARGE * need
        costs: FloatArray = -np.floor(100 * (1 - (cpu + gpu) / 2))
        return costs


class GpuPacking(_OneByOne):
    """Shared GPUs before free GPUs of a used node before free nodes."""

    name: Final = "gpu-packing"

    def costs(self, shape: Shape, ids: IntArray) -> FloatArray:
        """Rate shared GPUs 0 to 50, free GPUs of a used node 51 to 67, free nodes 68 to 100."""
        states, load = shape.states, shape.load
        if not load.gpus:
            return np.zeros(len(ids))
        milli = states.gpu_milli[ids]
        total = np.array([kind.gpus for kind in states.kinds])[states.kind[ids]]
        free = (milli == GPU).sum(axis=1)
        shared = np.where(milli >= load.gpu_milli, milli, GPU).min(axis=1)
        score = np.where(
            shared < GPU, 100 - shared // 100, np.maximum(50 - load.gpus, 33)
        )  # `shared` is a whole GPU where no shared one has room, and for whole GPUs always
        score = np.where(free == total, np.maximum(33 - free, free), score)
        costs: FloatArray = (100 - score).astype(np.float64)
        return costs


def _free(shape: Shape, ids: IntArray) -> IntArray:
    free: IntArray = _cpu(shape, ids) + shape.states.gpu_milli_sum[ids] * CPU_PER_GPU
    return free


def _cpu(shape: Shape, ids: IntArray) -> IntArray:
    """Return the free CPU; nothing where a node never told, so that it weighs nothing."""
    cpu = shape.states.cpu_milli[ids]
    return np.where(cpu == UNLIMITED, 0, cpu)
