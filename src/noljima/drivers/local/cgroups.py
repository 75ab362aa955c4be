"""Which control groups may be used here, and for what.

Probed in the order v2, hybrid (v1 controllers with a v2 tree beside them), v1. Only groups below
the scheduler's own are made, so that limits set on it hold for its jobs too, and only where that
group was left to it: it is the root of what can be seen, it belongs to the user, or whoever runs
the machine has marked it as delegated (`Delegate=yes` in a systemd unit does).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from noljima.drivers.local.shim import group as groups
from noljima.drivers.local.shim.orders import Group

CONTROLLERS: Final = ("cpu", "memory", "pids")
_CPU_PERIOD_US: Final = 100_000
_PROCESSES_MAX: Final = 65_536
LEAF: Final = "noljima-scheduler"
"""Where the scheduler itself goes on v2, which wants processes at the ends of the tree only."""


class Mount(NamedTuple):
    """A mounted hierarchy of control groups."""

    point: str
    root: str
    v2: bool
    controllers: frozenset[str]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a job may take; 0 is no limit."""

    cpu_milli: int = 0
    memory_mib: int = 0


class Cgroups(msgspec.Struct, frozen=True, kw_only=True):
    """The control groups that may be used."""

    kind: str = "none"
    """`v2`, `hybrid`, `v1` or `none`."""
    hold: str = ""
    """The group below which each job gets its own, to be held and killed in."""
    limits: Mapping[str, str] = {}
    """For each controller the group below which its limits are set."""
    homes: tuple[str, ...] = ()
    """The scheduler's own groups, one in each hierarchy that is used."""
    words: str = "no control groups: jobs are found through their parents and their environment"

    @property
    def limits_memory(self) -> bool:
        """Whether the kernel holds a job to its memory."""
        return "memory" in self.limits

    def group(self, name: str, limits: Limits) -> Group:
        """Return the groups of one job."""
        v2 = self.kind == "v2"
        files: dict[str, dict[str, str]] = {}
        for controller, (settings_v2, settings_v1) in _settings(limits).items():
            if controller in self.limits:
                path = f"{self.limits[controller]}/{name}"
                files.setdefault(path, {}).update(settings_v2 if v2 else settings_v1)
        homes = list(self.homes)
        if not self.hold:
            return Group(limits=files, homes=homes)
        kind = "v1" if self.kind == "v1" else "v2"
        return Group(kind=kind, path=f"{self.hold}/{name}", limits=files, homes=homes)

    def close(self) -> None:
        """Take away the groups that were made for all jobs, where no job is left in them."""
        for path in {self.hold, *self.limits.values()} - {""}:
            with contextlib.suppress(OSError):
                Path(path).rmdir()


def _settings(limits: Limits) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Return what is written for each controller, on v2 and on v1."""
    found = {"pids": ({"pids.max": str(_PROCESSES_MAX)},) * 2}
    if limits.cpu_milli:
        quota = str(max(limits.cpu_milli * _CPU_PERIOD_US // 1000, 1000))
        found["cpu"] = (
            {"cpu.max": f"{quota} {_CPU_PERIOD_US}"},
            {"cpu.cfs_period_us": str(_CPU_PERIOD_US), "cpu.cfs_quota_us": quota},
        )
    if limits.memory_mib:
        size = str(limits.memory_mib << 20)
        found["memory"] = (
            {"memory.max": size, "memory.oom.group": "1"},
            {"memory.limit_in_bytes": size},
        )
    return found


def parse_mounts(mountinfo: str) -> list[Mount]:
    """Read the hierarchies out of `/proc/self/mountinfo`; pass over what is no such line."""
    found = []
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        mount, system = before.split(), after.split()
        if not dash or len(mount) < 6 or len(system) < 3 or not system[0].startswith("cgroup"):
            continue
        point, root = _unescaped(mount[4]), _unescaped(mount[3])
        options = frozenset(system[2].split(","))
        found.append(Mount(point, root, system[0] == "cgroup2", options))
    return found


def parse_own(cgroup: str) -> dict[str, str]:
    """Read `/proc/self/cgroup`: the group for each controller, that of v2 under an empty name."""
    found = {}
    for line in cgroup.splitlines():
        number, first, rest = line.partition(":")
        names, second, path = rest.partition(":")
        if first and second and number.isdigit() and path.startswith("/"):
            for name in names.split(","):
                found[name] = path
    return found


def _unescaped(path: str) -> str:
    """Undo the octal escapes of blanks and such in a path."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


