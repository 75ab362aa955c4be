"""Brings a scheduler up in a folder of its own, and takes everything away again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from noljima.control.client import Client, ControlError, NoSchedulerError, socket_path
from noljima.control.messages import Down, Hello
from noljima.demo.play import GPUS

STATE: Final = "state"
"""The scheduler's own folder, in that of the play."""
_MARK: Final = ".noljima-demo"
"""Says that what stands beside it was made by a play, and may be replaced by the next."""
_UP_S: Final = 20.0
_DOWN_S: Final = 30.0
_LOOK_S: Final = 0.05
_SETTINGS: Final = """\
# A training may be silent for minutes; in a play of one and a half, only for as long as is allowed.
[health]
silence_s = 60.0
output_silence_s = 60.0
grace_s = 2.0
sight_s = 10.0
steps_min = 2
"""


class StageError(Exception):
    """The scheduler did not come up; says why in words."""


class Stage:
    """A scheduler of eight virtual GPUs, in use within a with statement."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        """Where the jobs work."""
        self.state = folder / STATE
        self.client = Client(socket_path(self.state))
        self._words = folder / "scheduler.log"
        self._settings = folder / "settings.toml"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Bring it up, in place of what an earlier play left in the folder."""
        self._clear()
        self.work.mkdir(parents=True)
        (self.folder / _MARK).touch()
        self._settings.write_text(_SETTINGS, encoding="utf-8")
        command = [sys.executable, "-m", "noljima", "up", f"--gpus={GPUS}", "--new"]
        command += [f"--state={self.state}", f"--config={self._settings}"]
        with self._words.open("wb") as words:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                command, stdin=subprocess.DEVNULL, stdout=words, stderr=words
            )
        try:
            self._wait_for_it()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End what runs, and the scheduler after it."""
        self._end()

    def _clear(self) -> None:
        """Take away what an earlier play has left, and nothing that anybody else has put there."""
        old = [path for path in (self.state, self.work) if path.exists()]
        there = [*old, *(path for path in (self._settings, self._words) if path.exists())]
        if there and not (self.folder / _MARK).exists():
            words = f"{there[0]} is there and was not made by a demo: choose another --folder"
            raise StageError(words)
        try:
            self.client.ask(Hello())
        except ControlError:
            for path in old:
                shutil.rmtree(path)
        else:
            raise StageError(f"a demo is running in {self.folder}: choose another --folder")

    def _wait_for_it(self) -> None:
        assert self._process is not None
        until_s = time.monotonic() + _UP_S
        while True:
            try:
                self.client.ask(Hello())
            except NoSchedulerError as error:
                if self._process.poll() is not None or time.monotonic() > until_s:
                    raise StageError(self._said() or str(error)) from None
                time.sleep(_LOOK_S)
            else:
                return

    def _said(self) -> str:
        lines = self._words.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else ""

    def _end(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        try:
            self.client.ask(Down(stop_jobs=True))
        except ControlError:
            process.terminate()
        try:
            process.wait(_DOWN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
