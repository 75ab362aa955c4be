"""What a worker finds in its environment: what its owner said, then what the scheduler knows."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence

from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim.orders import Orders

HERE = "127.0.0.1"


def reserve_ports(count: int) -> list[socket.socket]:
    """Bind that many free ports, and keep them for workers that bind them with SO_REUSEADDR.

    A port that is bound and not listened on is given to nobody who asks for any port, while a
    server that reuses addresses (which those of torch, gloo, gRPC and Python all do) can have it.
    """
    held: list[socket.socket] = []
    try:
        for _ in range(count):
            held.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held[-1].bind(("", 0))
    except OSError:
        for each in held:
            each.close()
        raise
    return held


def compose(orders: Orders, rank: int, ports: Sequence[int], folder: str) -> dict[str, str]:
    """Put one worker's environment together; what is ours cannot be overridden."""
    worker = orders.workers[rank]
    own = f"{folder}/{files.JOB}"
    return {
        **orders.environment,
        **worker.environment,
        "MASTER_ADDR": HERE,
        "MASTER_PORT": str(ports[0]),
        # What torchrun, started as the job, takes in the place of its fixed port.
        "PET_MASTER_PORT": str(ports[0]),
        **_tensorflow(orders, rank, ports),
        "NOLJIMA_JOB_ID": orders.job,
        "NOLJIMA_ATTEMPT": str(orders.attempt),
        "NOLJIMA_RUN": orders.token,
        "NOLJIMA_WORKER": str(rank),
        "NOLJIMA_WORKERS": str(len(orders.workers)),
        "NOLJIMA_PROGRESS": f"{own}/{files.PROGRESS}",
        "NOLJIMA_CHECKPOINT": f"{own}/{files.CHECKPOINT}",
    }


def _tensorflow(orders: Orders, rank: int, ports: Sequence[int]) -> dict[str, str]:
    """Return `TF_CONFIG` for a gang; alone, TensorFlow is better off without one."""
    if len(orders.workers) < 2:
        return {}
    cluster: dict[str, list[str]] = {}
    for worker, port in zip(orders.workers, ports, strict=True):
        cluster.setdefault(worker.role, []).append(f"{HERE}:{port}")
    task = {"type": orders.workers[rank].role, "index": orders.workers[rank].number}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}
