"""What a driver is judged by: books of every command and answer, kept between it and the loop.

`Observed` stands where the driver stands for the loop. It notes what is commanded and told, puts in
what users do, and raises `NonconformityError` as soon as the driver breaks a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from noljima.model.commands import Command, Evict, Start, Stop
from noljima.model.events import (
    Event,
    Evicted,
    Finished,
    OfRun,
    Outcome,
    Progressed,
    Started,
    StartFailed,
)
from noljima.model.resources import JobId, NodeId
from noljima.runtime.ports import Driver

ENDS: Final = (Evicted, Finished, StartFailed)
"""What ends an attempt; each has one."""

Run = tuple[JobId, int]
"""A job, and which attempt of it."""


class NonconformityError(AssertionError):
    """A driver has broken a rule."""


class Books:
    """What was commanded of a driver, what it answered, and who holds which GPU."""

    def __init__(self, *, doubled: bool = False) -> None:
        self.answers: dict[Run, list[OfRun]] = {}
        """Of each attempt that was told to start, in order."""
        self._last_s = float("-inf")
        self._doubled = doubled
        self._starts: dict[Run, Start] = {}
        self._present: dict[JobId, int] = {}
        self._going: set[Run] = set()
        self._holders: dict[tuple[NodeId, int], Run] = {}

    def allow_repeats(self) -> None:
        """Let a driver tell again what it has told: it was asked twice, or begun anew."""
        self._doubled = True

    def commanded(self, commands: Iterable[Command]) -> None:
        """Note commands; a start takes its GPUs."""
        for command in commands:
            if isinstance(command, Start):
                run = (command.job, command.attempt)
                self._starts[run] = command
                self._present[command.job] = command.attempt
                self.answers.setdefault(run, [])
                self._take(run, command)
            elif isinstance(command, Evict | Stop):
                self._going.add((command.job, self._present.get(command.job, 0)))

    def told(self, events: Iterable[Event]) -> None:
        """Note what a driver tells, and check it."""
        for event in events:
            if event.at_s < self._last_s:
                words = f"{event} comes after something at {self._last_s}"
                raise NonconformityError(f"time goes back: {words}")
            self._last_s = event.at_s
            if isinstance(event, OfRun) and not isinstance(event, Progressed):
                self._answered(event)

    def stays(self, run: Run) -> bool:
        """Say whether nobody has told an attempt to end, and no end of it was told."""
        return run not in self._going and not self.ended(run)

    def ended(self, run: Run) -> bool:
        """Say whether an attempt's end was told."""
        return any(isinstance(event, ENDS) for event in self.answers.get(run, ()))

    def unanswered(self) -> list[Start]:
        """Return the starts of attempts whose end was not told, as a journal would have them."""
        return [start for run, start in self._starts.items() if not self.ended(run)]

    def end_of(self, job: str) -> Outcome | None:
        """Return how a job ended for good."""
        for (name, _), answers in self.answers.items():
            for event in answers:
                if name == job and isinstance(event, Finished):
                    return event.outcome
        return None

    def kinds(self, job: str, attempt: int = 1) -> list[str]:
        """Return what was told of an attempt, by name."""
        return [type(event).__name__ for event in self.answers.get((JobId(job), attempt), ())]

    def close(self) -> None:
        """Check that every start was answered to its end."""
        missing = [run for run in self.answers if not self.ended(run)]
        if missing:
            raise NonconformityError(f"never told how these ended: {missing}")

    def _take(self, run: Run, start: Start) -> None:
        for worker in start.placement.workers:
            for gpu in worker.gpus:
                holder = self._holders.setdefault((worker.node, gpu), run)
                if holder != run:
                    words = f"GPU {gpu} of {worker.node} is given to {run} and held by {holder}"
                    raise NonconformityError(words)

    def _answered(self, event: OfRun) -> None:
        run = (event.job, event.attempt or self._present.get(event.job, 0))
        answers = self.answers.get(run)
        if answers is None:
            raise NonconformityError(f"{event} is of a run that nobody has started")
        if self._repeats(event, answers):
            return
        before = [type(answer).__name__ for answer in answers]
        if self.ended(run):
            raise NonconformityError(f"{event} comes after the end of its run: {before}")
        if answers and isinstance(event, Started | StartFailed):
            raise NonconformityError(f"a start is answered twice: {event} after {before}")
        answers.append(event)
        if isinstance(event, ENDS):
            self._holders = {gpu: held for gpu, held in self._holders.items() if held != run}

    def _repeats(self, event: OfRun, answers: Sequence[OfRun]) -> bool:
        """Say whether the same was told before, which a driver may do that was asked twice."""
        kind = type(event)
        same = [answer for answer in answers if type(answer) is kind]
        if not same or not self._doubled:
            return False
        outcomes = {answer.outcome for answer in (*same, event) if isinstance(answer, Finished)}
        return len(outcomes) <= 1


class Observed:
    """A driver between the loop and the driver that is judged."""

    def __init__(
        self,
        driver: Driver,
        books: Books,
        *,
        look: Callable[[Event], None],
        over: Callable[[], bool],
        doubled: bool = False,
    ) -> None:
        """`look` is shown each event as it is told; once `over` is true, nothing happens any more.

        With `doubled`, the driver gets every command twice.
        """
        self.driver = driver
        self._books = books
        self._look = look
        self._over = over
        self._doubled = doubled
        self._put_in: list[Callable[[float], Event]] = []
        self._now_s = 0.0
        self.on_start: Callable[[Start], None] = lambda _: None
        """Called once a start was given to the driver."""

    def put_in(self, make: Callable[[float], Event]) -> None:
        """Let something happen from outside, before whatever the driver tells next."""
        self._put_in.append(make)

    async def wait(self, until_s: float | None) -> tuple[Event, ...]:
        """Return what was put in, or what the driver tells."""
        if self._put_in:
            events = tuple(make(self._now_s) for make in self._put_in)
            self._put_in.clear()
            return events
        if self._over():
            return ()
        events = await self.driver.wait(until_s)
        self._books.told(events)
        if events:
            self._now_s = events[-1].at_s
        for event in events:
            self._look(event)
        return events

    async def do(self, at_s: float, commands: Sequence[Command]) -> None:
        """Note commands and pass them on."""
        self._books.commanded(commands)
        await self.driver.do(at_s, commands)
        if self._doubled:
            await self.driver.do(at_s, commands)
        for command in commands:
            if isinstance(command, Start):
                self.on_start(command)
