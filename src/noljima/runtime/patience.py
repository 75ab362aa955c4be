"""A source of estimates that is asked elsewhere, and waited for only so long and so often.

The core calls a source and reads no clock: it cannot do anything about one that never comes back.
Here, outside, somebody else makes the call. What is late counts as no estimate, so that the user's
limit stands in; while the source has not come back nobody waits for it again, and after a few times
it is asked no more. A thread is enough for a source that sleeps. One that computes without end
keeps the interpreter busy from a thread, too: `Apart` gives it a process, which can be ended.

Whether an answer was late is nothing that a journal knows: a replay has all estimates in time, and
may differ from there on. Engines with such a source cannot be written down as a snapshot.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Final, Protocol, runtime_checkable

from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.prediction.source import Follower, Source

BUDGET_S: Final = 0.05
"""How long one question is waited for: what a planning cycle of a large cluster takes."""
LATE_MAX: Final = 3
"""After so many late answers a source is asked no more."""
NOTES_MAX: Final = 10_000
START_S: Final = 60.0
"""How long a process may take to come up."""

Note = Callable[[Source], None]


class Errand(Protocol):
    """A call that somebody else makes."""

    def wait(self, budget_s: float) -> bool:
        """Wait until it is over, but not for longer than this; say whether it is."""
        ...

    def result(self) -> Estimate:
        """Return what came of it, or raise that."""
        ...


class Desk(Protocol):
    """Whoever makes the calls, one after the other."""

    def send(self, call: Callable[[], Estimate]) -> Errand:
        """Take on a call."""
        ...

    def close(self) -> None:
        """Take on nothing more."""
        ...


@runtime_checkable
class Closable(Protocol):
    """What a source implements besides `Source` where something has to be ended with it."""

    def close(self) -> None:
        """End it."""
        ...


class Patient:
    """A source behind a desk, with a budget for each question."""

    def __init__(
        self,
        source: Source,
        desk: Desk,
        *,
        budget_s: float = BUDGET_S,
        late_max: int = LATE_MAX,
        notes_max: int = NOTES_MAX,
    ) -> None:
        self._source = source
        self._follows = isinstance(source, Follower)
        self._desk = desk
        self._budget_s = budget_s
        self._late_max = late_max
        # What it has to be told before the next question.
        self._notes: deque[Note] = deque()
        self._notes_max = notes_max
        self._open: Errand | None = None
        self.late = 0
        """How many answers did not come in time."""
        self.busy = 0
        """How many questions were not asked because it had not come back from another."""
        self.dropped = 0
        """How many notes were forgotten because it took none for too long."""
        self.given_up = False

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Ask, and wait for as long as the budget allows."""
        if self.given_up:
            raise TimeoutError(f"was late {self.late} times and is asked no more")
        if self._open is not None and not self._open.wait(0.0):
            self.busy += 1
            raise TimeoutError("has not come back from an earlier question")
        notes, self._notes = tuple(self._notes), deque()
        source = self._source

        def call() -> Estimate:
            _tell(source, notes)
            return source.predict(job, oracle_s)

        self._open = errand = self._desk.send(call)
        if errand.wait(self._budget_s):
            self._open = None
            return errand.result()
        self.late += 1
        if self.late >= self._late_max:
            self.close()
        times = f"late {self.late} of {self._late_max} times"
        raise TimeoutError(f"no estimate within {self._budget_s:g} s ({times})")

    def learn(self, job: Job, run_s: float) -> None:
        """Note it for the next question."""
        self._note(lambda source: source.learn(job, run_s))

    def advance(self, at_s: float) -> None:
        """Note it where the source follows the time."""
        self._follow(lambda source: source.advance(at_s))

    def started(self, job: Job) -> None:
        """Note it where the source follows what runs."""
        self._follow(lambda source: source.started(job))

    def stopped(self, job: Job) -> None:
        """Note it where the source follows what runs."""
        self._follow(lambda source: source.stopped(job))

    def forget(self, job: Job) -> None:
        """Note it where the source follows what runs."""
        self._follow(lambda source: source.forget(job))

    def close(self) -> None:
        """Ask no more, and end what can be ended."""
        self.given_up = True
        self._notes.clear()
        self._desk.close()
        if isinstance(self._source, Closable):
            self._source.close()

    def _follow(self, note: Callable[[Follower], None]) -> None:
        def told(source: Source) -> None:
            assert isinstance(source, Follower)
            note(source)

        if self._follows:
            self._note(told)

    def _note(self, note: Note) -> None:
        if self.given_up:
            return
        self._notes.append(note)
        if len(self._notes) > self._notes_max:
            self._notes.popleft()
            self.dropped += 1


