"""What health finds, as values with their evidence and a sentence for people.

None of these does anything: the runtime reads `acts` and acts, or shows them. Where a guard or a
dry run keeps a finding from being acted on, `acts` is empty and `held_back` says why.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from noljima.model.resources import JobId, NodeId

EVIDENCE_MAX: Final = 8
WORDS_MAX: Final = 240


class Rung(StrEnum):
    """How far up the ladder a job stands."""

    OK = "ok"
    SUSPECT = "suspect"
    STALLED = "stalled"
    END = "end"

    @property
    def height(self) -> int:
        """The rungs below it."""
        return _HEIGHTS[self]


_HEIGHTS: Final = {rung: height for height, rung in enumerate(Rung)}


class Kind(StrEnum):
    """What evidence is about."""

    PROGRESS = "progress"
    """No step for longer than its own steps explain."""
    OUTPUT = "output"
    """No line in the log of a job that reports no steps; weaker, for it may have nothing to say."""
    ACTIVITY = "activity"
    """No worker computes or moves anything."""
    PEERS = "peers"
    """Some workers of the gang are still while the others wait for them."""
    ERROR = "error"
    """An error was seen, and nothing has gone on since."""
    LOSS = "loss"
    """The loss is not a number any more, or never changes."""
    LOOP = "loop"
    """The same steps again and again."""

    @property
    def source(self) -> str:
        """Where it comes from; evidence from one source is not independent of each other."""
        return _SOURCES[self]


_SOURCES: Final = {
    Kind.PROGRESS: "reports",
    Kind.OUTPUT: "reports",
    Kind.ACTIVITY: "sampler",
    Kind.PEERS: "sampler",
    Kind.ERROR: "errors",
    Kind.LOSS: "loss",
    Kind.LOOP: "steps",
}
HANGS: Final = frozenset((Kind.PROGRESS, Kind.OUTPUT, Kind.ACTIVITY, Kind.PEERS))
"""Evidence that life is missing: a broken sampler makes such evidence too."""


class Act(StrEnum):
    """What the runtime is asked to do."""

    NOTIFY = "notify"
    DUMP_STACKS = "dump-stacks"
    ASK_CHECKPOINT = "ask-checkpoint"
    END_REQUEUE = "end-requeue"
    """Stop it; its next start goes on from what it has saved."""
    END_FAIL = "end-fail"
    """Stop it for good: there is no saved state, or starting again would lead here again."""


ENDS: Final = frozenset((Act.END_REQUEUE, Act.END_FAIL))


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One observation that speaks against a job or a GPU."""

    kind: Kind
    for_s: float
    """How long it has been so, in time that the job ran and was looked at."""
    limit_s: float = 0.0
    """How long is still held to be harmless; 0 where time is not the point."""
    words: str

    @property
    def weak(self) -> bool:
        """Whether it counts for a suspicion and never for an end."""
        return self.kind is Kind.OUTPUT


class Verdict(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """What health says of a running job; told when it changes."""

    job: JobId
    attempt: int
    at_s: float
    rung: Rung
    was: Rung
    """The rung told before."""
    evidence: tuple[Evidence, ...] = ()
    acts: tuple[Act, ...] = ()
    held_back: str = ""
    words: str


class Doubt(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Whether so many jobs look stalled at once that the sampler is blamed, not the jobs."""

    at_s: float
    doubted: bool
    suspects: int
    running: int
    words: str


class Service(StrEnum):
    """When a GPU is to be taken out of use."""

    AFTER = "after"
    """Nothing new on it; what runs there may end first."""
    NOW = "now"
    """What runs there cannot go on."""


class Drain(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A GPU is to get nothing new, for its own fault."""

    node: NodeId
    gpu: int
    at_s: float
    service: Service
    xid: int | None = None
    held_back: str = ""
    words: str


class Notice(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Something about a GPU that an operator may want to know; nothing is to be done."""

    node: NodeId
    gpu: int
    at_s: float
    xid: int | None = None
    words: str


class Requeue(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A job whose GPU cannot go on: stop what is left, and queue it again without blame."""

    job: JobId
    attempt: int
    at_s: float
    node: NodeId
    gpu: int
    held_back: str = ""
    words: str


class Blame(StrEnum):
    """Whose fault the end of a job was."""

    JOB = "job"
    HARDWARE = "hardware"


class Advice(StrEnum):
    """What to do with a job that has failed."""

    AS_USUAL = "as-usual"
    """The site's and the job's own rule for failures."""
    REQUEUE = "requeue"
    """Queue it again, in its old place, whatever that rule is: the fault was not its own."""
    FAIL = "fail"
    """Do not start it again: it would fail again."""


class Postmortem(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """What health says of a job that has failed by itself."""

    job: JobId
    attempt: int
    at_s: float
    blame: Blame
    advice: Advice
    words: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A fact that says nothing, and why; it has changed nothing."""

    at_s: float
    words: str


Finding = Verdict | Doubt | Drain | Notice | Requeue | Postmortem | Refusal


def cut(words: str) -> str:
    """Return words of a bounded length."""
    return words if len(words) <= WORDS_MAX else words[: WORDS_MAX - 1] + "…"
