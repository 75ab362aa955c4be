"""The scheduler of a workstation, from its beginning to its end.

What it does in between is the loop of `runtime`, and beside it what looks after jobs, notices and
the state on disk. It can be killed at any moment: the next one goes on where this one was.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket as sockets
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from noljima.control.askers import Askers
from noljima.control.place import socket_path
from noljima.control.server import Server
from noljima.drivers.local.clock import Clock
from noljima.drivers.local.driver import LocalSettings, ProcessDriver
from noljima.drivers.local.facts import Ended, Fact
from noljima.drivers.local.gpus import Gpus
from noljima.drivers.local.machine import node_of
from noljima.drivers.local.spec import RunSpec
from noljima.model.amounts import several
from noljima.model.lifecycle import State as Stand
from noljima.model.resources import JobId, NodeId
from noljima.notify.channel import Channel
from noljima.notify.opening import open_channels
from noljima.prediction.sources import describe
from noljima.runtime.loop import run
from noljima.service import beginning, naming, shelves
from noljima.service.answers import Answers
from noljima.service.figures import Gauge, Showing
from noljima.service.halting import Halting
from noljima.service.keeping import Keeping
from noljima.service.ledger import Ledger
from noljima.service.office import Build, Header, Office
from noljima.service.postal import Postal
from noljima.service.settings import DaemonSettings
from noljima.service.stopping import Stopping
from noljima.service.stopwatch import Stopwatch
from noljima.service.telling import Telling
from noljima.service.wellbeing import Wellbeing
from noljima.store.state import State
from noljima.store.writes import PutItem

AGAIN_S: Final = 10.0
"""The pause before something that goes on beside the loop is begun again after a failure."""
END_S: Final = 15.0
"""How long the batch that is being written may take when the scheduler is to end."""
Say = Callable[[str], None]


class Composition(NamedTuple):
    """Which engine is wanted, and how it is built; said by who puts the program together."""

    wanted: Callable[[Header | None], Header]
    """From what the state says of its engine; from nothing for a new one."""
    build: Build


def serve(settings: DaemonSettings, gpus: Gpus, composition: Composition, say: Say) -> None:
    """Run the scheduler of this machine until it is told to end."""
    channels = open_channels(settings.channels)
    state, fresh = beginning.open_state(settings.state, composition.wanted, new=settings.new)
    with state:
        say(f"began a new state in {state.folder.root}" if fresh else f"state {state.folder.root}")
        for words in state.checked.notes:
            say(words)
        scheduler = Scheduler(settings, composition, channels, say)
        asyncio.run(scheduler.serve(state, gpus, fresh=fresh))


class Scheduler:
    """One daemon: its parts are made by `serve` and live as long as that runs."""

    def __init__(
        self,
        settings: DaemonSettings,
        composition: Composition,
        channels: Sequence[Channel],
        say: Say,
    ) -> None:
        self._settings, self._composition = settings, composition
        self._channels, self._say = channels, say
        self._ledger: Ledger | None = None
        self._wellbeing: Wellbeing | None = None
        self.stopping = Stopping()

    async def serve(self, state: State, gpus: Gpus, *, fresh: bool) -> None:
        """Run until it is told to end. The state is its caller's to close."""
        header = self._composition.wanted(state.now.era.engine)
        with state.reader() as reader:
            # 1. The engine, where the last one stood.
            name = beginning.node_name(reader)
            out = reader.items(shelves.DRAINED)
            found = beginning.engine_of(
                state,
                header,
                self._composition.build,
                lambda: node_of(name, gpus.found(), {int(gpu) for gpu in out}),
            )
            engine = found.engine
            for words in found.words if not fresh else ():
                self._say(words)
            if found.new_era:
                await beginning.begin_era(state, engine, header)
            if fresh:
                await state.write(PutItem(shelves.SERVICE, shelves.NODE, name.encode()))
            # 2. The machine, with what runs on it already.
            driver = self._driver(state, name, gpus, engine.state.now_s)
            telling = Telling(engine, describe(str(header["estimates"])))
            self._ledger = Ledger(state, engine, telling, driver.happened)
            office = Office(
                settings=self._settings,
                header=header,
                build=self._composition.build,
                engine=engine,
                state=state,
                reader=reader,
                driver=driver,
                gpus=gpus.found(),
                ledger=self._ledger,
                telling=telling,
                began_s=driver.clock.now_s(),
            )
            self._wellbeing = Wellbeing(office)
            await self._on(office)

    def _driver(self, state: State, node: NodeId, gpus: Gpus, since_s: float) -> ProcessDriver:
        """Make the driver, whose time goes on from the last that was written down."""
        local = LocalSettings(state=state.folder.root, node=node)
        clock = Clock(since_s)
        return ProcessDriver(local, self._spec, gpus, clock=clock, facts=self._heard)

    async def _on(self, office: Office) -> None:
        """Take over what the last scheduler left, and go on until the end."""
        beginning.restore_ledger(office.ledger, office.reader)
        for gpu, reason in office.reader.items(shelves.DRAINED).items():
            office.driver.drain(int(gpu), reason.decode())
        async with office.driver as driver:
            if os.geteuid() == 0:
                # The umask keeps the state to itself; users go through to their jobs' folders.
                driver.folders.runs.chmod(0o711)
            answers = Answers(office, beginning.next_name(office.reader), self.stopping)
            _take_up_waits(office, answers)
            await driver.adopt(beginning.unanswered(office.engine))
            await self._with_socket(office, answers)

    async def _with_socket(self, office: Office, answers: Answers) -> None:
        path = socket_path(office.state.folder.root)
        server = Server(path, answers, Askers(self._settings.operators))
        await server.open()
        try:
            self._greet(office)
            await self._going(office)
        finally:
            office.closing = "the scheduler is ending; try again with the next one"
            await server.close()
        await self._end(office)

    def _greet(self, office: Office) -> None:
        for words in office.driver.words():
            self._say(words)
        running, waiting = len(office.engine.state.running), len(office.engine.state.line)
        self._say(f"policy {office.engine.policy.name}; {running} jobs run, {waiting} wait")
        self._say(f"ready at {socket_path(office.state.folder.root)}")
        _notify_systemd("READY=1")

    async def _going(self, office: Office) -> None:
        """Run the loop and what goes on beside it, until the end is asked for or one breaks."""
        halting = Halting(office.driver)
        stopwatch = Stopwatch(halting, office.ledger)
        gauge = Gauge(office.engine, office.ledger, stopwatch.timing)
        loop = asyncio.create_task(run(office.engine, stopwatch, stopwatch, [gauge]))
        beside = [asyncio.create_task(work) for work in self._beside(office, gauge)]
        asked = asyncio.create_task(self.stopping.asked.wait())
        with _signals(self.stopping):
            await asyncio.wait({loop, asked, *beside}, return_when=asyncio.FIRST_COMPLETED)
        broken = [task for task in (loop, *beside) if task.done() and task.exception()]
        for task in (asked, *beside):
            task.cancel()
        await asyncio.gather(asked, *beside, return_exceptions=True)
        halting.halt()
        with contextlib.suppress(TimeoutError):
            # A batch that a full disk does not take is not waited for: nobody was told of it.
            async with asyncio.timeout(END_S):
                await loop
        for task in broken:
            task.result()

    def _beside(self, office: Office, gauge: Gauge) -> list[Coroutine[None, None, None]]:
        """Return what goes on beside the loop."""
        postal = Postal(office, self._channels, self._say)
        assert self._wellbeing is not None
        works: dict[str, Callable[[], Coroutine[None, None, None]]] = {
            "keeping the state": Keeping(office).run,
            "looking after jobs": self._wellbeing.run,
            "sending notices": postal.run,
        }
        port = self._settings.metrics_port
        if port is not None:
            showing = Showing(office, gauge, postal, self._say)
            works["showing metrics"] = partial(showing.run, port)
        return [self._again(office, name, work) for name, work in works.items()]

    async def _again(
        self, office: Office, name: str, work: Callable[[], Coroutine[None, None, None]]
    ) -> None:
        """Do something for as long as the scheduler runs; jobs are started whether it works."""
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - it is told, and tried again
                traceback.print_exc(file=sys.stderr)
                words = f"{name} has failed: {type(error).__name__}: {error}"
                self._say(words)
                office.warnings[name] = words
            await asyncio.sleep(AGAIN_S)

    async def _end(self, office: Office) -> None:
        """Evict what runs where that is wanted, and keep the engine as it stands."""
        if self.stopping.stop_jobs:
            await _evict_all(office.driver, self._say)
        if not office.ledger.full:
            refusal = await office.state.save_engine(office.engine)
            if refusal:
                self._say(
                    f"the engine's state was not kept, the next start takes longer: {refusal}"
                )
        running = len(office.driver.running)
        self._say(f"ended; {several(running, 'job')} still run" if running else "ended")

    def _spec(self, job: JobId) -> RunSpec:
        assert self._ledger is not None
        return self._ledger.handed[naming.base_of(job)].spec(job)

    def _heard(self, fact: Fact) -> None:
        assert self._ledger is not None
        if isinstance(fact, Ended):
            self._ledger.heard(fact)
        if self._wellbeing is not None:
            self._wellbeing.heard(fact)


