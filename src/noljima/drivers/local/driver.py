"""Runs jobs on this machine: a `Driver` whose world is processes and GPUs.

The folders are the truth and what is kept here is only what is open of them: an attempt's folder
says whether it was begun, by whom, and how it ended, to this scheduler as to the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Final, Self, assert_never

import msgspec

from noljima.drivers.local import cgroups, endings, history, identity, listening, machine, orders
from noljima.drivers.local.attempt import Attempt
from noljima.drivers.local.cgroups import Cgroups
from noljima.drivers.local.clock import Clock
from noljima.drivers.local.desk import Desk
from noljima.drivers.local.endings import Ending, Way
from noljima.drivers.local.facts import (
    Ended,
    Stranger,
    Told,
    Unkillable,
    XidSeen,
    unheard,
)
from noljima.drivers.local.folders import LOCK, Folders
from noljima.drivers.local.gpus import GpuReading, Gpus, Xid
from noljima.drivers.local.happenings import Happenings
from noljima.drivers.local.identity import RefusedError
from noljima.drivers.local.launcher import Launcher
from noljima.drivers.local.orders import Machine
from noljima.drivers.local.readings import RunReading, read_runs
from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.spec import RunSpec
from noljima.drivers.local.sweep import Leftover
from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import Event, NodeSeen, Started
from noljima.model.node import Node
from noljima.model.resources import JobId, NodeId

_WORD_MAX: Final = 512
_NOBODYS: Final = "it was in nobody's books when the scheduler began"


class LocalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How this machine is used."""

    state: Path
    """Where everything is kept; see `folders`."""
    node: NodeId = NodeId("")
    """What this machine is called; its host name where nothing is said."""
    cgroups: bool = True
    """Whether control groups are used where they may be."""
    patience_s: float = 20.0
    """How long what was killed may take to be gone, before its GPUs are told to be out."""


