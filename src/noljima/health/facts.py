"""What is told of running jobs and their GPUs: samples, steps, errors, and what was done to a job.

Whoever makes a fact hands over what it has read, and leaves out (None) what it could not read: a
missing number is not a zero. Numbers that none can be are refused here, in words, once. Counters
are totals since the worker began; that they are compared with those before is this package's work.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import JobId, NodeId

COUNT_MAX: Final = 1e18
"""More bytes, switches or steps than any worker comes to."""
WATT_MAX: Final = 1e7
XID_MAX: Final = 65_535


class Pause(StrEnum):
    """Why a job does not run although it has begun; all of these are our own doing."""

    SUSPENDED = "suspended"
    STOPPING = "stopping"
    CHECKPOINTING = "checkpointing"


class Trouble(StrEnum):
    """What kind of error was seen."""

    EXIT = "exit"
    """A worker has ended with a failure while the others go on."""
    NCCL = "nccl"
    """The collective library's watchdog, or one of its errors, in the log."""
    CUDA = "cuda"
    """A CUDA error after which the program's use of the GPU is over."""
    CUDA_MEMORY = "cuda-memory"
    """Out of GPU memory: programs catch it and go on with smaller batches."""
    MEMORY_KILL = "memory-kill"
    """The kernel has killed a process of the job for want of memory."""
    TRACEBACK = "traceback"
    """A stack trace in the log; programs also print those that they have dealt with."""
    NAN_LOSS = "nan-loss"
    """A line of the log that says that the loss is not a number."""


def number(field: str, value: object, high: float) -> float:
    """Return `value` as a float where it is a finite number from 0 to `high`."""
    if type(value) is not float and type(value) is not int:
        raise InvalidFieldError(field, value, "is not a number")
    if not 0.0 <= value <= high:  # also true for NaN
        raise InvalidFieldError(field, value, f"is outside 0 to {high:g}")
    return float(value)


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of everything that is told; `at_s` is when it was so, by whoever tells it."""

    at_s: float


class Swept(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The sampler has looked at all running jobs, except at those it names; verdicts follow.

    Without this nothing is judged: a sampler that has died accuses nobody.
    """

    unseen: tuple[JobId, ...] = ()

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        bounds.seconds("at_s", self.at_s)
        bounds.whole("unseen", len(self.unseen), low=0, high=bounds.MILLION)