def _take_up_waits(office: Office, answers: Answers) -> None:
    """Work out anew who is kept back, and let those go for whom it is over."""
    ledger, tickets = office.ledger, office.engine.tickets
    held = {JobId(job) for job in office.reader.items(shelves.HELD)}
    for handed in list(ledger.handed.values()):
        jobs = handed.jobs()
        going = [job for job in jobs if job in tickets and tickets[job].state is not Stand.HELD]
        ended = [(job, answers.ended_well(job)) for job in jobs if job not in tickets]
        turns = ledger.waits.take(
            handed, answers.fate, going=going, ended=ended, held=held.intersection(jobs)
        )
        ledger.turn(turns)


async def _evict_all(driver: ProcessDriver, say: Say) -> None:
    """Let every job save its state and end; it comes back when the next scheduler is there."""
    for job in list(driver.running):
        driver.end(job, "evict", "the machine goes down")
    while driver.running:
        say(f"{len(driver.running)} jobs save their state")
        await asyncio.sleep(1.0)


@contextlib.contextmanager
def _signals(stopping: Stopping) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    chosen = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in chosen:
        loop.add_signal_handler(number, stopping.asked.set)
    try:
        yield
    finally:
        for number in chosen:
            loop.remove_signal_handler(number)


def _notify_systemd(words: str) -> None:
    """Tell systemd that the service is up, where it has started it."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM) as out:
        out.sendto(words.encode(), address)
