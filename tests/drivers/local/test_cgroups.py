"""Control groups: which are found on which machine, and what is written to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.drivers.local import cgroups
from noljima.drivers.local.cgroups import Cgroups, Limits, Mount, probe
from noljima.drivers.local.shim import group as groups
from noljima.drivers.local.shim.orders import Group
from noljima.testing.workshop import groups_named

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
BESIDE = "42 32 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"


def v1(controller: str, root: str = "/") -> str:
    point = f"/sys/fs/cgroup/{controller}"
    return f"33 32 0:29 {root} {point} rw,relatime shared:9 - cgroup cgroup rw,{controller}\n"


class Machine:
    """A made-up machine below a folder: what it has mounted and where the scheduler is."""

    def __init__(self, root: Path, mountinfo: str, own: str) -> None:
        self.root = root
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/mountinfo").write_text(mountinfo)
        (root / "proc/self/cgroup").write_text(own)

    def group(self, path: str, **contents: str) -> Path:
        """Make a group that the scheduler could use."""
        made = self.root / path.lstrip("/")
        made.mkdir(parents=True, exist_ok=True)
        for name, content in {"cgroup_procs": "", **contents}.items():
            (made / name.replace("_", ".", 1)).write_text(content)
        return made

    def probe(self) -> Cgroups:
        return probe("noljima-x", str(self.root))


def test_v2_with_all_controllers(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2, "0::/\n")
    on = "cpu memory pids io"
    top = machine.group("/sys/fs/cgroup", cgroup_subtree_control=on, cgroup_controllers=on)
    machine.group("/sys/fs/cgroup/noljima-x", cgroup_subtree_control=on, cgroup_controllers=on)
    found = machine.probe()

    assert found.kind == "v2"
    assert found.hold == f"{top}/noljima-x"
    assert set(found.limits) == {"cpu", "memory", "pids"}
    assert found.limits_memory
    assert found.homes == (str(top),)
    assert found.words == "control groups v2, with limits for cpu, memory, pids"


def test_controllers_are_turned_on_where_they_are_off(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2, "0::/\n")
    machine.group("/sys/fs/cgroup", cgroup_subtree_control="", cgroup_controllers="memory")
    machine.group(
        "/sys/fs/cgroup/noljima-x", cgroup_subtree_control="", cgroup_controllers="memory"
    )
    found = machine.probe()

    assert set(found.limits) == {"memory"}
    assert (tmp_path / "sys/fs/cgroup/cgroup.subtree_control").read_text() == "+memory"
    assert "without limits for cpu and pids" in found.words


def test_hybrid_holds_on_v2_and_limits_on_v1(tmp_path: Path) -> None:
    mounts = BESIDE + v1("cpu") + v1("memory") + v1("freezer")
    machine = Machine(tmp_path, mounts, "3:cpu:/\n2:memory:/\n1:freezer:/\n0::/\n")
    machine.group("/sys/fs/cgroup/unified")
    machine.group("/sys/fs/cgroup/memory")
    found = machine.probe()

    assert found.kind == "hybrid"
    assert found.hold == f"{tmp_path}/sys/fs/cgroup/unified/noljima-x"
    assert found.limits == {"memory": f"{tmp_path}/sys/fs/cgroup/memory/noljima-x"}
    group = found.group("job.1", Limits(memory_mib=5, cpu_milli=500))
    assert group.kind == "v2"
    assert group.limits == {f"{found.limits['memory']}/job.1": {"memory.limit_in_bytes": "5242880"}}
    assert group.homes == [
        f"{tmp_path}/sys/fs/cgroup/unified",
        f"{tmp_path}/sys/fs/cgroup/memory",
    ]


def test_v1_alone_holds_in_the_freezer(tmp_path: Path) -> None:
    machine = Machine(tmp_path, v1("cpu") + v1("freezer"), "3:cpu:/a\n1:freezer:/a\n")
    machine.group("/sys/fs/cgroup/freezer")
    machine.group("/sys/fs/cgroup/freezer/a")
    found = machine.probe()

    if os.getuid():
        assert found.kind == "v1"
        assert found.group("job.1", Limits()).kind == "v1"
    else:
        # Root may write anywhere; that says nothing of whether it was left to it.
        assert found.kind == "none"


def mark(monkeypatch: pytest.MonkeyPatch, group: Path) -> None:
    """Let root run the scheduler, with one group marked as left to it."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    marks = {str(group): b"1"}
    monkeypatch.setattr("os.getxattr", lambda path, _: marks.get(path, b""))


