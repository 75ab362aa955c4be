"""The language of the socket: a connection carries one question and then its answers.

Each is one line of JSON with a `type`. A question has one answer, but for `Logs` and `Watch`, which
have as many as there are until the asker hangs up. What is refused is answered by `Refused`. Times
are seconds since 1970; amounts of GPUs are in thousandths.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from noljima.submission.nouns import Submission

VERSION: Final = 1
LINE_MAX: Final = 64 << 20
"""Bytes of one question or answer."""


class Question(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Base of what can be asked."""


class Hello(Question, frozen=True, kw_only=True, tag=True):
    """Who are you, and who am I to you? Answered by `Welcome`."""


class Submit(Question, frozen=True, kw_only=True, tag=True):
    """Take these jobs.

    Answered by `Planned` with `dry_run`, else by `Accepted` once they are on the disk.
    """

    submissions: tuple[Submission, ...]
    key: str = ""
    """The same key twice is the same submission: the first answer is given again."""
    dry_run: bool = False
    """Only say what would become of them."""


class Jobs(Question, frozen=True, kw_only=True, tag=True):
    """The jobs that have not ended, the line in its order. Answered by `JobRows`."""

    users: tuple[str, ...] = ()
    """Empty for everybody's."""
    jobs: tuple[str, ...] = ()
    """Empty for all; the name of an array stands for all of its jobs."""
    states: tuple[str, ...] = ()
    """Of the life cycle's words; empty for all."""
    limit: int | None = None


class Show(Question, frozen=True, kw_only=True, tag=True):
    """All that is known of one job, also of one that has ended. Answered by `Detail`."""

    job: str


class End(Question, frozen=True, kw_only=True, tag=True):
    """End jobs, waiting or running. Answered by `Done`."""

    jobs: tuple[str, ...]
    kill: bool = False
    """At once, without grace."""


class Hold(Question, frozen=True, kw_only=True, tag=True):
    """Let waiting jobs be passed over. Answered by `Done`."""

    jobs: tuple[str, ...]


class Release(Question, frozen=True, kw_only=True, tag=True):
    """Let held jobs wait for their turn again. Answered by `Done`."""

    jobs: tuple[str, ...]


class Nodes(Question, frozen=True, kw_only=True, tag=True):
    """The machine with its GPUs. Answered by `NodeRows`."""


class History(Question, frozen=True, kw_only=True, tag=True):
    """Jobs that have ended, the latest first. Answered by `JobRows`."""

    users: tuple[str, ...] = ()
    since_s: float = 0.0
    limit: int = 1000


class Logs(Question, frozen=True, kw_only=True, tag=True):
    """What a job has written. Answered by `LogPart`s; the owner's and the operators' to read."""

    job: str
    attempt: int = 0
    """0 for the last."""
    worker: int | None = None
    """None for all workers."""
    follow: bool = False
    tail_bytes: int | None = None
    """Only the end; None for all that is kept."""


class Gantt(Question, frozen=True, kw_only=True, tag=True):
    """Which job is, was and is to be on which GPU. Answered by `Bars`."""

    back_s: float = 3600.0
    ahead_s: float = 3600.0


class WhatIf(Question, frozen=True, kw_only=True, tag=True):
    """What would change on a copy of everything as it is now. Answered by `Compared`."""

    policy: str = ""
    """Another policy."""
    drain: tuple[int, ...] = ()
    """Without these GPUs."""
    job: str = ""
    """This waiting job, changed as below; without it no job is changed."""
    workers: int | None = None
    gpu_milli: int | None = None
    """Of each worker."""
    limit_s: float | None = None
    submissions: tuple[Submission, ...] = ()
    """With these jobs handed in now."""


class Drain(Question, frozen=True, kw_only=True, tag=True):
    """Let GPUs take nothing new; for operators. Answered by `Done`."""

    gpus: tuple[int, ...]
    reason: str = ""


class Restore(Question, frozen=True, kw_only=True, tag=True):
    """Let GPUs take work again; for operators. Answered by `Done`."""

    gpus: tuple[int, ...]


