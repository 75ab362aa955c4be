"""All real hangs and silences at once under a real scheduler, and what health says of each.

Nothing is asked of the programs but their marks: when they fell silent, and when they went on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from noljima.control.messages import Detail, Done, End, JobRow, JobRows, Jobs, Show
from noljima.model.job import Checkpoint
from noljima.model.resources import GPU, Resources, gang_of
from noljima.submission.nouns import Submission
from noljima.testing.hangs.real.program import PARTS
from noljima.testing.hangs.real.silences import SILENCES
from noljima.testing.hangs.real.training import Part, mark_file
from noljima.testing.premises import Premises, premises

GPUS: Final = 64
SUSPENDED: Final = "suspended by the scheduler"
SETTINGS: Final = """\
[health]
silence_s = 60.0
output_silence_s = 60.0
alive_factor = 1.5
grace_s = 25.0
sight_s = 20.0
steps_min = 2
nan_steps = 5
user_ends_per_hour = 1000
cluster_end_share = 1.0
doubt_suspects_min = 1000
"""
"""The shortest silences that are allowed, and guards that let pass the many ends of these."""
END_S: Final = 300.0
"""After this time what has not ended is not waited for."""
RUNGS: Final = ("suspect", "stalled", "end")
_SHORT_GPUS: Final = 4
_BYSTANDERS: Final = 20
_LOOK_S: Final = 0.5
_ALLOWED_S: Final = 300.0


class Seen(msgspec.Struct, kw_only=True):
    """What became of one job."""

    name: str
    job: str
    part: Part
    rungs: dict[str, float] = {}
    """When each rung was first seen."""
    silent_s: float | None = None
    back_s: float | None = None
    ended_s: float | None = None
    outcome: str = ""
    words: str = ""
    evidence: tuple[str, ...] = ()
    """All that health has said, in order."""

    @property
    def worst(self) -> str:
        """The highest rung that health has told; empty for none."""
        told = {words.partition(":")[0] for words in self.evidence} | set(self.rungs)
        return next((rung for rung in reversed(RUNGS) if rung in told), "")

    def after_s(self, rung: str) -> float | None:
        """Return how long it had been silent when a rung was seen; None where it was not."""
        at_s = self.rungs.get(rung)
        if rung == "end" and self.worst == "end":
            at_s = self.ended_s
        return None if at_s is None or self.silent_s is None else max(at_s - self.silent_s, 0.0)

    @property
    def quiet_s(self) -> float | None:
        """How long it was silent, of one that went on."""
        if self.silent_s is None or self.back_s is None:
            return None
        return self.back_s - self.silent_s


def watch(say: Callable[[str], None] = lambda _: None) -> list[Seen]:
    """Run them all, and return what became of each."""
    with premises(gpus=GPUS) as place:
        config = place.root / "noljima.toml"
        config.write_text(SETTINGS, encoding="ascii")
        place.up("--config", str(config))
        place.submit(_bystanders(place.root))
        seen = {row.job: each for row, each in _handed_in(place)}
        _follow(place, seen, say)
        for each in seen.values():
            _take_down(place, each)
        place.ask(End(jobs=tuple(place.rows()), kill=True), Done)
        place.until(lambda: not place.rows())
        place.down()
        return list(seen.values())


def _handed_in(place: Premises) -> Iterator[tuple[JobRow, Seen]]:
    names = [name for name in PARTS if name != SUSPENDED]
    given = [_submission(place.root, name) for name in names]
    # `wide` waits for the GPUs of `short` and for those that the last runs on in the meantime: so
    # the last is evicted when `short` ends, and waits in the line until `wide` has ended.
    short = _shell(place.root, "short", _SHORT_GPUS, "sleep 25")
    wide = _shell(place.root, "wide", _free(), "sleep 100")
    names = [*names, "", "", SUSPENDED]
    given += [short, wide, _submission(place.root, SUSPENDED)]
    for name, row in zip(names, place.submit(*given), strict=True):
        if name:
            yield row, Seen(name=name, job=row.job, part=PARTS[name])


def _free() -> int:
    """Return how many GPUs the jobs of one GPU a worker leave."""
    return GPUS - sum(part.workers for name, part in PARTS.items() if name != SUSPENDED)


def _submission(folder: Path, name: str) -> Submission:
    suspended, part = name == SUSPENDED, PARTS[name]
    gpus = _free() - _SHORT_GPUS if suspended else 1
    return Submission(
        name=name.replace(" ", "-").replace(",", ""),
        gang=gang_of(part.workers, Resources(gpu_milli=gpus * GPU)),
        folder=str(folder),
        argv=(sys.executable, "-m", "noljima.testing.hangs.real.program", name),
        evictable=suspended,
        checkpoint=Checkpoint(interval_s=1.0) if suspended else Checkpoint(),
        limit_s=1000.0,
        watched=name != "server without requests",
        silence_s=_ALLOWED_S if name == "silence allowed" else None,
        checkpoint_grace_s=10.0,
        stop_grace_s=2.0,
    )


def _bystanders(folder: Path) -> Submission:
    """Return jobs that only run: the budget of ends is a share of those that run."""
    return Submission(
        name="bystander",
        gang=gang_of(1, Resources()),
        folder=str(folder),
        argv=("/bin/sleep", "1000"),
        evictable=False,
        limit_s=1000.0,
        watched=False,
        array=tuple(range(_BYSTANDERS)),
    )


def _shell(folder: Path, name: str, gpus: int, text: str) -> Submission:
    return Submission(
        name=name,
        gang=gang_of(1, Resources(gpu_milli=gpus * GPU)),
        folder=str(folder),
        argv=("/bin/sh", "-c", text),
        evictable=False,
        limit_s=1000.0,
        watched=False,
    )


def _follow(place: Premises, seen: dict[str, Seen], say: Callable[[str], None]) -> None:
    """Look again and again, until all that can be over is."""
    until_s = time.monotonic() + END_S
    while time.monotonic() < until_s:
        answer = place.ask(Jobs(), JobRows)
        _note(answer, seen, say)
        running = {row.job for row in answer.rows}
        done = place.history()
        _note_ends(done, seen, say)
        waited_for = [
            each for job, each in seen.items() if job in running and each.part.rung in {"", "end"}
        ]
        told = all(each.worst or not each.part.rung for each in seen.values())
        if not waited_for and told:
            return
        time.sleep(_LOOK_S)


def _note(answer: JobRows, seen: dict[str, Seen], say: Callable[[str], None]) -> None:
    for row in answer.rows:
        rung = row.verdict.partition(":")[0]
        each = seen.get(row.job)
        if each is not None and rung in RUNGS and rung not in each.rungs:
            each.rungs = {**each.rungs, rung: answer.now_s}
            say(f"{each.name}: {row.verdict}")


def _note_ends(done: dict[str, JobRow], seen: dict[str, Seen], say: Callable[[str], None]) -> None:
    for job, row in done.items():
        each = seen.get(job)
        if each is not None and each.ended_s is None:
            each.ended_s, each.outcome, each.words = row.ended_s, row.outcome, row.words
            say(f"{each.name}: {row.outcome} {row.words}")


def _take_down(place: Premises, each: Seen) -> None:
    """Read what was kept of a job, and its marks."""
    each.evidence = place.ask(Show(job=each.job), Detail).evidence
    each.silent_s = _marked_s(place.root, each.name, "silent")
    each.back_s = _marked_s(place.root, each.name, "back")


def _marked_s(folder: Path, name: str, what: str) -> float | None:
    path = mark_file(folder, name, what)
    return float(path.read_text(encoding="ascii")) if path.exists() else None


def ended_wrongly(seen: list[Seen]) -> list[Seen]:
    """Return the silences that were not left alone."""
    return [each for each in seen if each.name in SILENCES and each.outcome != "succeeded"]


def missed(seen: list[Seen]) -> list[Seen]:
    """Return the hangs of which health said or did less, or more, than it is to."""
    return [each for each in seen if each.part.rung and not _as_told(each)]


def _as_told(each: Seen) -> bool:
    over = each.outcome == "failed" if each.part.rung == "end" else not each.outcome
    return over and each.worst == each.part.rung
