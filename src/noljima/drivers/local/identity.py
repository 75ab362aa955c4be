"""As whom a job runs: as its submitter where we are root, and otherwise as ourselves only."""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from noljima.drivers.local.shim.orders import Identity
from noljima.drivers.local.spec import RunSpec


class RefusedError(Exception):
    """A job cannot be run here as it is; says why in words."""


class Who(NamedTuple):
    """As whom a job runs, and what the machine knows of that user."""

    identity: Identity | None
    """None: as ourselves, without any change."""
    user: pwd.struct_passwd | None


def who(spec: RunSpec) -> Who:
    """Return as whom a job is to run; refuse what we may not do, and what nobody has said."""
    own = os.geteuid()
    if own:
        if spec.uid not in {None, own}:
            raise RefusedError(f"only root can run jobs as user {spec.uid}; this is user {own}")
        if spec.gid is not None and spec.gid not in {os.getegid(), *os.getgroups()}:
            raise RefusedError(f"user {own} is not in group {spec.gid}")
        return Who(None, _user(own))
    if spec.uid is None:
        raise RefusedError("nobody said as whom it is to run, and it is not run as root for that")
    user = _user(spec.uid)
    gid = spec.gid if spec.gid is not None else user.pw_gid if user is not None else None
    if gid is None:
        raise RefusedError(f"user {spec.uid} is not known here, and no group was named")
    groups = [gid] if user is None else os.getgrouplist(user.pw_name, user.pw_gid)
    if spec.uid and gid not in groups:
        raise RefusedError(f"user {spec.uid} is not in group {gid}")
    return Who(Identity(spec.uid, gid, sorted(set(groups))), user)


def words() -> str:
    """Say as whom jobs run here."""
    if os.geteuid():
        return f"jobs run as user {os.geteuid()} only: running them as others needs root"
    return "jobs run as whoever hands them in"


def _user(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None