class Down(Question, frozen=True, kw_only=True, tag=True):
    """End the scheduler; its jobs go on. For operators. Answered by `Done`."""

    stop_jobs: bool = False
    """Evict what runs first, so that the machine can be switched off."""


class Watch(Question, frozen=True, kw_only=True, tag=True):
    """Everything, again and again. Answered by `Scene`s: at each change, at most so often."""

    every_s: float = 1.0


Asked = (
    Hello
    | Submit
    | Jobs
    | Show
    | End
    | Hold
    | Release
    | Nodes
    | History
    | Logs
    | Gantt
    | WhatIf
    | Drain
    | Restore
    | Down
    | Watch
)


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of what is answered."""


class Why(StrEnum):
    """What kind of refusal it is; the client's exit code follows from it."""

    BAD = "bad"
    """What was asked cannot be."""
    UNKNOWN = "unknown"
    """There is no such job."""
    FORBIDDEN = "forbidden"
    """It is somebody else's."""
    BUSY = "busy"
    """Not now: the disk is full, or the scheduler is ending."""
    FAULT = "fault"
    """The scheduler itself has a fault."""


class Refused(Answer, frozen=True, kw_only=True, tag=True):
    """It is not done, and why, in one sentence."""

    why: Why
    words: str


class Welcome(Answer, frozen=True, kw_only=True, tag=True):
    """Who answers, and who is taken to ask."""

    version: int = VERSION
    noljima: str
    pid: int
    began_s: float
    now_s: float
    policy: str
    node: str
    user: str
    operator: bool
    words: tuple[str, ...] = ()
    """What the machine has and what it cannot do."""
    warnings: tuple[str, ...] = ()
    """What an operator should see to: a full disk, dry-run health, notices that do not go out."""


class JobRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One job, as tables show it. What does not apply is empty."""

    job: str
    user: str = ""
    name: str = ""
    queue: str = ""
    state: str
    gpu_milli: int = 0
    workers: int = 1
    priority: int = 1
    evictable: bool = False
    limit_s: float | None = None
    submitted_s: float
    started_s: float | None = None
    first_started_s: float | None = None
    ended_s: float | None = None
    outcome: str = ""
    exit_codes: tuple[int, ...] = ()
    attempt: int = 0
    evictions: int = 0
    estimate: tuple[float, float, float] | None = None
    """q50, q80 and q95 of the whole run time, as believed now."""
    source: str = ""
    """Where the estimate comes from, in words."""
    position: int = 0
    """Place in the line, from 1."""
    about_s: float | None = None
    """When it starts in the middle case, or is expected to end if it runs: see `state`."""
    by_s: float | None = None
    """By when it is promised to start."""
    reserved: bool = False
    """Whether GPUs are kept for it from then on."""
    code: str = ""
    """The reason's code."""
    reason: str = ""
    """The reason's sentence, with times from now on as durations."""
    guest: bool = False
    nodes: tuple[str, ...] = ()
    gpus: tuple[int, ...] = ()
    progress: float | None = None
    """The share that is done."""
    verdict: str = ""
    """What health says, where it is not well."""
    words: str = ""
    """What else there is to say: why it ended, why its start failed."""
    after: tuple[str, ...] = ()
    """Jobs that it still waits for."""


class JobRows(Answer, frozen=True, kw_only=True, tag=True):
    """Jobs, in the order that was asked for."""

    now_s: float
    rows: tuple[JobRow, ...] = ()
    more: int = 0
    """So many more were cut off."""


