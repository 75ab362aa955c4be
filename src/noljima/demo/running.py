"""The play itself: jobs are handed in as they are due, and looked at until all have ended."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from noljima.control.client import Client
from noljima.control.messages import Accepted, Detail, History, JobRow, JobRows, Jobs, Show, Submit
from noljima.demo import ending, play
from noljima.demo.ending import Told
from noljima.demo.play import Part
from noljima.demo.show import Board
from noljima.demo.stage import Stage

_LOOK_S: Final = 0.25
_END_S: Final = 115.0
"""A play that is longer than this is broken off."""
_PICTURE_AT_S: Final = 24.0
"""When much waits and much runs."""


class UnendedError(Exception):
    """Jobs were still there when the play should have been over."""


class Play:
    """Hands in the parts when they are due, and keeps an eye on what becomes of them."""

    def __init__(
        self, client: Client, board: Board, begin_s: float, picture: Path | None = None
    ) -> None:
        self._client = client
        self._board = board
        self._begin_s = begin_s
        self._picture = picture
        self.parts: dict[str, Part] = {}
        """What each job is, by its number."""
        self.promised_s: dict[str, float] = {}
        """By when each job was promised to start, when it was handed in."""

    def run(self, parts: list[Part]) -> list[JobRow]:
        """Return all jobs once they have ended."""
        coming = sorted(parts, key=lambda part: part.at_s)
        while True:
            now_s = time.clock_gettime(time.CLOCK_REALTIME) - self._begin_s
            while coming and coming[0].at_s <= now_s:
                self._hand_in(coming.pop(0))
            rows, ended = self._look()
            if not coming and len(ended) == len(self.parts):
                return ended
            if now_s > _END_S:
                there = ", ".join(row.job for row in rows)
                raise UnendedError(f"after {_END_S:.0f} s these jobs had not ended: {there}")
            time.sleep(_LOOK_S)

    def _hand_in(self, part: Part) -> None:
        accepted = self._client.ask(Submit(submissions=(part.submission,)))
        assert isinstance(accepted, Accepted)
        for row in accepted.rows:
            self.parts[row.job] = part
            if row.by_s is not None:
                self.promised_s[row.job] = row.by_s

    def _look(self) -> tuple[tuple[JobRow, ...], list[JobRow]]:
        rows, ended = self._client.ask(Jobs()), self._client.ask(History())
        assert isinstance(rows, JobRows)
        assert isinstance(ended, JobRows)
        mine = [row for row in ended.rows if row.job in self.parts]
        self._board.update(rows.now_s, rows.rows, mine)
        if self._picture is not None and rows.now_s - self._begin_s > _PICTURE_AT_S:
            self._board.picture(self._picture, rows.now_s, rows.rows, len(mine))
            self._picture = None
        return rows.rows, mine

    def told(self, ended: list[JobRow]) -> list[Told]:
        """Compare with a strict queue of the same jobs."""
        run_s = {row.job: self._run_s(row) for row in ended}
        return ending.told(ended, run_s, self._begin_s)

    def _run_s(self, row: JobRow) -> float:
        """Say what a job takes by itself; of one that was ended, what it had taken until then."""
        if row.outcome in {"failed", "cancelled"} and row.started_s and row.ended_s:
            return max(row.ended_s - row.started_s, 0.01)
        return self.parts[row.job].run_s

    def evidence(self, job: str) -> tuple[str, ...]:
        """Return what health has seen of a job."""
        detail = self._client.ask(Show(job=job))
        assert isinstance(detail, Detail)
        return detail.evidence


class Performed(NamedTuple):
    """A play that is over."""

    told: list[Told]
    playing: Play
    evidence: dict[str, tuple[str, ...]]
    """What health has seen of the jobs that have failed."""


def performed(folder: Path, console: Console, picture: Path | None = None) -> Performed:
    """Bring a scheduler up, play, and take it down."""
    with Stage(folder) as stage:
        begin_s = time.clock_gettime(time.CLOCK_REALTIME)
        board = Board(console, begin_s)
        playing = Play(stage.client, board, begin_s, picture)
        with board.shown():
            ended = playing.run(play.parts(stage.work))
        failed = [row.job for row in ended if row.outcome == "failed"]
        evidence = {job: playing.evidence(job) for job in failed}
        return Performed(playing.told(ended), playing, evidence)