class Began(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Every worker of a job is up; or was found up by a scheduler that has just begun itself."""

    job: JobId
    user: str = ""
    attempt: int = 1
    workers: int = 1
    gpus_measured: bool = False
    """Whether the job has GPUs that can be measured; a virtual GPU is none."""
    checkpoint: bool = False
    """Whether there is a saved state that its next start would go on from."""
    watched: bool = True
    """False where its owner wants no verdicts; errors of its GPUs are acted on all the same."""
    silence_s: float | None = None
    """How long its owner says that it may be silent; None for what its own steps suggest."""

    def __post_init__(self) -> None:
        """Refuse what no job can be."""
        bounds.seconds("at_s", self.at_s)
        bounds.text("job id", self.job, low=1)
        bounds.text("user", self.user)
        bounds.whole("attempt", self.attempt, low=1, high=bounds.MILLION)
        bounds.whole("workers", self.workers, low=1, high=bounds.WORKERS_MAX)
        if self.silence_s is not None:
            bounds.seconds("silence_s", self.silence_s, low=60.0)


class Paused(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The scheduler keeps a job from running, or from running as usual."""

    job: JobId
    why: Pause

    def __post_init__(self) -> None:
        """Refuse times and reasons that are none."""
        bounds.seconds("at_s", self.at_s)
        if not isinstance(self.why, Pause):
            raise InvalidFieldError("why", self.why, f"is not one of {', '.join(Pause)}")


class Resumed(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The job runs as usual again."""

    job: JobId

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        bounds.seconds("at_s", self.at_s)


class Saved(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The job has saved a state that its next start would go on from."""

    job: JobId

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        bounds.seconds("at_s", self.at_s)


class Over(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """No worker of the job is left."""

    job: JobId
    exit_code: int | None = None
    """Of the worker that failed first, or 0; less than 0 for a signal; None where unknown."""
    asked: bool = False
    """Whether it ended because somebody wanted it to: its owner, or the scheduler."""

    def __post_init__(self) -> None:
        """Refuse codes that are none."""
        bounds.seconds("at_s", self.at_s)
        if self.exit_code is not None:
            bounds.whole("exit_code", self.exit_code, low=-255, high=2**32 - 1)

    @property
    def failed(self) -> bool:
        """Whether the job failed by itself."""
        return not self.asked and self.exit_code != 0


class Sampled(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """What one worker, with all its processes and GPUs, has used and does; None is "not read"."""

    job: JobId
    worker: int = 0
    # Counters since the worker began.
    cpu_s: float | None = None
    read_bytes: float | None = None
    written_bytes: float | None = None
    network_bytes: float | None = None
    pcie_bytes: float | None = None
    nvlink_bytes: float | None = None
    log_bytes: float | None = None
    # How many of its processes are in which state: R, S, D, and T or t; zombies are not counted.
    running: int | None = None
    sleeping: int | None = None
    blocked: int | None = None
    stopped: int | None = None
    # Of all its GPUs together.
    gpu_w: float | None = None
    gpu_idle_w: float | None = None
    """What the same GPUs draw when nobody uses them."""
    gpu_utilisation: float | None = None
    """The share of time that any kernel was on them: a waiting collective counts as busy."""
    gpu_sm_activity: float | None = None
    """The share of their multiprocessors that had work."""

    def __post_init__(self) -> None:
        """Refuse numbers that none of these can be."""
        bounds.seconds("at_s", self.at_s)
        bounds.whole("worker", self.worker, low=0, high=bounds.WORKERS_MAX - 1)
        for field, high in _METRICS:
            value = getattr(self, field)
            # The usual case first and in line: this runs for every worker every few seconds.
            if value is not None and not (type(value) is float and 0.0 <= value <= high):
                number(field, value, high)
        for field in _STATES:
            value = getattr(self, field)
            if value is not None and not (type(value) is int and 0 <= value <= bounds.MILLION):
                bounds.whole(field, value, low=0, high=bounds.MILLION)


_METRICS: Final = (
    ("cpu_s", COUNT_MAX),
    ("read_bytes", COUNT_MAX),
    ("written_bytes", COUNT_MAX),
    ("network_bytes", COUNT_MAX),
    ("pcie_bytes", COUNT_MAX),
    ("nvlink_bytes", COUNT_MAX),
    ("log_bytes", COUNT_MAX),
    ("gpu_w", WATT_MAX),
    ("gpu_idle_w", WATT_MAX),
    ("gpu_utilisation", 1.0),
    ("gpu_sm_activity", 1.0),
)
_STATES: Final = ("running", "sleeping", "blocked", "stopped")
METRICS: Final = tuple(field for field, _ in _METRICS) + _STATES


class Progressed(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """How far a job says that it is; told again unchanged, it is no progress."""

    job: JobId
    step: float
    total: float | None = None
    """Steps of the epoch where `epoch` is given, else of the whole job."""
    epoch: float | None = None
    phase: str = "train"
    """What it says that it does; only training brings steps."""
    loss: float | None = None
    """NaN and infinite are values, and tell something; None is "not told"."""

    def __post_init__(self) -> None:
        """Refuse steps that are none."""
        bounds.seconds("at_s", self.at_s)
        number("step", self.step, COUNT_MAX)
        if self.total is not None:
            number("total", self.total, COUNT_MAX)
        if self.epoch is not None:
            number("epoch", self.epoch, COUNT_MAX)
        bounds.text("phase", self.phase, high=64)
        if self.loss is not None and type(self.loss) is not float and type(self.loss) is not int:
            raise InvalidFieldError("loss", self.loss, "is not a number")


class Erred(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """An error of a worker was seen, in its log or by what became of a process."""

    job: JobId
    trouble: Trouble
    worker: int = 0
    code: int | None = None
    """The exit code, where one belongs to it."""
    line: str = ""
    """The line of the log, cleaned and cut by whoever read it."""

    def __post_init__(self) -> None:
        """Refuse kinds, codes and lines that are none."""
        bounds.seconds("at_s", self.at_s)
        bounds.whole("worker", self.worker, low=0, high=bounds.WORKERS_MAX - 1)
        if not isinstance(self.trouble, Trouble):
            raise InvalidFieldError("trouble", self.trouble, f"is not one of {', '.join(Trouble)}")
        if self.code is not None:
            bounds.whole("code", self.code, low=-255, high=2**32 - 1)
        bounds.text("line", self.line)


class Faulted(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The driver of a GPU has reported an Xid."""

    node: NodeId
    gpu: int
    xid: int
    job: JobId | None = None
    """The job that holds the GPU."""
    line: str = ""
    """The driver's own words, cleaned and cut; Xid 154 says in them what is to be done."""

    def __post_init__(self) -> None:
        """Refuse GPUs and numbers that are none."""
        bounds.seconds("at_s", self.at_s)
        bounds.text("node id", self.node, low=1)
        bounds.whole("gpu", self.gpu, low=0, high=bounds.GPU_COUNT_MAX)
        bounds.whole("xid", self.xid, low=0, high=XID_MAX)
        bounds.text("line", self.line)


class Counted(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The memory counters of a GPU; None is "not read"."""

    node: NodeId
    gpu: int
    job: JobId | None = None
    remap_pending: bool | None = None
    """A row of its memory is to be replaced at the next reset."""
    remap_failed: bool | None = None
    """A row could not be replaced, now or ever before."""
    uncorrected: int | None = None
    """Memory errors since the driver was loaded that could not be corrected."""

    def __post_init__(self) -> None:
        """Refuse GPUs and counts that are none."""
        bounds.seconds("at_s", self.at_s)
        bounds.text("node id", self.node, low=1)
        bounds.whole("gpu", self.gpu, low=0, high=bounds.GPU_COUNT_MAX)
        for field in ("remap_pending", "remap_failed"):
            value = getattr(self, field)
            if value is not None and type(value) is not bool:
                raise InvalidFieldError(field, value, "is neither true nor false")
        if self.uncorrected is not None:
            bounds.whole("uncorrected", self.uncorrected, low=0, high=2**63)


class Repaired(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """An operator has put a GPU back to use."""

    node: NodeId
    gpu: int

    def __post_init__(self) -> None:
        """Refuse GPUs that are none."""
        bounds.seconds("at_s", self.at_s)
        bounds.text("node id", self.node, low=1)
        bounds.whole("gpu", self.gpu, low=0, high=bounds.GPU_COUNT_MAX)