class _Probe:
    """Looks at one machine's hierarchies for one scheduler."""

    def __init__(self, name: str, mounts: list[Mount], own: Mapping[str, str]) -> None:
        self._name = name
        self._mounts = mounts
        self._own = own
        self.homes: dict[str, str] = {}
        """Our own group for each that was made."""

    def v2(self) -> str:
        """Return our group in the v2 tree, made if need be; empty where there is none for us."""
        for mount in self._mounts:
            if mount.v2 and "" in self._own:
                return self._made(_inside(mount, self._own[""]))
        return ""

    def v1(self, controller: str) -> str:
        """Return our group in a controller's v1 hierarchy."""
        for mount in self._mounts:
            if not mount.v2 and controller in mount.controllers and controller in self._own:
                return self._made(_inside(mount, self._own[controller]))
        return ""

    def _made(self, parent: str) -> str:
        own = parent
        if parent and not delegated(parent):
            # One above is as good where it says so itself: `DelegateSubgroup=` of systemd.
            parent = str(Path(parent).parent)
            parent = parent if marked_delegated(parent) else ""
        if not parent:
            return ""
        path = f"{parent}/{self._name}"
        try:
            Path(path).mkdir(exist_ok=True)
        except OSError:
            return ""
        self.homes[path] = own
        return path

    def found(self, kind: str, hold: str, limits: Mapping[str, str]) -> Cgroups:
        """Return what was found, with the way back."""
        homes = dict.fromkeys(self.homes[path] for path in (hold, *limits.values()))
        words = _words(kind, limits)
        return Cgroups(kind=kind, hold=hold, limits=limits, homes=tuple(homes), words=words)


def probe(name: str, root: str = "") -> Cgroups:
    """Find out what may be used, under a name of this scheduler's own; `root` is for tests."""
    mounts = [
        mount._replace(point=root + mount.point)
        for mount in parse_mounts(_text(f"{root}/proc/self/mountinfo"))
    ]
    look = _Probe(name, mounts, parse_own(_text(f"{root}/proc/self/cgroup")))
    hold = look.v2()
    has_v1 = any(not mount.v2 and mount.controllers & {*CONTROLLERS, "freezer"} for mount in mounts)
    if hold and not has_v1:
        limits = dict.fromkeys(_enabled(hold), hold)
        if Path(hold).parent.joinpath(LEAF).exists():
            look.homes[hold] = f"{Path(hold).parent}/{LEAF}"
        return look.found("v2", hold, limits)
    limits = {name: path for name in CONTROLLERS if (path := look.v1(name))}
    if hold:
        return look.found("hybrid", hold, limits)
    freezer = look.v1("freezer")
    if freezer:
        return look.found("v1", freezer, limits)
    for path in limits.values():
        with contextlib.suppress(OSError):
            Path(path).rmdir()
    return Cgroups()


def delegated(path: str) -> bool:
    """Say whether a group was left to this process, to make groups of its own below it."""
    if not os.access(path, os.W_OK) or not Path(path, "cgroup.procs").exists():
        return False
    if not Path(path).parent.joinpath("cgroup.procs").exists():
        return True  # The root of what can be seen: nobody is above it.
    return marked_delegated(path)


def marked_delegated(path: str) -> bool:
    """Say whether a group is the user's own, or marked as left to somebody by who runs it."""
    if not Path(path, "cgroup.procs").exists():
        return False
    with contextlib.suppress(OSError):
        if os.geteuid() and Path(path).stat().st_uid == os.geteuid():
            return True
    for mark in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(path, mark) == b"1":
                return True
    return False


def _inside(mount: Mount, own: str) -> str:
    """Return where a group is found below a mount point; empty where it is outside of it."""
    if mount.root in {own, "/"}:
        below = own if mount.root == "/" else "/"
        return (mount.point + below).rstrip("/")
    if own.startswith(mount.root + "/"):
        return mount.point + own[len(mount.root) :]
    return ""


def _enabled(hold: str) -> list[str]:
    """Turn the controllers on for the groups of jobs; return those that are."""
    parent = Path(hold).parent
    return [
        controller
        for controller in CONTROLLERS
        if all(_turn_on(path, controller) for path in (parent, Path(hold)))
    ]


def _turn_on(path: Path, controller: str) -> bool:
    if controller in _text(f"{path}/cgroup.subtree_control").split():
        return True
    if controller not in _text(f"{path}/cgroup.controllers").split():
        return False
    with contextlib.suppress(OSError):
        groups.put(f"{path}/cgroup.subtree_control", f"+{controller}")
        return True
    return _step_aside(path) and _turn_on_again(path, controller)


def _step_aside(path: Path) -> bool:
    """Move this process into a leaf: a v2 group with processes of its own shares nothing out."""
    if groups.members(str(path)) != [os.getpid()]:
        return False
    leaf = path / LEAF
    try:
        leaf.mkdir(exist_ok=True)
        groups.put(f"{leaf}/cgroup.procs", "0")
    except OSError:
        return False
    return True


def _turn_on_again(path: Path, controller: str) -> bool:
    with contextlib.suppress(OSError):
        groups.put(f"{path}/cgroup.subtree_control", f"+{controller}")
        return True
    return False


def _words(kind: str, limits: Mapping[str, str]) -> str:
    missing = [name for name in CONTROLLERS if name not in limits]
    if not missing:
        return f"control groups {kind}, with limits for {', '.join(CONTROLLERS)}"
    without = f"without limits for {' and '.join(missing)}, which were not left to the scheduler"
    return f"control groups {kind}, {without}"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
