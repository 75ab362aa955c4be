"""The steps that the strategies share: the cheapest node, and the GPUs of a worker on it."""

from __future__ import annotations

from collections.abc import Iterator

from noljima.model.resources import GPU
from noljima.placement.shapes import Field, Shape


def one_by_one(shape: Shape, field: Field, workers: int) -> Iterator[tuple[int, int]]:
    """Give the cheapest node again for each worker; among equals the first in node order."""
    for _ in range(workers):
        yield shape.cheapest(field.column)[1], 1


def fullest(shape: Shape, state: int) -> tuple[int, ...]:
    """Choose the fullest GPU that has room for a fraction, or the first free whole GPUs."""
    if not shape.load.gpus:
        return ()
    if shape.load.gpu_milli == GPU:
        return first_free(shape, state)
    milli = shape.states.rows[state].gpu_milli
    return (min(with_room(shape, state), key=lambda gpu: (milli[gpu], gpu)),)


def emptiest(shape: Shape, state: int) -> tuple[int, ...]:
    """Choose the emptiest GPU for a fraction, or the first free whole GPUs."""
    if not shape.load.gpus:
        return ()
    if shape.load.gpu_milli == GPU:
        return first_free(shape, state)
    milli = shape.states.rows[state].gpu_milli
    return (max(with_room(shape, state), key=lambda gpu: (milli[gpu], -gpu)),)


def first_free(shape: Shape, state: int) -> tuple[int, ...]:
    """Choose the free GPUs with the lowest numbers."""
    gpus = with_room(shape, state)
    assert len(gpus) >= shape.load.gpus
    return tuple(gpus[: shape.load.gpus])


def with_room(shape: Shape, state: int) -> list[int]:
    """List the GPUs that have room for the worker's share of one GPU."""
    row = shape.states.rows[state]
    load = shape.load
    # What a machine has never said the size of does not run out (see `States`).
    memory = shape.states.gpu_memory_mib[state]
    gpus = shape.states.kinds[row.kind].gpus
    return [
        gpu
        for gpu in range(gpus)
        if row.gpu_milli[gpu] >= load.gpu_milli and memory[gpu] >= load.gpu_memory_mib
    ]