class Detail(Answer, frozen=True, kw_only=True, tag=True):
    """All that is known of one job."""

    now_s: float
    row: JobRow
    reason: str = ""
    """Code and sentences, with what would change it; times as clock times of the scheduler."""
    folder: str = ""
    command: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    """Where its output lies."""
    evidence: tuple[str, ...] = ()
    """What health has seen."""
    told_about_s: float | None = None
    told_by_s: float | None = None
    """What was promised when it was handed in."""
    predicted_s: tuple[float, float, float] | None = None
    """The estimate when it was handed in."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What would become of one submission."""

    name: str
    jobs: int = 1
    """More for an array."""
    gpu_milli: int = 0
    workers: int = 1
    evictable: bool = False
    estimate: tuple[float, float, float] | None = None
    source: str = ""
    now: bool = False
    """Whether it would start at once."""
    about_s: float | None = None
    by_s: float | None = None
    reserved: bool = False
    gpus: tuple[int, ...] = ()
    """Where it would start."""
    reason: str = ""
    """Why not at once."""
    advice: tuple[str, ...] = ()
    """What would let it start sooner."""


class Planned(Answer, frozen=True, kw_only=True, tag=True):
    """What would become of the submissions if they came now."""

    now_s: float
    plans: tuple[Plan, ...]


class Accepted(Answer, frozen=True, kw_only=True, tag=True):
    """They are on the disk: nothing loses them any more."""

    now_s: float
    rows: tuple[JobRow, ...]
    """One for each job; arrays have many."""


class Done(Answer, frozen=True, kw_only=True, tag=True):
    """What was asked for is done, job by job in words; those that could not be are `refused`."""

    words: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    whys: tuple[Why, ...] = ()
    """What kind of refusal each of them is, in the same order."""


class GpuRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One GPU; what cannot be read is None, and a virtual one has nothing to read."""

    number: int
    name: str = ""
    uuid: str = ""
    memory_mib: int | None = None
    memory_used_mib: float | None = None
    utilisation: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    jobs: tuple[str, ...] = ()
    free_milli: int = 1000
    out: str = ""
    """Why it takes nothing new."""


class NodeRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One machine."""

    node: str
    gpu_type: str = ""
    gpus: tuple[GpuRow, ...] = ()
    cpu_milli: int = 0
    cpu_milli_free: int = 0
    memory_mib: int = 0
    memory_mib_free: int = 0
    words: tuple[str, ...] = ()


class NodeRows(Answer, frozen=True, kw_only=True, tag=True):
    """The machines."""

    now_s: float
    rows: tuple[NodeRow, ...]


class LogPart(Answer, frozen=True, kw_only=True, tag=True):
    """A piece of a worker's output."""

    worker: int = 0
    content: bytes = b""
    skipped: int = 0
    """Bytes before it that are not kept."""


class Bar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One job's time on one GPU, or its expected time on some GPUs where none is chosen yet."""

    job: str
    user: str = ""
    name: str = ""
    gpu: int | None = None
    gpu_milli: int = 1000
    begin_s: float
    end_s: float
    kind: str
    """`ran`, `runs`, `guest`, `reserved` or `expected`."""


class Bars(Answer, frozen=True, kw_only=True, tag=True):
    """What `gantt` draws."""

    now_s: float
    gpus: int
    bars: tuple[Bar, ...] = ()


class Shift(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When one job starts, as it is and as it would be; None for never."""

    job: str
    user: str = ""
    name: str = ""
    start_s: float | None = None
    would_s: float | None = None


class Compared(Answer, frozen=True, kw_only=True, tag=True):
    """What would change, played forward with every job taking its middle run time."""

    now_s: float
    change: str
    """What was asked, in words."""
    shifts: tuple[Shift, ...] = ()
    mean_wait_s: tuple[float, float] = (0.0, 0.0)
    """Of those that wait: as it is, as it would be."""
    end_s: tuple[float, float] = (0.0, 0.0)
    """When all of them have ended."""


class Scene(Answer, frozen=True, kw_only=True, tag=True):
    """Everything at one moment."""

    now_s: float
    welcome: Welcome
    jobs: tuple[JobRow, ...] = ()
    nodes: tuple[NodeRow, ...] = ()
    ended: tuple[JobRow, ...] = ()
    """The last few that have ended."""


Answered = (
    Refused
    | Welcome
    | JobRows
    | Detail
    | Planned
    | Accepted
    | Done
    | NodeRows
    | LogPart
    | Bars
    | Compared
    | Scene
)