class ProcessDriver:
    """A `Driver` of one machine: `open` it, `adopt` what an earlier one left, then run the loop."""

    def __init__(
        self,
        settings: LocalSettings,
        specs: Callable[[JobId], RunSpec],
        gpus: Gpus,
        *,
        clock: Clock | None = None,
        facts: Told = unheard,
    ) -> None:
        self.folders = Folders(settings.state)
        self.clock = clock or Clock()
        self.cgroups = Cgroups()
        self._settings = settings
        self._specs = specs
        self._desk = Desk(gpus, facts, self._tell_of_node)
        self._facts = facts
        self._happenings = Happenings(self.clock)
        self._closed = False
        self._attempts: dict[JobId, Attempt] = {}
        # By folder, as shims name it: those that nobody knows of are here and not above.
        self._open: dict[str, Attempt] = {}
        self._held_back: list[Start] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = -1
        self._socket: socket.socket | None = None
        self._launcher: Launcher | None = None

    # --- Opening and closing ---

    async def open(self) -> None:
        """Get ready: alone on this state folder, listening, and with a zygote at hand."""
        self.folders.make()
        self._lock = listening.lock(self.folders.state / LOCK)
        try:
            await self._open_all()
        except BaseException:
            await self.close()
            raise

    async def _open_all(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = listening.listen(self.folders.state)
        self._loop.add_reader(self._socket, self._hear)
        if self._settings.cgroups:
            self.cgroups = cgroups.probe(self.folders.name)
        self._launcher = Launcher(self._launched, self._not_launched)
        await self._launcher.open()
        self._tell_of_node()
        self._desk.watch(self._xid)

    async def close(self) -> None:
        """Let go of everything. Jobs go on; the next scheduler finds them."""
        self._closed = True
        self._happenings.close()
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
            with contextlib.suppress(OSError):
                (self.folders.state / files.SOCKET).unlink()
        for attempt in self._open.values():
            self._unwatch(attempt)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._launcher is not None:
            await self._launcher.close()
        self.cgroups.close()
        await self._desk.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def __aenter__(self) -> Self:
        """Open it."""
        await self.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close it."""
        await self.close()

    def words(self) -> list[str]:
        """Say what this machine has and what it cannot do, for people."""
        gpus = f"{len(self._desk.found)} GPUs"
        return [gpus, self.cgroups.words, identity.words()]

    # --- The port ---

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Return what has happened, or wait for it."""
        return await self._happenings.wait(until_s)

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:  # noqa: ARG002 - now
        """Carry out commands; one that was carried out already, by anyone, is not done twice."""
        for command in commands:
            match command:
                case Start():
                    self._start(command)
                case Evict():
                    self.end(command.job, "evict", f"it makes way for job {command.to_start}")
                case Stop():
                    self.end(command.job, "stop", "its owner wants it gone")
                case Refuse():
                    pass
                case _:
                    assert_never(command)

    def happened(self, make: Callable[[float], Event]) -> Event:
        """Put in an event from elsewhere (a submission, say), stamped with this driver's time."""
        return self._happenings.put(make)

    # --- What the daemon asks of it besides ---

    async def adopt(self, commands: Iterable[Command]) -> None:
        """Take over from an earlier scheduler: these commands were given and not answered yet.

        What they began and still lives is watched again, what has ended is told with the time at
        which it did, and what was never begun is begun now. What lives and is in none of them is
        ended, and its GPUs are not used before it is.
        """
        given = list(commands)
        wanted = {
            str(self.folders.of(start.job, start.attempt))
            for start in given
            if isinstance(start, Start)
        }
        # Told as of when it was: the next plan is made with true run times.
        with self._happenings.of_the_past():
            for folder, start in self.folders.unfinished():
                if str(folder) not in wanted:
                    self._end_stranger(Attempt(start, folder))
            await self.do(self.clock.now_s(), given)

    def end(self, job: JobId, kind: str, reason: str) -> bool:
        """End a running job: `evict` (answered by Evicted), `stop`, `fail` or `kill` (Finished).

        Says whether it runs. The reason is kept with its end.
        """
        attempt = self._attempts.get(job)
        if attempt is None:
            return False
        if attempt.start in self._held_back:
            self._held_back.remove(attempt.start)
            self._forget(attempt)
            saved_s = history.saved_before(self.folders, attempt.start)
            outcome: Way = "evict" if kind == "evict" else "stop"
            self._answer(attempt, Ending(outcome=outcome, reason=reason, saved_s=saved_s))
            return True
        before = attempt.requested()
        if not before or (before == "evict" and kind in {"stop", "kill"}) or kind == "kill":
            attempt.request(kind, reason)
        else:
            attempt.nudge()
        return True

    def drain(self, gpu: int, reason: str) -> None:
        """Let a GPU take nothing new."""
        self._desk.drain(gpu, reason)

    def restore(self, gpu: int) -> None:
        """Let a GPU take work again."""
        self._desk.restore(gpu)

    @property
    def drained(self) -> dict[int, str]:
        """GPUs that take nothing new, and why."""
        return dict(self._desk.out)

    @property
    def node(self) -> Node:
        """Describe this machine, as the engine is told of it."""
        return machine.node_of(self._name, self._desk.found, self._desk.out)

    @property
    def running(self) -> dict[JobId, int]:
        """The jobs that are here, from their start to the end of their last process; attempts."""
        return {job: attempt.start.attempt for job, attempt in self._attempts.items()}

    def readings(self) -> list[RunReading]:
        """Read what every running job's workers have used and do."""
        return read_runs(list(self._attempts.values()))

    async def gpu_readings(self) -> dict[int, GpuReading]:
        """Read every GPU, beside the loop."""
        return await self._desk.read()

    # --- Starting ---

    def _start(self, start: Start) -> None:
        known = self._attempts.get(start.job)
        if known is not None and known.start.attempt == start.attempt:
            return
        attempt = Attempt(start, self.folders.of(start.job, start.attempt))
        if self._taken(attempt):
            self._attempts[start.job] = attempt
            self._held_back.append(start)
            return
        ending = attempt.ending()
        if ending is not None:
            self._answer(attempt, ending)
        elif attempt.claimed():
            self._take_over(attempt)
        else:
            self._begin(attempt)

    def _begin(self, attempt: Attempt) -> None:
        """Have an attempt started that nobody has begun."""
        start = attempt.start
        try:
            # Orders that are there already may be in a shim's hands.
            if attempt.orders() is None:
                orders.prepare(start, self._specs(start.job), self._machine())
        except (RefusedError, LookupError, ValueError, OSError) as error:
            self._never(attempt, str(error) or type(error).__name__)
            return
        self._remember(attempt)
        assert self._launcher is not None
        self._launcher.start(str(attempt.folder))

    def _machine(self) -> Machine:
        patience_s = self._settings.patience_s
        return Machine(self._name, self.folders, self._desk.found, self.cgroups, patience_s)

    @property
    def _name(self) -> NodeId:
        return self._settings.node or NodeId(socket.gethostname())

    def _never(self, attempt: Attempt, reason: str) -> None:
        """Write down that an attempt was not begun, so that it never is."""
        with contextlib.suppress(OSError):
            self.folders.make_run(attempt.start)
            if attempt.void(reason):
                saved_s = history.saved_before(self.folders, attempt.start)
                ending = Ending(outcome="start-failed", reason=reason, saved_s=saved_s)
                endings.write_ending(attempt.folder, ending)
                self._answer(attempt, ending)
                return
            self._take_over(attempt)
            return
        self._answer(attempt, Ending(outcome="start-failed", reason=reason))

    def _taken(self, attempt: Attempt) -> bool:
        """Say whether something that nobody knows of still is on one of its GPUs."""
        taken = {gpu for other in self._open.values() if other.stranger for gpu in other.gpus}
        return not taken.isdisjoint(attempt.gpus)

    def _launched(self, folder: str, pidfd: int) -> None:
        attempt = self._open.get(folder)
        if attempt is None or attempt.pidfd >= 0:
            os.close(pidfd)
            return
        attempt.pidfd = pidfd
        self._loop.add_reader(pidfd, self._shim_gone, attempt)
        if attempt.requested():
            attempt.nudge()

    def _not_launched(self, folder: str, reason: str) -> None:
        attempt = self._open.get(folder)
        if attempt is not None:
            self._forget(attempt)
            self._never(attempt, f"no process could be started for it: {reason}")

    # --- Following ---

    def _take_over(self, attempt: Attempt) -> None:
        """Follow an attempt that somebody else has begun, or say how it ended."""
        self._remember(attempt)
        if not attempt.of_this_boot():
            saved_s = history.saved_before(self.folders, attempt.start)
            self._write_end(attempt, endings.restarted(attempt.folder, saved_s))
        elif attempt.find_shim():
            self._loop.add_reader(attempt.pidfd, self._shim_gone, attempt)
            self._look(attempt)
        else:
            self._shim_gone(attempt)

    def _hear(self) -> None:
        """Take shims' words for where there is news."""
        assert self._socket is not None
        while True:
            try:
                word = self._socket.recv(_WORD_MAX)
            except OSError:
                return
            attempt = self._open.get(str(self.folders.runs / os.fsdecode(word)))
            if attempt is not None:
                self._look(attempt)

    def _look(self, attempt: Attempt) -> None:
        """Read in an attempt's folder what has become of it."""
        ending = attempt.ending()
        if ending is not None:
            self._over(attempt, ending)
            return
        running = endings.read_running(attempt.folder)
        phase = running.phase if running is not None else ""
        if running is not None:
            self._started(attempt, running.began_s)
        if phase == "unkillable" and not attempt.unkillable:
            self._unkillable(attempt)

    def _shim_gone(self, attempt: Attempt) -> None:
        """See to an attempt whose shim has ended, in whichever way."""
        self._unwatch(attempt)
        ending = attempt.ending()
        if ending is not None:
            self._over(attempt, ending)
        elif attempt.find_shim():
            # The one that has gone had come second.
            self._loop.add_reader(attempt.pidfd, self._shim_gone, attempt)
            self._look(attempt)
        elif not attempt.claimed():
            self._forget(attempt)
            self._never(attempt, "its shim ended before it began")
        elif not attempt.sweeping:
            attempt.sweeping = True
            self._spawn(self._sweep(attempt))

    def _started(self, attempt: Attempt, began_s: float) -> None:
        """Tell once that all its workers are up, where they are or were."""
        if began_s and not attempt.told_started and not attempt.stranger:
            attempt.told_started = True
            job, number = attempt.start.job, attempt.start.attempt
            self._happenings.put(lambda at_s: Started(at_s=at_s, job=job, attempt=number), began_s)

    async def _sweep(self, attempt: Attempt) -> None:
        """Kill what a shim has left behind that was killed itself; only then is it over."""
        running = endings.read_running(attempt.folder)
        told = attempt.orders()
        zygote = self._launcher.pid if self._launcher is not None else 0
        token = told.token if told is not None else str(attempt.folder)
        leftover = Leftover(token, attempt.group(), running, zygote)
        patience_s = self._settings.patience_s
        while left := await leftover.kill(patience_s):
            if not attempt.unkillable:
                self._unkillable(attempt, tuple((s.pid, s.name, s.state) for s in left))
        ending = attempt.ending()
        if ending is None:
            saved_s = history.saved_before(self.folders, attempt.start)
            words = "its shim was killed, and what was left of it was killed then"
            ending = Ending(outcome="lost", reason=words, saved_s=saved_s)
        self._write_end(attempt, ending)

    def _unkillable(self, attempt: Attempt, left: tuple[tuple[int, str, str], ...] = ()) -> None:
        attempt.unkillable = True
        running = endings.read_running(attempt.folder)
        start, gpus = attempt.start, attempt.gpus
        left = left or (running.left if running is not None else ())
        self._facts(Unkillable(start.job, start.attempt, gpus, left))
        for gpu in gpus:
            self.drain(gpu, _stays(start.job))

    # --- Ending ---

    def _write_end(self, attempt: Attempt, ending: Ending) -> None:
        with contextlib.suppress(OSError):
            endings.write_ending(attempt.folder, ending)
        self._over(attempt, ending)

    def _over(self, attempt: Attempt, ending: Ending) -> None:
        """Let an attempt be over: nothing of it is left on the machine."""
        if str(attempt.folder) not in self._open:
            return
        self._forget(attempt)
        if attempt.unkillable:
            for gpu in attempt.gpus:
                self._desk.restore(gpu, _stays(attempt.start.job))
        if attempt.stranger:
            self._facts(Ended(attempt.start.job, attempt.start.attempt, ending))
            held_back, self._held_back = self._held_back, []
            for start in held_back:
                del self._attempts[start.job]
                self._start(start)
        else:
            self._answer(attempt, ending)

    def _answer(self, attempt: Attempt, ending: Ending) -> None:
        """Tell of an end."""
        start = attempt.start
        self._facts(Ended(start.job, start.attempt, ending))
        failed = ending.outcome == "start-failed"
        failures = 1 + history.failures_before(self.folders, start) if failed else 0
        self._started(attempt, ending.began_s)
        self._happenings.put(
            lambda at_s: endings.event_of(start, ending, at_s, failures), ending.ended_s or None
        )

    def _end_stranger(self, attempt: Attempt) -> None:
        """End what runs and is in nobody's books."""
        attempt.stranger = True
        if attempt.void(_NOBODYS):
            endings.write_ending(attempt.folder, Ending(outcome="start-failed", reason=_NOBODYS))
            return
        self._take_over(attempt)
        if str(attempt.folder) in self._open:
            start = attempt.start
            self._facts(Stranger(start.job, start.attempt, attempt.gpus))
            attempt.request("kill", _NOBODYS)

    # --- Books ---

    def _remember(self, attempt: Attempt) -> None:
        self._open[str(attempt.folder)] = attempt
        if not attempt.stranger:
            self._attempts[attempt.start.job] = attempt

    def _forget(self, attempt: Attempt) -> None:
        self._unwatch(attempt)
        self._open.pop(str(attempt.folder), None)
        if self._attempts.get(attempt.start.job) is attempt:
            del self._attempts[attempt.start.job]

    def _unwatch(self, attempt: Attempt) -> None:
        if attempt.pidfd >= 0:
            self._loop.remove_reader(attempt.pidfd)
            attempt.let_go()

    def _tell_of_node(self) -> None:
        node = self.node
        self.happened(lambda at_s: NodeSeen(at_s=at_s, node=node))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _xid(self, xid: Xid) -> None:
        """Tell of a GPU's error; what it means is for others to say."""
        jobs = [job for job, attempt in self._attempts.items() if xid.gpu in attempt.gpus]
        self._facts(XidSeen(xid.gpu, xid.number, tuple(jobs)))


def _stays(job: JobId) -> str:
    return f"job {job} was killed on it and does not go"
