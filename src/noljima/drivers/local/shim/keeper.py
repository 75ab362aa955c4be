"""The shim itself: one attempt of one job, from the claim to `exit.json`.

It waits in one place, `_wait`, for whatever comes first: a child's end, output, a word from the
scheduler, the next step of an ending, the limit. It goes on whether or not a scheduler is there.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
from typing import Any, Final

from noljima.drivers.local.shim import checkpoints, clock, kernel, ladder, memory, proc
from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim import group as groups
from noljima.drivers.local.shim.checkpoints import Past
from noljima.drivers.local.shim.gang import Gang, StartError
from noljima.drivers.local.shim.ladder import Step, Why
from noljima.drivers.local.shim.logs import Log
from noljima.drivers.local.shim.orders import Group, Orders
from noljima.drivers.local.shim.proc import Stat
from noljima.drivers.local.shim.report import Report
from noljima.drivers.local.shim.tree import Tree

LOOK: Final = signal.SIGURG
"""Tells a shim to look for a request; ignored by a process that has no handler for it yet."""

_LEAVE: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_AGAIN_S: Final = 0.02
_KILL_AGAIN_S: Final = 0.005
_KILL_AGAIN_MAX_S: Final = 0.5
_SETTLE_S: Final = 0.2
_MEMORY_S: Final = 0.5


class Keeper:
    """Runs one attempt."""

    def __init__(self, folder: str, orders: Orders, claim: dict[str, Any]) -> None:
        self._folder = folder
        self._orders = orders
        self._report = Report(folder, claim)
        self._tree = Tree(orders.group)
        self._gang = Gang(orders, folder)
        self._logs: dict[int, Log] = {}
        self._codes: dict[int, int] = {}
        self._signals: set[int] = set()
        self._poll = select.poll()
        self._wakeup = -1
        self._empty = False
        # When it began by the clock that people read, and by the one that does not jump.
        self._began_s = 0.0
        self._began_at = 0.0
        self._cause: Why | None = None
        self._reason = ""
        self._steps: list[Step] = []
        self._step: Step | None = None
        self._due_at = math.inf
        self._settle_at = math.inf
        self._memory_at = math.inf
        self._told: dict[int, Stat] = {}
        self._folder_watch = -1
        self._checkpoint_s: float | None = None
        self._unkillable = False
        self._unkillable_at = math.inf
        self._kill_again_s = _KILL_AGAIN_S

    # --- From the beginning to the end ---

    def run(self) -> None:
        """Start the gang, see it through, and write down how it ended."""
        self._listen()
        try:
            if self._gang.alone:
                self._look_first()
            self._gang.prepare()
            self._begin()
        except (StartError, OSError) as error:
            self._never_began(str(error))
            return
        while not self._empty:
            self._wait()
        self._finish()

    def _begin(self) -> None:
        workers = [stat for pid in self._gang.pids if (stat := proc.stat_of(pid)) is not None]
        begun = [[stat.pid, stat.began_ticks] for stat in workers]
        self._report.state("ready", loud=False, workers=begun)
        self._began_s, self._began_at = clock.wall_s(), clock.steady_s()
        if not self._gang.alone:
            self._look_first()
        self._gang.release()
        for worker, source in enumerate(self._gang.logs):
            self._logs[source] = Log(self._folder, worker, source, self._orders.log_bytes)
            self._poll.register(source, select.POLLIN)
        began = {"began_s": self._began_s, "workers": begun}
        self._report.state("running", loud=True, **began)
        self._settle_at = self._began_at + _SETTLE_S
        if self._orders.memory_bytes:
            self._memory_at = self._began_at + _MEMORY_S
        # A request that came while nobody listened.
        self._signals.add(LOOK)

    def _look_first(self) -> None:
        """Begin nothing that is to be ended already."""
        request = self._request()
        if request:
            self._cause = Why(request["kind"])
            self._reason = str(request.get("reason", ""))
            raise StartError("it was ended before it began")

    def _never_began(self, reason: str) -> None:
        """Give everything back that had come up."""
        self._gang.close()
        try:
            groups.leave(self._orders.group)
        except OSError:
            # It would kill itself with the group: then one by one.
            self._tree = Tree(Group())
        self._kill_all()
        self._began_s = 0.0
        outcome = self._cause.value if self._cause is not None else "start-failed"
        self._put_down(outcome, self._reason or reason, ran_s=0.0)

    def _kill_all(self) -> None:
        """Kill until nothing is left, without looking at anything else."""
        while True:
            _, empty = self._tree.bury()
            if empty:
                self._empty = True
                return
            self._tree.kill(again=True)
            self._poll_signals(_AGAIN_S)

    def _finish(self) -> None:
        ran_s = clock.steady_s() - self._began_at
        for log in self._logs.values():
            log.drain()
            log.close()
        causes = {Why.PEERS, Why.LEFTOVER, None}
        outcome = "exited" if self._cause in causes else str(self._cause and self._cause.value)
        self._put_down(outcome, self._reason, ran_s)

    def _put_down(self, outcome: str, reason: str, ran_s: float) -> None:
        orders = self._orders
        past = Past(self._began_s, ran_s, orders.saved_s, orders.restart_s)
        last_s = checkpoints.last_s(self._folder) if self._began_s else None
        ending = {
            "outcome": outcome,
            "reason": reason,
            "codes": [self._codes.get(pid) for pid in self._gang.pids],
            "began_s": self._began_s,
            "ended_s": clock.wall_s(),
            "ran_s": ran_s,
            "saved_s": checkpoints.saved_s(last_s, past),
            "log_bytes": [log.written for log in self._logs.values()],
            "lost_log_bytes": sum(log.lost for log in self._logs.values()),
            "out_of_memory": self._cause is Why.MEMORY or groups.out_of_memory(orders.group),
            "was_unkillable": self._unkillable,
        }
        groups.remove(orders.group)
        self._report.exit(ending)

    # --- Waiting ---

    def _listen(self) -> None:
        """Hear of ended children and of the scheduler's words through one descriptor."""
        self._wakeup, inside = os.pipe()
        for fd in (self._wakeup, inside):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(inside, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, LOOK, *_LEAVE):
            signal.signal(number, _nothing)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self._poll.register(self._wakeup, select.POLLIN)

    def _poll_signals(self, wait_s: float) -> list[int]:
        """Wait so long for anything; return the descriptors, those of signals read already."""
        ready = [fd for fd, _ in self._poll.poll(max(math.ceil(wait_s * 1e3), 0))]
        if self._wakeup in ready:
            with contextlib.suppress(BlockingIOError):
                self._signals.update(os.read(self._wakeup, 4096))
            ready.remove(self._wakeup)
        return ready

    def _wait(self) -> None:
        """Wait for what comes next, and see to it."""
        # 1. Wait.
        now = clock.steady_s()
        until = min(self._due_at, self._limit_at, self._settle_at, self._memory_at, now + 3600.0)
        if self._report.unheard:
            until = min(until, now + _AGAIN_S)
        ready = self._poll_signals(0.0 if LOOK in self._signals else until - now)
        # 2. The dead first: an end that has come by itself goes before one that is wanted.
        self._bury()
        # 3. What was said, asked and written.
        self._hear(ready)
        # 4. What is due.
        if not self._empty:
            self._see_to_time(clock.steady_s())

    @property
    def _limit_at(self) -> float:
        if self._orders.limit_s is None or self._cause is not None:
            return math.inf
        return self._began_at + self._orders.limit_s

    def _bury(self) -> None:
        self._signals.discard(signal.SIGCHLD)
        dead, self._empty = self._tree.bury()
        mine = set(self._gang.pids)
        for pid, code in dead:
            if pid not in mine:
                continue
            self._codes[pid] = code
            if code and self._cause is None:
                self._cause = Why.PEERS
                self._reason = f"worker {self._gang.pids.index(pid)} {ended(code)}"
        if self._empty:
            return
        if self._cause is Why.PEERS and self._step is None:
            self._end(Why.PEERS, "")
        if len(self._codes) < len(mine):
            return
        if self._cause is None:
            self._end(Why.LEFTOVER, "")
        elif self._step is not None and self._step.number in {None, ladder.ASK}:
            # Nobody is left whom it is worth waiting for.
            self._climb()

    def _hear(self, ready: list[int]) -> None:
        for fd in ready:
            if fd in self._logs:
                if not self._logs[fd].take():
                    self._poll.unregister(fd)
            elif fd in self._told:
                self._forget(fd)
                if not self._told and self._step is not None:
                    # Who handled the signal is gone: the others have not heard of it yet.
                    self._tree.tell_all(signal.SIGTERM)
            elif fd == self._folder_watch:
                with contextlib.suppress(BlockingIOError):
                    os.read(fd, 1 << 16)
                if checkpoints.last_s(self._folder) != self._checkpoint_s:
                    self._climb()
        heard, self._signals = self._signals, set()
        if LOOK in heard and (request := self._request()):
            self._end(Why(request["kind"]), str(request.get("reason", "")))
        if not heard.isdisjoint(_LEAVE):
            self._end(Why.EVICT, "the machine, or somebody, told its shim to end")

    def _see_to_time(self, now: float) -> None:
        if self._report.unheard:
            self._report.repeat()
        if now >= self._settle_at:
            self._settle_at = math.inf
            self._report.settle()
        if now >= self._limit_at:
            self._end(Why.LIMIT, f"it has run for its limit of {self._orders.limit_s:g} s")
        if now >= self._memory_at:
            self._memory_at = now + _MEMORY_S
            if memory.beyond(self._tree.members(), self._orders.memory_bytes):
                self._memory_at = math.inf
                self._end(Why.MEMORY, f"it took more than {self._orders.memory_bytes >> 20} MiB")
        if now >= self._due_at:
            self._climb()

    def _request(self) -> dict[str, Any]:
        """Return what is wanted of this attempt; empty where nothing is, or nothing known."""
        request = files.load(f"{self._folder}/{files.REQUEST}") or {}
        known = request.get("kind") in {"evict", "stop", "fail", "kill"}
        return request if known else {}

    # --- Ending ---

    def _end(self, why: Why, reason: str) -> None:
        """Begin to end the job, or go on faster."""
        if ladder.replaces(why, self._cause):
            self._cause, self._reason = why, reason
        if self._step is None or ladder.hastens(why, self._step):
            self._steps = ladder.steps(why, self._orders.graces)
            self._report.state("ending", loud=False, why=why.value, began_s=self._began_s)
            self._climb()

    def _climb(self) -> None:
        """Do the next harder thing."""
        self._stop_watching()
        if self._steps:
            self._step = self._steps.pop(0)
            self._due_at = clock.steady_s() + self._step.wait_s
            if self._step.number == signal.SIGKILL:
                self._unkillable_at = self._due_at
        match self._step and self._step.number:
            case ladder.ASK:
                self._ask()
            case signal.SIGTERM:
                self._tell()
            case signal.SIGKILL:
                self._kill()
            case _:
                pass

    def _ask(self) -> None:
        """Ask for a checkpoint; go on at once where nobody would hear."""
        self._checkpoint_s = checkpoints.last_s(self._folder)
        with contextlib.suppress(OSError):
            self._folder_watch = kernel.watch_folder(f"{self._folder}/{files.JOB}")
            self._poll.register(self._folder_watch, select.POLLIN)
        if not self._tree.tell(ladder.ASK, self._gang.pids):
            self._climb()

    def _tell(self) -> None:
        """Tell those that listen to end, and the others after them."""
        for stat in self._tree.tell(signal.SIGTERM, self._gang.pids):
            with contextlib.suppress(OSError):
                fd = os.pidfd_open(stat.pid)
                self._told[fd] = stat
                self._poll.register(fd, select.POLLIN)
        if not self._told:
            self._tree.tell_all(signal.SIGTERM)

    def _kill(self) -> None:
        """Kill what is there, and again until nothing is."""
        now = clock.steady_s()
        if now >= self._unkillable_at:
            self._unkillable, self._unkillable_at = True, math.inf
            left = [[stat.pid, stat.name, stat.state] for stat in self._tree.members()]
            self._report.state("unkillable", loud=True, left=left, began_s=self._began_s)
        self._tree.kill(again=self._kill_again_s > _KILL_AGAIN_S)
        self._due_at = now + self._kill_again_s
        self._kill_again_s = min(self._kill_again_s * 2.0, _KILL_AGAIN_MAX_S)

    def _stop_watching(self) -> None:
        for fd in list(self._told):
            self._forget(fd)
        if self._folder_watch >= 0:
            self._poll.unregister(self._folder_watch)
            os.close(self._folder_watch)
            self._folder_watch = -1

    def _forget(self, fd: int) -> None:
        self._poll.unregister(fd)
        os.close(fd)
        del self._told[fd]


def ended(code: int) -> str:
    """Write an exit code in words."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _nothing(number: int, frame: object) -> None:
    """Be a handler: the number comes through the wake-up descriptor."""
