"""What is put into a job's environment before it is started; the ports come in when they are known.

From the least to the most binding: what the scheduler's own environment passes on, who the job
runs as, what its owner set, and what the scheduler knows of each worker.
"""

from __future__ import annotations

import fnmatch
import pwd
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from noljima.drivers.local.gpus import Gpu
from noljima.drivers.local.shim.orders import Worker
from noljima.drivers.local.spec import GpuView, RunSpec
from noljima.model.placements import Placement
from noljima.model.resources import GPU, Resources

PATH = "/usr/local/bin:/usr/bin:/bin"


class Share(NamedTuple):
    """A part of one GPU's memory."""

    memory_mib: int
    fraction: float


def base(spec: RunSpec, own: Mapping[str, str], user: pwd.struct_passwd | None) -> dict[str, str]:
    """Return what all workers of a job have in common."""
    passed_on = {
        name: value
        for name, value in own.items()
        if any(fnmatch.fnmatchcase(name, wanted) for wanted in spec.passed_on)
    }
    who = {}
    if user is not None:
        who = {
            "HOME": user.pw_dir,
            "USER": user.pw_name,
            "LOGNAME": user.pw_name,
            "SHELL": user.pw_shell or "/bin/sh",
        }
    return {"PATH": PATH, **passed_on, **who, "PWD": spec.folder, **spec.environment}


def workers(spec: RunSpec, placement: Placement, gpus: Sequence[Gpu]) -> list[Worker]:
    """Return what is particular to each worker, groups in order."""
    each = [
        (group.name, number, group.each)
        for group in spec.gang.groups
        for number in range(group.workers)
    ]
    seen = [tuple(gpus[index] for index in place.gpus) for place in placement.workers]
    all_seen = tuple(dict.fromkeys(gpu for own in seen for gpu in own))
    made = []
    for rank, (role, number, need) in enumerate(each):
        visible = all_seen if spec.gpu_view is GpuView.GANG else seen[rank]
        environment = {
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "CUDA_VISIBLE_DEVICES": ",".join(gpu.visible_as for gpu in visible),
            **_ranks(spec, rank, len(each), len(seen[rank])),
            **_shared(share(need, seen[rank])),
        }
        made.append(Worker(role, number, environment))
    return made


def share(need: Resources, gpus: Sequence[Gpu]) -> Share | None:
    """Return the part of a GPU that a worker is given; None where it has whole ones, or none."""
    fraction = need.gpu_milli % GPU
    if not fraction or not gpus:
        return None
    memory_mib = gpus[0].memory_mib
    wanted_mib = need.gpu_memory_mib or memory_mib * fraction // GPU
    return Share(wanted_mib, min(wanted_mib / memory_mib, 1.0))


def _ranks(spec: RunSpec, rank: int, workers: int, gpus: int) -> dict[str, str]:
    """Return a worker's place in its gang, as torchrun tells it.

    A worker that is alone and has several GPUs is told nothing: told that it is one process of
    one, a framework would use one GPU, or wait for the processes of the others.
    """
    if workers == 1 and gpus > 1:
        return {}
    gang = spec.gpu_view is GpuView.GANG
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(workers),
        "LOCAL_RANK": str(rank if gang else 0),
        "LOCAL_WORLD_SIZE": str(workers if gang else 1),
        "GROUP_RANK": str(0 if gang else rank),
    }


def _shared(part: Share | None) -> dict[str, str]:
    """Tell a worker its part of a GPU's memory in the words that frameworks know.

    They keep to it by themselves; only under NVIDIA's MPS does the last of them bind.
    """
    if part is None:
        return {}
    return {
        "NOLJIMA_GPU_MEMORY_MIB": str(part.memory_mib),
        "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{part.fraction:.3f}",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "CUPY_GPU_MEMORY_LIMIT": f"{part.fraction * 100:.1f}%",
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": f"0={part.memory_mib}M",
    }
