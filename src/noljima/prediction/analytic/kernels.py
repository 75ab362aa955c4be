"""What a pass through a model makes a GPU do, and how long that takes.

A load is a sequence of steps; a step may be done in one of several ways (a convolution directly or
by Winograd's algorithm), of which the fastest is taken, as the libraries' own tuning does. A way is
matrix products, bounded by `matmul`, and streams through memory, bounded by the bandwidth.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from noljima.prediction.analytic import matmul
from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.matmul import Shapes
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.traits import Floats, Shared, Traits, trait_columns


class Gpu(NamedTuple):
    """A device with what it reaches of its data sheet."""

    device: Device
    traits: Traits[float]
    shared: Shared[float]
    doubt: float = 0.45
    """Deviation of ln seconds that is left: small for a GPU that was measured itself."""
    link_rate: float | None = None
    """Bytes a second of its link inside a node, where that was measured."""


class MatrixProduct(NamedTuple):
    """`repeat` products (batch x rows x depth) by (batch x depth x columns)."""

    rows: float
    depth: float
    columns: float
    batch: float = 1.0
    repeat: float = 1.0
    batched: bool = False
    elements: float | None = None
    """Elements moved, where they are not those of the operands and the result."""

    @property
    def flops(self) -> float:
        """Count multiplications and additions."""
        return 2.0 * self.repeat * self.batch * self.rows * self.depth * self.columns


class Stream(NamedTuple):
    """`repeat` kernels that each move so many elements, and compute next to nothing."""

    elements: float
    repeat: float = 1.0


class Way(NamedTuple):
    """One way to do a step."""

    products: tuple[MatrixProduct, ...] = ()
    streams: tuple[Stream, ...] = ()


Step = tuple[Way, ...]
Load = tuple[Step, ...]


class Spent(NamedTuple):
    """Seconds of a load, by what bounds its kernels."""

    arithmetic_s: float
    memory_s: float

    @property
    def whole_s(self) -> float:
        """Return the time of all kernels."""
        return self.arithmetic_s + self.memory_s

    def times(self, count: float) -> Spent:
        """Return the time of so many such loads, one after the other."""
        return Spent(self.arithmetic_s * count, self.memory_s * count)

    def plus(self, other: Spent) -> Spent:
        """Return the time of both loads, one after the other."""
        return Spent(self.arithmetic_s + other.arithmetic_s, self.memory_s + other.memory_s)


NOTHING_SPENT = Spent(0.0, 0.0)


def plain(*kernels: MatrixProduct | Stream) -> Step:
    """Return a step that is done in one way."""
    return (
        Way(
            tuple(kernel for kernel in kernels if isinstance(kernel, MatrixProduct)),
            tuple(kernel for kernel in kernels if isinstance(kernel, Stream)),
        ),
    )


def repeated(load: Load, repeat: float) -> Load:
    """Return the load with each of its kernels so many times."""
    return tuple(tuple(_repeated(way, repeat) for way in step) for step in load)


def flops(load: Load) -> float:
    """Count the operations of the products, each step done in its first way."""
    return sum(product.flops for step in load for product in step[0].products)


def spent(load: Load, gpu: Gpu, precision: Precision) -> Spent:
    """Return how long a load takes."""
    ways = [way for step in load for way in step]
    if not ways:
        return NOTHING_SPENT
    arithmetic, memory = _ways_s(ways, gpu, precision)
    found, first = NOTHING_SPENT, 0
    for step in load:
        last = first + len(step)
        best = first + int(np.argmin(arithmetic[first:last] + memory[first:last]))
        found = found.plus(Spent(float(arithmetic[best]), float(memory[best])))
        first = last
    return found


def stream_s(elements: float, gpu: Gpu, precision: Precision) -> float:
    """Return how long one kernel takes that moves so many elements."""
    rate = gpu.device.bandwidth * math.exp(gpu.traits.bandwidth)
    return math.exp(gpu.traits.launch) + elements * precision.element_bytes / rate


def _repeated(way: Way, repeat: float) -> Way:
    products = tuple(product._replace(repeat=product.repeat * repeat) for product in way.products)
    streams = tuple(stream._replace(repeat=stream.repeat * repeat) for stream in way.streams)
    return Way(products, streams)


def _ways_s(ways: list[Way], gpu: Gpu, precision: Precision) -> tuple[Floats, Floats]:
    """Return the seconds of each way that arithmetic and that memory bounds."""
    arithmetic, memory = np.zeros(len(ways)), np.zeros(len(ways))
    owners = np.array([at for at, way in enumerate(ways) for _ in way.products], dtype=np.intp)
    if len(owners):
        products = [product for way in ways for product in way.products]
        seconds, bound = _products_s(products, gpu, precision)
        np.add.at(arithmetic, owners, np.where(bound, 0.0, seconds))
        np.add.at(memory, owners, np.where(bound, seconds, 0.0))
    for at, way in enumerate(ways):
        moved = (
            stream.repeat * stream_s(stream.elements, gpu, precision) for stream in way.streams
        )
        memory[at] += sum(moved)
    return arithmetic, memory


def _products_s(
    products: list[MatrixProduct], gpu: Gpu, precision: Precision
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the seconds of each product with its repetitions, and whether memory bounds it."""
    shapes = Shapes(*np.array([_sizes(product) for product in products], dtype=np.float64).T)
    machine = matmul.machine(gpu.device, precision)
    given = np.array([-1.0 if each.elements is None else each.elements for each in products])
    traffic = np.where(given < 0.0, shapes.elements, given) * machine.element_bytes
    traits = trait_columns(np.array(gpu.traits))
    found = matmul.times(shapes, machine, traits, Shared(*np.array(gpu.shared)), traffic)
    repeats = np.array([product.repeat for product in products])
    seconds: Floats = np.exp(found.whole) * repeats
    return seconds, found.memory > found.arithmetic


def _sizes(product: MatrixProduct) -> tuple[float, ...]:
    sizes = (product.batch, product.rows, product.depth, product.columns, product.batched)
    return tuple(float(size) for size in sizes)
