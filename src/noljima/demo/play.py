"""Which jobs the demonstration hands in, when, and how long each of them takes by itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from noljima.model.job import Checkpoint
from noljima.model.resources import GPU, Resources, gang_of
from noljima.submission.nouns import Submission

GPUS = 8
_SAVING = Checkpoint(interval_s=1.0)
_STEP_S = 0.5


class Part(NamedTuple):
    """One submission of the play."""

    at_s: float
    """When it is handed in, from the beginning of the play."""
    submission: Submission
    run_s: float
    """What each of its jobs takes; of one that hangs or is ended, until then."""
    what: str
    """What it is there to show."""


def parts(folder: Path) -> list[Part]:
    """Return the play; jobs work in a folder of its own."""

    def part(  # noqa: PLR0913 - a job is many things
        at_s: float,
        name: str,
        workers: int,
        seconds: float,
        what: str,
        *,
        array: int = 0,
        evictable: bool = False,
        limit_s: float = 90.0,
        hang_at: int = 0,
        crash_at: int = 0,
    ) -> Part:
        steps = round(seconds / _STEP_S)
        argv = [sys.executable, "-m", "noljima.demo.work", f"--steps={steps}"]
        argv += [f"--step-s={_STEP_S}", f"--hang-at={hang_at}", f"--crash-at={crash_at}"]
        submission = Submission(
            name=name,
            gang=gang_of(workers, Resources(gpu_milli=GPU)),
            folder=str(folder),
            argv=tuple(argv),
            evictable=evictable,
            checkpoint=_SAVING if evictable else Checkpoint(),
            limit_s=limit_s,
            array=tuple(range(array)),
            checkpoint_grace_s=5.0,
            stop_grace_s=2.0,
        )
        crashed_s = crash_at * _STEP_S if crash_at else seconds
        return Part(at_s, submission, min(crashed_s, limit_s), what)

    return [
        part(0.0, "sweep", 1, 12.0, "an array of small jobs", array=5, evictable=True),
        part(1.0, "hang", 2, 60.0, "a gang that stops at step 24", hang_at=24, limit_s=300.0),
        part(2.0, "bert", 4, 14.0, "a gang of 4 workers"),
        part(3.0, "crash", 1, 20.0, "it fails after 4 s", crash_at=8, evictable=True),
        part(4.0, "llm", 6, 12.0, "a large gang"),
        part(5.0, "tune", 1, 16.0, "small jobs that fill holes", array=4, evictable=True),
        part(6.0, "endless", 1, 300.0, "it runs into its limit of 20 s", limit_s=20.0),
        part(18.0, "sweep", 1, 24.0, "it runs twice as long as its like", evictable=True),
        part(22.0, "late", 2, 8.0, "a gang that comes late"),
    ]
