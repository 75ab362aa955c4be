"""Why a gang does not fit into a grid, with the numbers that say how far it is from fitting.

The questions are asked from the hardest obstacle to the softest: is there such a GPU at all, is a
block of them free on one node, is there CPU and memory beside it, is there room for every worker.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from noljima.model.amounts import cpus, fit, noun, several, thousandths
from noljima.model.resources import GPU
from noljima.placement.demand import Demand
from noljima.placement.refusal import Lack, Refusal
from noljima.placement.shapes import Field, Groups, Shape
from noljima.placement.states import BoolArray, IntArray


class Reason(NamedTuple):
    """What there is too little of, in words."""

    lack: Lack
    words: str


def refusal(demand: Demand, groups: Groups, field: Field, fitting: int) -> Refusal:
    """Say why a gang does not fit; of several groups, name the first that does not fit alone."""
    reason: Reason | None = None
    for (shape, workers), group in zip(groups, demand.gang.groups, strict=True):
        reason = _reason(shape, workers, field)
        if reason is not None:
            if len(groups) > 1:
                reason = Reason(reason.lack, f"{group.name}: {reason.words}")
            break
    if reason is None:
        words = "each task group fits alone, all together do not"
        found = f"of {several(demand.workers, 'worker')} {fit(fitting)}"
        reason = Reason(Lack.GPUS, f"{words}: {found}")
    return Refusal(
        lack=reason.lack,
        fitting=min(fitting, demand.workers),
        wanted=demand.workers,
        words=reason.words,
    )


def _reason(shape: Shape, workers: int, field: Field) -> Reason | None:
    """Say why a group does not fit, None where it does."""
    room = int(shape.capacity.take(field.column).sum())
    if room >= workers:
        return None
    suited = _suited(shape, field)
    return (
        _no_such_node(shape, suited, field)
        or (_no_block(shape, suited, field) if not room else None)
        or (_nothing_beside(shape, suited, field) if not room else None)
        or _too_few(shape, workers, room, field)
    )


def _suited(shape: Shape, field: Field) -> BoolArray:
    """Mark the nodes that such a worker may go to at all."""
    states = shape.states
    kinds = np.array([shape.suits(kind) for kind in range(len(states.kinds))], np.bool_)
    if not len(field.column):
        return np.zeros(0, np.bool_)
    marks: BoolArray = kinds[states.kind[field.column]]
    return marks


def _no_such_node(shape: Shape, suited: BoolArray, field: Field) -> Reason | None:
    nodes = field.roster.nodes
    if not suited.any():
        if all(node.drained for node in nodes):
            words = "every node is drained" if nodes else "there is no node"
            return Reason(Lack.NODES, f"needs {_load_text(shape)}; {words}")
        types = " or ".join(shape.gpu_types)
        drained = any(node.gpu_type in shape.gpu_types for node in nodes)
        found = "the nodes that have it are drained" if drained else "no node has it"
        return Reason(Lack.GPU_TYPE, f"needs GPU type {types}; {found}")
    wanted = shape.load.gpu_memory_mib
    sizes = np.array([kind.gpus and kind.gpu_memory_mib for kind in shape.states.kinds])
    memory = np.where(suited, sizes[shape.states.kind[field.column]], 0)
    row = int(memory.argmax())
    if not 0 < memory[row] < wanted:
        return None  # it is enough, or no node has a GPU at all
    most = f"{memory[row]:,} MiB ({nodes[row].id})"
    return Reason(
        Lack.GPU_MEMORY, f"needs {wanted:,} MiB of memory on each GPU; the largest has {most}"
    )


def _no_block(shape: Shape, suited: BoolArray, field: Field) -> Reason | None:
    """Say that no node has the worker's GPUs free, where that is so."""
    states, load = shape.states, shape.load
    if not load.gpus or (shape.gpu_capacity_of(field.column) > 0).any():
        return None
    memory = states.gpu_memory_mib[field.column] >= load.gpu_memory_mib
    milli = states.gpu_milli[field.column] * suited[:, np.newaxis]
    if load.gpu_milli < GPU:
        return _no_fraction(shape, np.where(memory, milli, 0).max(axis=1), milli.max(axis=1), field)
    block = ((milli == GPU) & memory).sum(axis=1)
    row = int(block.argmax())
    found = f"the largest free block is {block[row]} ({field.roster.ids[row]})"
    if not block[row]:
        found = "none is free"
    where = " on one node" if load.gpus > 1 else ""
    return Reason(Lack.GPUS, f"needs {_gpus_text(shape)}{where}; {found}")


