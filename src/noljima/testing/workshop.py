"""Real jobs on this machine, for tests: programs, their commands, and nothing left of them after.

A `Workshop` makes process drivers on one state folder and the jobs for them. When a test is over,
`clean` says what is left: no process, control group or folder may be.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from noljima.drivers.local.clock import Clock
from noljima.drivers.local.driver import LocalSettings, ProcessDriver
from noljima.drivers.local.endings import Ending, read_claim
from noljima.drivers.local.facts import Ended, Fact
from noljima.drivers.local.folders import Folders
from noljima.drivers.local.gpus import Gpus, VirtualGpus
from noljima.drivers.local.shim import proc
from noljima.drivers.local.spec import RunSpec
from noljima.model.commands import Start
from noljima.model.events import Event, Evicted, Finished, StartFailed
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import GPU, JobId, NodeId, Resources, gang_of

HERE: Final = NodeId("here")
PATIENCE_S: Final = 30.0
_LOOK_S: Final = 0.002
ENDS: Final = (Finished, Evicted, StartFailed)


class Workshop:
    """Makes drivers on one state folder, and jobs for them."""

    def __init__(self, state: Path, *, cgroups: bool) -> None:
        self.state = state
        self.cgroups = cgroups
        self.folders = Folders(state)
        self.specs: dict[JobId, RunSpec] = {}
        self.facts: list[Fact] = []
        self.events: list[Event] = []

    def driver(self, gpus: Gpus | None = None, clock: Clock | None = None) -> ProcessDriver:
        """Make a driver; to be made, as it is used, inside of an event loop."""
        return ProcessDriver(
            LocalSettings(state=self.state, node=HERE, cgroups=self.cgroups, patience_s=0.5),
            self.specs.__getitem__,
            gpus or VirtualGpus(8),
            clock=clock,
            facts=self.facts.append,
        )

    def shell(self, text: str, name: str = "job", workers: int = 1, **fields: object) -> Start:
        """Describe a job that is a few lines of shell."""
        return self.program(["/bin/sh", "-c", text], name, workers, **fields)

    def python(self, text: str, name: str = "job", workers: int = 1, **fields: object) -> Start:
        """Describe a job that is a few lines of Python."""
        return self.program([sys.executable, "-I", "-S", "-c", text], name, workers, **fields)

    def program(
        self, argv: Sequence[str], name: str = "job", workers: int = 1, **fields: object
    ) -> Start:
        """Describe a job that is a program, and return the command that starts it."""
        job = JobId(name)
        attempt = int(str(fields.pop("attempt", 1)))
        spec = {
            "job": job,
            "gang": gang_of(workers, Resources(gpu_milli=GPU)),
            "folder": "/",
            "argv": tuple(argv),
            "stop_grace_s": 5.0,
            "peer_grace_s": 0.0,
            "leftover_grace_s": 0.0,
            **fields,
        }
        if os.geteuid() == 0:
            spec.setdefault("uid", 0)
        self.specs[job] = RunSpec(**spec)  # type: ignore[arg-type]  # checked as it is made
        places = tuple(Assignment(HERE, (worker,)) for worker in range(workers))
        return Start(job, Placement(places), attempt=attempt)

    async def until(self, driver: ProcessDriver, *kinds: type[Event], job: str = "") -> Event:
        """Return the first event of a kind that was not asked for before; wait for it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for at, event in enumerate(self.events):
                    if isinstance(event, kinds) and job in {"", getattr(event, "job", "")}:
                        return self.events.pop(at)
                self.events += await driver.wait(None)

    async def end(self, driver: ProcessDriver, job: str = "") -> Event:
        """Return the next end; wait for it."""
        return await self.until(driver, *ENDS, job=job)

    def run(self, start: Start) -> Event:
        """Run one job to its end."""

        async def alone() -> Event:
            async with self.driver() as driver:
                await driver.do(0.0, [start])
                return await self.end(driver)

        return asyncio.run(alone())

    def ending(self, job: str = "job") -> Ending:
        """Return how a job ended, as it was told."""
        endings = [f.ending for f in self.facts if isinstance(f, Ended) and f.job == job]
        return endings[-1]

    def folder(self, job: str = "job", attempt: int = 1) -> Path:
        """Return the folder of an attempt."""
        return self.folders.of(JobId(job), attempt)

    def log(self, worker: int = 0, job: str = "job") -> str:
        """Return what a worker wrote first."""
        return (self.folder(job) / f"worker-{worker}.0.log").read_text()

    def shims(self) -> list[int]:
        """Return the shims of this state folder that live."""
        claims = [read_claim(path.parent) for path in self.state.glob("runs/*/*/claim")]
        found = [proc.stat_of(claim.pid) for claim in claims if claim is not None]
        return [stat.pid for stat in found if stat is not None and stat.name == "noljima-shim"]

    def alive(self) -> list[proc.Stat]:
        """Return what lives of all jobs of this state folder: by its environment, or below a shim.

        Zombies are left out: they hold nothing, and it is not for us to bury them.
        """
        processes = {pid: s for pid, s in proc.table().items() if s.state not in "ZX"}
        mark = os.fsencode(self.state)
        ours = {pid for pid in processes if mark in proc.read(f"/proc/{pid}/environ")}
        below = {stat.pid for stat in proc.below(set(self.shims()), processes)}
        return [processes[pid] for pid in sorted(ours | below) if pid != os.getpid()]

    def groups(self) -> list[Path]:
        """Return the control groups of this state folder, made for all jobs or for one."""
        return groups_named(self.folders.name)

    def left(self) -> list[str]:
        """Return what is left of all jobs, once the shims that are just ending have ended."""
        for shim in self.shims():
            gone(shim)
        return [*map(str, self.alive()), *map(str, self.groups())]

    def clear(self) -> None:
        """Kill and remove whatever is left."""
        for pid in [*self.shims(), *(stat.pid for stat in self.alive())]:
            stat = proc.stat_of(pid)
            if stat is not None:
                proc.send(stat, signal.SIGKILL)
        for path in sorted(self.groups(), reverse=True):
            with contextlib.suppress(OSError):
                for word in (path / "cgroup.procs").read_text().split():
                    os.kill(int(word), signal.SIGKILL)
            _remove(path)
        shutil.rmtree(self.state, ignore_errors=True)


def _remove(group: Path, patience_s: float = 5.0) -> None:
    """Remove a control group, which goes only once what was killed in it has gone."""
    until_s = time.monotonic() + patience_s
    while group.exists():
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > until_s:
                return
            time.sleep(_LOOK_S)


def groups_named(name: str) -> list[Path]:
    """Return the control groups whose name begins so, and all below them.

    Others come and go meanwhile.
    """
    return [
        Path(path)
        for path, _, _ in os.walk("/sys/fs/cgroup")
        if any(part.startswith(name) for part in Path(path).parts)
    ]


def gone(pid: int, patience_s: float = 10.0) -> None:
    """Wait until a process that is not ours has ended."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert poll.poll(patience_s * 1e3), f"process {pid} lives on"
    finally:
        os.close(fd)


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if happened():
                return
            await asyncio.sleep(_LOOK_S)
