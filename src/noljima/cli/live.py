"""The live view of `noljima top`: three tables that follow the scheduler, and one job's reasons."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable, Footer, Static

from noljima.cli import clocks, rows
from noljima.cli.columns import harmless
from noljima.control.client import ControlError
from noljima.control.messages import JobRow, NodeRow, Scene
from noljima.model.amounts import several, thousandths

JOBS_MAX: Final = 500
"""More rows than that are no overview, and slow to draw."""
_AGAIN_S: Final = 2.0
_JOBS: Final = ("Job", "User", "Name", "GPUs", "State", "Position", "Start", "Ends", "Reason")
_GPUS: Final = ("GPU", "Type", "Free", "Busy", "Jobs", "Out")
_ENDED: Final = ("Job", "User", "Name", "State", "Exit", "Ended", "Why")


class Arrived(Message):
    """A scene has come, or the words why none comes."""

    def __init__(self, scene: Scene | None, words: str = "") -> None:
        super().__init__()
        self.scene = scene
        self.words = words


class Told(Message):
    """What the scheduler says of one job."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words


class Live(App[None]):
    """Draws scenes as they come; asks in threads, so that no key waits for the scheduler."""

    TITLE = "noljima"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    DataTable { height: 1fr; }
    #jobs { height: 3fr; }
    #head { height: 1; text-style: bold; }
    #why { height: auto; max-height: 10; border-top: solid gray; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("w", "why", "Why"),
    ]

    def __init__(self, scenes: Callable[[], Iterator[Scene]], why: Callable[[str], str]) -> None:
        super().__init__()
        self._scenes = scenes
        self._why = why
        self._over = threading.Event()

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield Static("waiting for the scheduler", id="head", markup=False)
        for name in ("jobs", "gpus", "ended"):
            yield DataTable[Text](id=name, cursor_type="row", zebra_stripes=True)
        yield Static("", id="why", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Head the tables, and begin to listen."""
        for name, heads in (("jobs", _JOBS), ("gpus", _GPUS), ("ended", _ENDED)):
            self._table(name).add_columns(*heads)
        self._table("jobs").focus()
        self._in_a_thread(self._listen)

    def on_unmount(self) -> None:
        """Let the thread that listens end with its next scene."""
        self._over.set()

    def on_arrived(self, arrived: Arrived) -> None:
        """Draw a scene, or say why there is none."""
        if arrived.scene is None:
            self.query_one("#head", Static).update(harmless(arrived.words))
            self.set_timer(_AGAIN_S, lambda: self._in_a_thread(self._listen))
            return
        scene = arrived.scene
        self.query_one("#head", Static).update(head_of(scene))
        self._fill("jobs", [(row.job, job_cells(row, scene.now_s)) for row in scene.jobs])
        self._fill("gpus", [*gpu_cells(scene.nodes)])
        self._fill("ended", [(row.job, ended_cells(row, scene.now_s)) for row in scene.ended])

    def on_told(self, told: Told) -> None:
        """Show what was asked about."""
        self.query_one("#why", Static).update(told.words)

    def on_data_table_row_selected(self) -> None:
        """Enter asks as the key for why does."""
        self.action_why()

    def action_why(self) -> None:
        """Ask why the chosen job waits."""
        table = self.focused
        if not isinstance(table, DataTable) or table.id == "gpus" or not table.row_count:
            self.post_message(Told("choose a job first"))
            return
        job = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        self._in_a_thread(lambda: self.post_message(Told(self._answer(job or ""))))

    def _answer(self, job: str) -> str:
        try:
            return self._why(job)
        except ControlError as error:
            return harmless(str(error))

    def _listen(self) -> None:
        try:
            for scene in self._scenes():
                if self._over.is_set():
                    return
                self.post_message(Arrived(scene))
            words = "the scheduler has ended; waiting for the next"
        except ControlError as error:
            words = str(error)
        if not self._over.is_set():
            self.post_message(Arrived(None, words))

    def _in_a_thread(self, work: Callable[[], object]) -> None:
        # Daemons, and not the framework's workers: those would keep a program that has ended
        # waiting for an answer.
        threading.Thread(target=work, name="noljima-top", daemon=True).start()

    def _table(self, name: str) -> DataTable[Text]:
        return self.query_one(f"#{name}", DataTable)

    def _fill(self, name: str, lines: Sequence[tuple[str, Iterable[str]]]) -> None:
        """Write a table anew; the cursor stays with its row, wherever that goes."""
        table = self._table(name)
        chosen = None
        if table.row_count:
            chosen = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        table.clear()
        for key, cells in lines[:JOBS_MAX]:
            table.add_row(*(Text(harmless(cell)) for cell in cells), key=key)
        places = {key: place for place, (key, _) in enumerate(lines[:JOBS_MAX])}
        if chosen in places:
            table.move_cursor(row=places[chosen])


def head_of(scene: Scene) -> str:
    """Say in one line how things stand."""
    runs = sum(row.state in rows.RUNS for row in scene.jobs)
    free = sum(gpu.free_milli for node in scene.nodes for gpu in node.gpus if not gpu.out)
    count = sum(len(node.gpus) for node in scene.nodes)
    words = (
        f"{clocks.at(scene.now_s, scene.now_s)}  {scene.welcome.policy} on {scene.welcome.node}: "
        f"{several(runs, 'job')} at work, {len(scene.jobs) - runs:,} waiting, "
        f"{thousandths(free)} of {several(count, 'GPU')} free"
    )
    return harmless("  ! ".join([words, *scene.welcome.warnings]))


def job_cells(row: JobRow, now_s: float) -> list[str]:
    """Write a line of the queue."""
    at_work = row.state in rows.RUNS
    return [
        row.job,
        row.user,
        row.name,
        rows.gpus_of(row),
        row.state,
        str(row.position or ""),
        rows.start_of(row, now_s),
        clocks.at(row.about_s, now_s) if at_work else "",
        rows.reason_of(row),
    ]


def gpu_cells(nodes: Sequence[NodeRow]) -> Iterator[tuple[str, list[str]]]:
    """Write a line for each GPU."""
    for node in nodes:
        for gpu in node.gpus:
            busy = "" if gpu.utilisation is None else f"{100 * gpu.utilisation:.0f} %"
            yield (
                f"{node.node} {gpu.number}",
                [
                    str(gpu.number),
                    gpu.name or node.gpu_type,
                    thousandths(gpu.free_milli),
                    busy,
                    ", ".join(gpu.jobs),
                    gpu.out,
                ],
            )


def ended_cells(row: JobRow, now_s: float) -> list[str]:
    """Write a line of what has ended."""
    ended = clocks.at(row.ended_s, now_s)
    return [row.job, row.user, row.name, row.state, rows.exit_of(row), ended, row.words]
