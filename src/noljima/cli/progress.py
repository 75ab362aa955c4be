"""Progress bars on standard error, for people who watch; nothing for pipes and files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from noljima.model.commands import Command
from noljima.model.events import Event, Finished
from noljima.runtime.ports import Sink

# Drawing after every job would cost more than scheduling it.
_STEP: Final = 256


class _Rate(ProgressColumn):
    """Jobs per second."""

    def render(self, task: Task) -> Text:
        """Draw the rate, once there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} jobs/s", style="progress.data.speed")


class _Counter:
    """A sink that moves a bar as jobs end."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._ended = 0

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - ends are events
        """Count the jobs that have ended."""
        for event in events:
            if type(event) is Finished:
                self._ended += 1
                if self._ended % _STEP == 0:
                    self._progress.update(self._task, completed=self._ended)


class Bars:
    """One bar for each run, on a terminal; silent elsewhere."""

    def __init__(self, jobs: int, runs: int) -> None:
        console = Console(stderr=True)
        self._jobs = jobs
        self._runs = runs
        self._progress = Progress(
            TextColumn("{task.description:28s}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._progress.__exit__(kind, error, trace)

    @contextmanager
    def run(self, name: str) -> Iterator[Sequence[Sink]]:
        """Draw one run; hand out the sinks that move its bar, none where nobody watches."""
        if self._progress.disable:
            yield ()
            return
        task = self._progress.add_task(name, total=self._jobs)
        yield (_Counter(self._progress, task),)
        self._progress.update(task, completed=self._jobs)
