"""`noljima top`: the tables follow the scheduler, keys work, and nothing in them is obeyed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping

import msgspec
import pytest
from click.testing import Result
from rich.text import Text
from textual.widgets import DataTable, Static

from noljima.cli import live
from noljima.cli.live import Arrived, Live, Told
from noljima.control.client import NoSchedulerError
from noljima.control.messages import GpuRow, Hello, JobRow, NodeRow, Question, Scene, Welcome
from noljima.testing.desk import Desk, Script

Run = Callable[..., Result]
OpenDesk = Callable[[Mapping[type[Question], Script]], Desk]
WELCOME = Welcome(
    noljima="0", pid=1, began_s=0, now_s=0, policy="fair", node="n", user="u", operator=False
)
WAITS = JobRow(job="2", state="queued", submitted_s=0.0, position=1, name="\x1b[bold]x[/]")
RUNS = JobRow(job="1", state="running", submitted_s=0.0, started_s=1.0, gpus=(0,))
ENDED = JobRow(job="9", state="failed", submitted_s=0.0, ended_s=2.0, exit_codes=(3,), words="oom")
NODE = NodeRow(node="n", gpus=(GpuRow(number=0, jobs=("1",), free_milli=0), GpuRow(number=1)))
SCENE = Scene(now_s=5.0, welcome=WELCOME, jobs=(RUNS, WAITS), nodes=(NODE,), ended=(ENDED,))


class Watched(Live):
    """The view, with events for a test to wait for."""

    def __init__(self, scenes: Callable[[], Iterator[Scene]], why: Callable[[str], str]) -> None:
        super().__init__(scenes, why)
        self.arrived, self.told = asyncio.Event(), asyncio.Event()

    def on_arrived(self, arrived: Arrived) -> None:
        """Draw, and say so."""
        arrived.prevent_default()  # Textual would call both handlers.
        super().on_arrived(arrived)
        self.arrived.set()

    def on_told(self, told: Told) -> None:
        """Show, and say so."""
        told.prevent_default()
        super().on_told(told)
        self.told.set()


def cells(app: Live, name: str) -> list[list[str]]:
    """Return what a table shows."""
    table: DataTable[Text] = app.query_one(f"#{name}", DataTable)
    return [[cell.plain for cell in table.get_row_at(row)] for row in range(table.row_count)]


def text_of(app: Live, name: str) -> str:
    """Return what a line shows."""
    return str(app.query_one(f"#{name}", Static).content)


def held(*scenes: Scene) -> Callable[[], Iterator[Scene]]:
    """Give scenes, and then none for as long as a test may take."""

    def give() -> Iterator[Scene]:
        yield from scenes
        threading.Event().wait(60)

    return give


def test_the_tables_show_the_scene_and_nothing_in_it_is_obeyed() -> None:
    async def play() -> None:
        app = Watched(held(SCENE), str)
        async with app.run_test(size=(160, 40)):
            await asyncio.wait_for(app.arrived.wait(), 30)

            assert [line[0] for line in cells(app, "jobs")] == ["1", "2"]
            assert cells(app, "jobs")[1][2] == "\\x1b[bold]x[/]"
            assert cells(app, "gpus") == [["0", "", "0", "", "1", ""], ["1", "", "1", "", "", ""]]
            assert cells(app, "ended")[0][3:5] == ["failed", "3"]
            assert "1 job at work, 1 waiting, 1 of 2 GPUs free" in text_of(app, "head")

    asyncio.run(play())


def test_a_key_says_why_the_chosen_job_waits() -> None:
    asked: list[str] = []

    def why(job: str) -> str:
        asked.append(job)
        return f"[red]because {job}[/red]"

    async def play() -> None:
        app = Watched(held(SCENE), why)
        async with app.run_test(size=(160, 40)) as pilot:
            await asyncio.wait_for(app.arrived.wait(), 30)
            await pilot.press("down", "w")
            await asyncio.wait_for(app.told.wait(), 30)

            assert text_of(app, "why") == "[red]because 2[/red]"

    asyncio.run(play())
    assert asked == ["2"]


def test_the_cursor_stays_with_its_job() -> None:
    first = msgspec.structs.replace(SCENE, jobs=(WAITS, RUNS))
    go = threading.Event()

    def scenes() -> Iterator[Scene]:
        yield first
        go.wait(30)
        yield SCENE
        threading.Event().wait(60)

    async def play() -> None:
        app = Watched(scenes, str)
        async with app.run_test(size=(160, 40)) as pilot:
            await asyncio.wait_for(app.arrived.wait(), 30)
            app.arrived.clear()
            await pilot.press("up", "w")
            go.set()
            await asyncio.wait_for(app.arrived.wait(), 30)
            await pilot.pause()
            app.told.clear()
            await pilot.press("w")
            await asyncio.wait_for(app.told.wait(), 30)

            assert text_of(app, "why") == "2"

    asyncio.run(play())


def test_q_ends_it_though_the_scheduler_says_nothing() -> None:
    async def play() -> None:
        app = Watched(held(SCENE), str)
        async with app.run_test() as pilot:
            await asyncio.wait_for(app.arrived.wait(), 30)
            await pilot.press("q")
        assert app.return_code == 0

    asyncio.run(asyncio.wait_for(play(), 30))


def test_a_scheduler_that_ends_is_told_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_AGAIN_S", 0.001)
    tries: list[int] = []

    def scenes() -> Iterator[Scene]:
        tries.append(1)
        if len(tries) == 1:
            raise NoSchedulerError("no scheduler \x1b is running")
        yield SCENE
        threading.Event().wait(60)

    async def play() -> None:
        app = Watched(scenes, str)
        async with app.run_test(size=(160, 40)):
            await asyncio.wait_for(app.arrived.wait(), 30)
            assert text_of(app, "head") == "no scheduler \\x1b is running"
            app.arrived.clear()
            await asyncio.wait_for(app.arrived.wait(), 30)
            assert len(cells(app, "jobs")) == 2

    asyncio.run(play())


def test_only_so_many_rows_are_drawn() -> None:
    jobs = tuple(msgspec.structs.replace(WAITS, job=str(n)) for n in range(2000))

    async def play() -> None:
        app = Watched(held(msgspec.structs.replace(SCENE, jobs=jobs)), str)
        async with app.run_test(size=(160, 40)):
            await asyncio.wait_for(app.arrived.wait(), 30)
            assert len(cells(app, "jobs")) == live.JOBS_MAX
            assert "2,000 waiting" in text_of(app, "head")

    asyncio.run(play())


def test_without_a_scheduler_the_screen_is_not_taken(noljima: Run, tmp_path: object) -> None:
    result = noljima("top", "--at", f"{tmp_path}/nowhere")

    assert result.exit_code == 5
    assert result.stdout == ""


def test_without_textual_the_way_to_it_is_told(desk: OpenDesk) -> None:
    desk({Hello: WELCOME})
    script = "import sys; sys.modules['textual'] = None; from noljima import cli; cli.main(['top'])"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own

    assert done.returncode == 2
    assert done.stderr.startswith("noljima: top needs Textual: `pip install 'noljima[top]'`")
