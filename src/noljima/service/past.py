"""What became of a job's runs: where and when they were, how they ended, what health had seen.

The records of the store tell of a job as a whole; this is the rest that people want to know, kept
as an item beside them.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from noljima.drivers.local.endings import Ending
from noljima.model.commands import Start
from noljima.model.reasons import duration

RUNS_MAX: Final = 32
"""So many runs of a job are kept, the last ones."""
WORDS_MAX: Final = 500


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run of a job."""

    attempt: int
    gpus: tuple[int, ...] = ()
    guest: bool = False
    begun_s: float
    ended_s: float | None = None
    way: str = ""
    """How it ended, in a word."""


class Past(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a job's runs."""

    runs: tuple[Run, ...] = ()
    """Those that have ended, the last ones; the present one is the engine's to tell."""
    codes: tuple[int | None, ...] = ()
    """Of the workers of the last run."""
    words: str = ""
    """How the last run ended, or why the job did."""
    evidence: tuple[str, ...] = ()
    """What health has found."""

    def encoded(self) -> bytes:
        """Return it as it is kept."""
        return msgspec.json.encode(self)

    def with_run(self, run: Run, ending: Ending | None) -> Past:
        """Add a run that has ended."""
        runs = (*self.runs, run)[-RUNS_MAX:]
        if ending is None:
            return replace(self, runs=runs)
        return replace(self, runs=runs, codes=ending.codes, words=words_of(ending))

    def with_words(self, words: str) -> Past:
        """Say why the job has ended where no run says it."""
        return replace(self, words=words[:WORDS_MAX])

    def with_evidence(self, words: str) -> Past:
        """Add what health has found."""
        return replace(self, evidence=(*self.evidence, words)[-RUNS_MAX:])


NO_PAST: Final = Past()


def read_past(body: bytes | None) -> Past:
    """Read what was kept; nothing where nothing was."""
    return NO_PAST if body is None else _past.decode(body)


_past: Final[msgspec.json.Decoder[Past]] = msgspec.json.Decoder(Past)


def begun(start: Start, at_s: float) -> Run:
    """Return the run that a command begins."""
    return Run(attempt=start.attempt, gpus=gpus_of(start), guest=start.guest, begun_s=at_s)


def gpus_of(start: Start) -> tuple[int, ...]:
    """Return the GPUs of all workers, each once."""
    found = (gpu for worker in start.placement.workers for gpu in worker.gpus)
    return tuple(dict.fromkeys(found))


def words_of(ending: Ending) -> str:
    """Say how a run ended; nothing where all went well."""
    match ending.outcome:
        case "exited":
            words = _codes(ending.codes)
        case "limit":
            words = f"it reached its time limit after {duration(ending.ran_s)}"
        case "memory":
            words = "it used more memory than it may"
        case _:
            words = ending.reason
    if ending.out_of_memory and ending.outcome != "memory":
        words = f"{words}; a process of it was killed for want of memory".lstrip("; ")
    return words[:WORDS_MAX]


def _codes(codes: tuple[int | None, ...]) -> str:
    """Say which worker has failed first in number, and how."""
    for worker, code in enumerate(codes):
        if code == 0:
            continue
        who = f"worker {worker}" if len(codes) > 1 else "it"
        if code is None:
            return f"nobody knows how {who} ended"
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{who} {how}"
    return ""