def _no_fraction(shape: Shape, fitting: IntArray, milli: IntArray, field: Field) -> Reason:
    """Say that no single GPU has the fraction free, or not with the memory that goes with it."""
    row = int(fitting.argmax())
    most = f"{thousandths(int(fitting[row]))} ({field.roster.ids[row]})"
    wanted = f"needs {thousandths(shape.load.gpu_milli)} of one GPU"
    if milli.max() >= shape.load.gpu_milli:
        wanted += f" with {shape.load.gpu_memory_mib:,} MiB of its memory"
        return Reason(Lack.GPU_MEMORY, f"{wanted}; the most that is free so is {most}")
    return Reason(Lack.GPUS, f"{wanted}; the most that is free on one is {most}")


def _nothing_beside(shape: Shape, suited: BoolArray, field: Field) -> Reason:
    """Say which of CPU and memory no node has beside the worker's GPUs."""
    states, load = shape.states, shape.load
    rows = np.flatnonzero(suited & (shape.gpu_capacity_of(field.column) > 0))
    beside = f" beside {_gpus_text(shape)}" if load.gpus else ""
    cpu = states.cpu_milli[field.column[rows]]
    best = int(cpu.argmax())
    if cpu[best] < load.cpu_milli:
        most = f"{thousandths(int(cpu[best]))} ({field.roster.ids[rows[best]]})"
        words = f"needs {cpus(load.cpu_milli)}{beside} on one node"
        return Reason(Lack.CPU, f"{words}; the most that is free is {most}")
    memory = np.where(cpu >= load.cpu_milli, states.memory_mib[field.column[rows]], 0)
    best = int(memory.argmax())
    most = f"{memory[best]:,} MiB ({field.roster.ids[rows[best]]})"
    if load.cpu_milli:
        beside = f" beside {_load_text(shape, memory=False)}"
    words = f"needs {load.memory_mib:,} MiB of memory{beside} on one node"
    return Reason(Lack.MEMORY, f"{words}; the most that is free is {most}")


def _too_few(shape: Shape, workers: int, room: int, field: Field) -> Reason:
    """Say how many workers fit, and what keeps the rest out."""
    gpu_room = shape.gpu_capacity_of(field.column)
    lack, want = Lack.GPUS, ""
    if shape.load.gpus == 0 or gpu_room.sum() >= workers:
        cpu = shape.states.cpu_milli[field.column]
        if shape.load.cpu_milli:
            gpu_room = np.minimum(gpu_room, cpu // shape.load.cpu_milli)
        lack = Lack.MEMORY if gpu_room.sum() >= workers else Lack.CPU
        want = f"; {lack} is short"
    wanted = f"needs {several(workers, 'worker')} of {_load_text(shape)}"
    return Reason(lack, f"{wanted}; {fit(room)}{want}")


def _gpus_text(shape: Shape) -> str:
    types = f"{' or '.join(shape.gpu_types)} " if shape.gpu_types else ""
    milli = shape.load.gpus * shape.load.gpu_milli
    return f"{thousandths(milli)} {types}{noun(milli, 'GPU')}"


def _load_text(shape: Shape, *, memory: bool = True) -> str:
    load = shape.load
    parts = [_gpus_text(shape)] if load.gpus else []
    if load.cpu_milli:
        parts.append(cpus(load.cpu_milli))
    if load.memory_mib and memory:
        parts.append(f"{load.memory_mib:,} MiB of memory")
    if not parts:
        return "a place to run"
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