def test_a_group_that_is_marked_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, V2, "0::/system.slice/noljima.service\n")
    machine.group("/sys/fs/cgroup")
    machine.group("/sys/fs/cgroup/system.slice")
    service = machine.group("/sys/fs/cgroup/system.slice/noljima.service")
    mark(monkeypatch, service)
    found = machine.probe()

    assert found.kind == "v2"
    assert found.hold == f"{service}/noljima-x"


def test_a_group_below_a_marked_one_uses_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, V2, "0::/noljima.service/main\n")
    machine.group("/sys/fs/cgroup")
    service = machine.group("/sys/fs/cgroup/noljima.service")
    machine.group("/sys/fs/cgroup/noljima.service/main")
    mark(monkeypatch, service)
    found = machine.probe()

    assert found.hold == f"{service}/noljima-x"
    assert found.homes == (f"{service}/main",)


@pytest.mark.parametrize(
    ("mountinfo", "own"),
    [("", ""), ("nonsense\n", "nonsense\n"), (V2, ""), (V2, "0::/elsewhere\n"), ("", "0::/\n")],
)
def test_where_there_is_nothing_nothing_is_found(tmp_path: Path, mountinfo: str, own: str) -> None:
    found = Machine(tmp_path, mountinfo, own).probe()

    assert found == Cgroups()
    assert found.group("job.1", Limits(cpu_milli=1, memory_mib=1)) == Group()


def test_limits_are_written_as_each_kind_reads_them() -> None:
    limits = Limits(cpu_milli=1500, memory_mib=3)
    v2 = Cgroups(kind="v2", hold="/h", limits={"cpu": "/h", "memory": "/h", "pids": "/h"})
    v1 = Cgroups(kind="v1", hold="/f", limits={"cpu": "/c"})

    assert v2.group("j", limits).limits == {
        "/h/j": {
            "pids.max": "65536",
            "cpu.max": "150000 100000",
            "memory.max": "3145728",
            "memory.oom.group": "1",
        }
    }
    assert v1.group("j", limits).limits == {
        "/c/j": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"}
    }


@given(text=st.text(max_size=300))
def test_any_text_is_read_without_surprise(text: str) -> None:
    for mount in cgroups.parse_mounts(text):
        assert isinstance(mount, Mount)
    assert all(path.startswith("/") for path in cgroups.parse_own(text).values())


NAMES = st.text(st.sampled_from("abc/ \t\\"), min_size=1, max_size=8)


@given(root=NAMES, point=NAMES)
def test_any_name_is_read_as_it_is_written(root: str, point: str) -> None:
    def escaped(path: str) -> str:
        return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")

    line = f"30 23 0:26 /{escaped(root)} /{escaped(point)} rw - cgroup2 cgroup2 rw"

    assert cgroups.parse_mounts(line) == [Mount(f"/{point}", f"/{root}", True, frozenset({"rw"}))]  # noqa: FBT003 - a row


def test_a_mounted_part_of_a_tree_is_seen_from_there(tmp_path: Path) -> None:
    machine = Machine(tmp_path, v1("freezer", "/docker/abc"), "1:freezer:/docker/abc\n")
    machine.group("/sys/fs/cgroup/freezer")
    found = machine.probe()

    assert found.hold == f"{tmp_path}/sys/fs/cgroup/freezer/noljima-x"


def test_this_machines_groups_are_left_as_they_were() -> None:
    name = f"noljima-test-{os.getpid()}"
    found = probe(name)
    made = groups_named(name)
    found.close()

    assert sorted(map(str, made)) == sorted({found.hold, *found.limits.values()} - {""})
    assert groups_named(name) == []


def test_memory_kills_are_noticed(tmp_path: Path) -> None:
    group = Group(kind="v2", path=str(tmp_path))
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 0\n")
    assert not groups.out_of_memory(group)

    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 1\n")
    assert groups.out_of_memory(group)


def test_a_group_that_is_gone_is_empty() -> None:
    gone = Group(kind="v2", path="/sys/fs/cgroup/no/such/group")

    assert groups.empty(gone)
    assert groups.remove(gone)
    groups.kill(gone)
