"""What a shim is told: everything that was decided about one attempt, and nothing to look up."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

_KINDS: Final = {"none", "v2", "v1"}


class Identity(NamedTuple):
    """As whom the job runs."""

    uid: int
    gid: int
    groups: list[int]


class Graces(NamedTuple):
    """How long a job is given, in seconds, before the next harder thing is done to it."""

    checkpoint_s: float = 30.0
    """To save its state, after it was asked to."""
    stop_s: float = 10.0
    """To end, after it was told to."""
    peer_s: float = 5.0
    """For the other workers to end by themselves, after one has failed."""
    leftover_s: float = 1.0
    """For what the workers have left behind when they ended."""
    unkillable_s: float = 20.0
    """For a killed process to be gone, before its GPUs are told to be out of use."""
    start_s: float = 30.0
    """For all workers to be ready."""


class Group(NamedTuple):
    """The control groups of the job."""

    kind: str = "none"
    """`v2` where it can be killed at once, `v1` where it has to be frozen first, or `none`."""
    path: str = ""
    """The group that holds the job; made and removed by the shim."""
    limits: dict[str, dict[str, str]] = {}  # noqa: RUF012 - never changed
    """Groups that set limits, maybe the same one: what is written to which of their files."""
    homes: list[str] = []  # noqa: RUF012 - never changed
    """Where the shim belongs itself."""


class Worker(NamedTuple):
    """What is particular to one worker."""

    role: str
    number: int
    """Within its role."""
    environment: dict[str, str]


class Orders(NamedTuple):
    """One attempt of one job."""

    job: str
    attempt: int
    token: str
    """In the environment of all that belongs to this attempt, and nowhere else."""
    argv: list[str]
    folder: str
    """Where it works."""
    environment: dict[str, str]
    workers: list[Worker]
    identity: Identity | None
    """None: as who runs the scheduler."""
    group: Group = Group()
    graces: Graces = Graces()
    limit_s: float | None = None
    saved_s: float = 0.0
    """Work that earlier attempts have saved."""
    restart_s: float = 0.0
    log_bytes: int = 64 << 20
    """What is kept of each worker's log."""
    memory_bytes: int = 0
    """A limit that the shim watches over; 0 where there is none, or a control group does it."""
    umask: int = 0o022
    new_privileges: bool = False


def encoded(orders: Orders) -> bytes:
    """Write orders as JSON."""
    plain = orders._asdict()
    plain["workers"] = [worker._asdict() for worker in orders.workers]
    for name in ("identity", "group", "graces"):
        plain[name] = plain[name] and plain[name]._asdict()
    return json.dumps(plain).encode()


def decoded(plain: dict[str, Any]) -> Orders:
    """Read what `encoded` has written; raise `ValueError` where it is something else."""
    try:
        fields = dict(plain)
        fields["workers"] = [Worker(**worker) for worker in fields["workers"]]
        fields["identity"] = fields["identity"] and Identity(**fields["identity"])
        fields["group"] = Group(**fields["group"])
        fields["graces"] = Graces(**fields["graces"])
        orders = Orders(**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"these are no orders: {error}") from error
    if orders.group.kind not in _KINDS or not orders.argv or not orders.workers:
        raise ValueError("these orders name nothing to run, or no known kind of control group")
    return orders