def _tell(source: Source, notes: tuple[Note, ...]) -> None:
    for note in notes:
        try:
            note(source)
        except Exception:  # noqa: BLE001, S112 - a source that cannot learn may still answer
            continue


# --- Desks and places ---


class ThreadDesk:
    """Makes the calls in a thread of its own, which does not keep the program from ending."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        threading.Thread(target=self._work, name="estimates", daemon=True).start()

    def send(self, call: Callable[[], Estimate]) -> Errand:
        """Take on a call."""
        errand = _Call(call)
        self._calls.put(errand)
        return errand

    def close(self) -> None:
        """Let the thread end once it comes back."""
        self._calls.put(None)

    def _work(self) -> None:
        while (errand := self._calls.get()) is not None:
            errand.run()


class _Call:
    """A call in another thread."""

    def __init__(self, call: Callable[[], Estimate]) -> None:
        self._call = call
        self._over = threading.Event()
        self._answer: Estimate | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._answer = self._call()
        except Exception as error:  # noqa: BLE001 - handed over to whoever asked
            self._error = error
        self._over.set()

    def wait(self, budget_s: float) -> bool:
        return self._over.wait(budget_s)

    def result(self) -> Estimate:
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value]  # `Guarded` looks at what it is


class ApartError(Exception):
    """What a source in another process has raised, in words."""


class Apart:
    """A source in a process of its own; blocks until it answers, as any source does."""

    def __init__(self, build: Callable[[], Source]) -> None:
        # Not a fork: of a program with threads a copy may hold locks that nobody will release.
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, build), daemon=True)
        self._process.start()
        there.close()
        # Its start takes longer than any answer, and must not count as a late one.
        if not self._here.poll(START_S):
            self.close()
            raise ApartError(f"the source was not there after {START_S:g} s")
        self._answer()

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Ask the process."""
        self._here.send(("predict", job, oracle_s))
        return self._answer()  # type: ignore[return-value]  # `Guarded` looks at what it is

    def learn(self, job: Job, run_s: float) -> None:
        """Tell the process."""
        self._here.send(("learn", job, run_s))

    def advance(self, at_s: float) -> None:
        """Tell the process."""
        self._here.send(("advance", at_s))

    def started(self, job: Job) -> None:
        """Tell the process."""
        self._here.send(("started", job))

    def stopped(self, job: Job) -> None:
        """Tell the process."""
        self._here.send(("stopped", job))

    def forget(self, job: Job) -> None:
        """Tell the process."""
        self._here.send(("forget", job))

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()

    def _answer(self) -> object:
        good, answer = self._here.recv()
        if not good:
            raise ApartError(answer)
        return answer

    def ended(self, within_s: float) -> bool:
        """Wait for the process to be gone; say whether it is."""
        self._process.join(within_s)
        return not self._process.is_alive()


def _serve(there: Connection, build: Callable[[], Source]) -> None:
    try:
        source = build()
    except Exception as error:  # noqa: BLE001 - handed over in words
        there.send((False, f"{type(error).__name__}: {error}"))
        return
    there.send((True, None))
    while True:
        try:
            name, *values = there.recv()
        except EOFError:
            return
        if name != "predict" and not hasattr(source, name):
            continue
        try:
            good, answer = True, getattr(source, name)(*values)
        except Exception as error:  # noqa: BLE001 - handed over in words
            good, answer = False, f"{type(error).__name__}: {error}"
        if name == "predict":
            try:
                there.send((good, answer))
            except (TypeError, AttributeError, ValueError) as error:
                there.send((False, f"an answer that cannot be told: {error}"))
