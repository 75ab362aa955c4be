"""What running jobs tell of themselves: their progress files, and what they print.

Files and logs are looked at beside the event loop. Nothing in them is trusted, and nothing in them
can make this fail: a job that tells nothing, or nonsense, has told nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from noljima.drivers.local import logs
from noljima.drivers.local.shim import checkpoints
from noljima.drivers.local.shim import folder as files
from noljima.health.facts import Trouble
from noljima.prediction.progress.observation import Observation
from noljima.prediction.progress.reader import Reader
from noljima.prediction.progress.report import latest

PIECE_BYTES: Final = 1 << 17
"""So much of each worker's output is read at a time; of more than that only the end."""
TROUBLES_MAX: Final = 4
LINE_MAX: Final = 200
_SIGNS: Final = (
    (Trouble.NCCL, re.compile(rb"NCCL (?:WARN|error)|ncclSystemError|Watchdog caught collective")),
    (Trouble.CUDA_MEMORY, re.compile(rb"CUDA out of memory|OutOfMemoryError|RESOURCE_EXHAUSTED")),
    (Trouble.CUDA, re.compile(rb"CUDA error|CUDA_ERROR_|cudaError")),
    (Trouble.TRACEBACK, re.compile(rb"Traceback \(most recent call last\)")),
    (Trouble.NAN_LOSS, re.compile(rb"\bloss['\"]?\s*[:=]\s*['\"]?nan\b", re.IGNORECASE)),
)


class Heard(NamedTuple):
    """What was heard of one run since the last time."""

    observation: Observation | None
    troubles: tuple[tuple[int, Trouble, str], ...]
    """Worker, kind, and the line that told of it."""
    saved: bool
    """Whether it has ever said that its state is saved."""


class Overhearing:
    """Listens to one run of a job."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._workers = workers
        self._places: dict[int, int] = {}
        self._reader = Reader()
        self._by_file = False

    def listen(self) -> Heard:
        """Look at what has come since the last time."""
        observation = self._of_file()
        self._by_file = self._by_file or observation is not None
        troubles: list[tuple[int, Trouble, str]] = []
        for worker in range(min(self._workers, 64)):
            text = self._since(worker)
            troubles += [(worker, *trouble) for trouble in troubles_in(text)]
            if worker == 0 and text:
                seen = self._reader.feed(text)
                # What a job writes down for us goes before what can be read off its bars.
                if seen and not self._by_file:
                    observation = seen[-1]
        saved = checkpoints.last_s(str(self._folder)) is not None
        return Heard(observation, tuple(troubles[:TROUBLES_MAX]), saved)

    def _of_file(self) -> Observation | None:
        path = self._folder / files.JOB / files.PROGRESS
        content = checkpoints.tail(str(path))
        return latest(content) if content else None

    def _since(self, worker: int) -> bytes:
        end = logs.length(self._folder, worker)
        start = max(self._places.get(worker, 0), end - PIECE_BYTES)
        piece = logs.read(self._folder, worker, start, PIECE_BYTES)
        self._places[worker] = piece.end if piece.text else start
        return piece.text


def troubles_in(text: bytes) -> list[tuple[Trouble, str]]:
    """Return the signs of trouble in a piece of output, each kind once, with its line."""
    found: list[tuple[Trouble, str]] = []
    for trouble, pattern in _SIGNS:
        match = pattern.search(text)
        if match is not None:
            begin = text.rfind(b"\n", 0, match.start()) + 1
            end = text.find(b"\n", match.end())
            line = text[begin : end if end >= 0 else len(text)]
            found.append((trouble, plain(line)))
    return found


def plain(line: bytes) -> str:
    """Return a line of a job's output as text that is fit to be shown."""
    words = "".join(c if c.isprintable() else " " for c in line.decode(errors="replace"))
    return words.strip()[:LINE_MAX]
