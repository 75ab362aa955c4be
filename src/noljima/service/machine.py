"""The machine as people see it: its GPUs, what is on them, and what is free."""

from __future__ import annotations

from collections import defaultdict

from msgspec.structs import replace

from noljima.control.messages import GpuRow, NodeRow
from noljima.drivers.local.gpus import Gpu, GpuReading
from noljima.model import bounds
from noljima.model.resources import GPU
from noljima.service.office import Office

_UNREAD = GpuReading()


async def node_row(office: Office) -> NodeRow:
    """Describe the machine as it is now."""
    readings = await office.driver.gpu_readings()
    node = office.driver.node
    held: dict[int, int] = defaultdict(int)
    jobs: dict[int, list[str]] = defaultdict(list)
    cpu_milli = memory_mib = 0
    for job, ticket in office.engine.state.running.items():
        each = [group.each for group in ticket.demand.gang.groups for _ in range(group.workers)]
        for worker, place in zip(each, ticket.placement.workers, strict=False):
            cpu_milli += worker.cpu_milli
            memory_mib += worker.memory_mib
            for gpu in place.gpus:
                held[gpu] += min(worker.gpu_milli, GPU)
                jobs[gpu] += [job] if job not in jobs[gpu] else []
    out = office.driver.drained
    rows: list[GpuRow] = []
    for found in office.gpus:
        row = _gpu_row(found, readings.get(found.index, _UNREAD), tuple(jobs[found.index]))
        free_milli = max(GPU - held[found.index], 0)
        rows.append(replace(row, free_milli=free_milli, out=out.get(found.index, "")))
    return NodeRow(
        node=node.id,
        gpu_type=node.gpu_type,
        gpus=tuple(rows),
        cpu_milli=node.cpu_milli,
        cpu_milli_free=max(node.cpu_milli - cpu_milli, 0),
        memory_mib=node.memory_mib,
        memory_mib_free=max(node.memory_mib - memory_mib, 0),
        words=tuple(office.driver.words()),
    )


def _gpu_row(gpu: Gpu, reading: GpuReading, jobs: tuple[str, ...]) -> GpuRow:
    known = gpu.memory_mib < bounds.GPU_MEMORY_MIB_MAX
    return GpuRow(
        number=gpu.index,
        name=gpu.model,
        uuid=gpu.uuid,
        memory_mib=gpu.memory_mib if known else None,
        memory_used_mib=reading.memory_used_mib,
        utilisation=reading.utilisation,
        power_w=reading.power_w,
        temperature_c=reading.temperature_c,
        jobs=jobs,
    )
