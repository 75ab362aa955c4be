"""From what a job is and where it goes to what its shim is told, with nothing left to look up."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from noljima.drivers.local import environment, identity
from noljima.drivers.local.cgroups import Cgroups, Limits
from noljima.drivers.local.folders import Folders, name_of
from noljima.drivers.local.gpus import Gpu
from noljima.drivers.local.history import saved_before
from noljima.drivers.local.identity import RefusedError, Who
from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim.orders import Graces, Orders, encoded
from noljima.drivers.local.spec import RunSpec
from noljima.model.commands import Start
from noljima.model.resources import NodeId

_PRIVATE = 0o700


class Machine(NamedTuple):
    """What an attempt is started on."""

    node: NodeId
    folders: Folders
    gpus: Sequence[Gpu]
    cgroups: Cgroups
    patience_s: float
    """How long what was killed may take to be gone."""


def prepare(start: Start, spec: RunSpec, machine: Machine) -> Path:
    """Make an attempt's folder with all that its shim needs; refuse what cannot be run here."""
    node, folders, gpus, cgroups, patience_s = machine
    _look_at(start, spec, node, gpus)
    spec = msgspec.structs.replace(spec, attempt=start.attempt)
    path = folders.make_run(start)
    folders.write_spec(spec)
    who = identity.who(spec)
    argv = [*spec.argv]
    own = _own_folder(path, who)
    if spec.script:
        argv = [_script(own, spec, who), *argv]
    saved_s = saved_before(folders, start)
    orders = Orders(
        job=spec.job,
        attempt=start.attempt,
        token=secrets.token_hex(16),
        argv=argv,
        folder=spec.folder,
        environment=environment.base(spec, os.environ, who.user),
        workers=environment.workers(spec, start.placement, gpus),
        identity=who.identity,
        group=cgroups.group(f"{name_of(spec.job)}.{start.attempt}", _limits(spec)),
        graces=Graces(
            checkpoint_s=spec.checkpoint_grace_s,
            stop_s=spec.stop_grace_s,
            peer_s=spec.peer_grace_s,
            leftover_s=spec.leftover_grace_s,
            unkillable_s=patience_s,
        ),
        limit_s=_limit_s(spec, saved_s),
        saved_s=saved_s,
        restart_s=spec.restart_s,
        log_bytes=spec.log_bytes,
        memory_bytes=0 if cgroups.limits_memory else _limits(spec).memory_mib << 20,
        umask=spec.umask,
        new_privileges=spec.new_privileges,
    )
    files.write(str(path / files.ORDERS), encoded(orders))
    return path


def _look_at(start: Start, spec: RunSpec, node: NodeId, gpus: Sequence[Gpu]) -> None:
    if spec.job != start.job:
        raise RefusedError(f"what was found to run for job {start.job} is job {spec.job}")
    places = start.placement.workers
    if len(places) != spec.gang.workers:
        raise RefusedError(f"{len(places)} places for a gang of {spec.gang.workers} workers")
    elsewhere = next((place.node for place in places if place.node != node), None)
    if elsewhere is not None:
        raise RefusedError(f"its place is on node {elsewhere}, and this is node {node}")
    for gpu in (gpu for place in places for gpu in place.gpus):
        if not 0 <= gpu < len(gpus):
            raise RefusedError(f"there is no GPU {gpu} here, there are {len(gpus)}")


def _limits(spec: RunSpec) -> Limits:
    """Add up what the workers may take: the job is held to it as one."""
    groups = spec.gang.groups
    return Limits(
        cpu_milli=sum(group.workers * group.each.cpu_milli for group in groups),
        memory_mib=sum(group.workers * group.each.memory_mib for group in groups),
    )


def _limit_s(spec: RunSpec, saved_s: float) -> float | None:
    if spec.limit_s is None:
        return None
    restart_s = spec.restart_s if saved_s > 0.0 else 0.0
    return max(spec.limit_s - saved_s, 0.0) + restart_s


def _own_folder(path: Path, who: Who) -> Path:
    """Make the folder that is the job's own."""
    own = path / files.JOB
    own.mkdir(mode=_PRIVATE, exist_ok=True)
    own.chmod(_PRIVATE)
    if who.identity is not None:
        os.chown(own, who.identity.uid, who.identity.gid)
    return own


def _script(own: Path, spec: RunSpec, who: Who) -> str:
    """Write the script where the job finds it; nobody but its user can read it."""
    path = own / files.SCRIPT
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, 0o500)
    with os.fdopen(fd, "wb") as file:
        if who.identity is not None:
            os.fchown(fd, who.identity.uid, who.identity.gid)
        file.write(spec.script.encode())
    return str(path)
