"""What a scheduler shows of itself to Prometheus: figures of one moment, and how they are written.

Whoever runs the scheduler fills a `Figures` when it is asked; what is not known is None and is left
out, never written as zero. Names of GPU metrics and their labels are those of NVIDIA's DCGM
exporter, so that its dashboards and alerts work unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from noljima import __version__
from noljima.model.lifecycle import State
from noljima.telemetry.metrics_text import NO_LABELS, Family, Form, Sample, written

NAMES_MAX: Final = 100
"""So many users, and queues, have samples of their own: each name costs Prometheus memory."""
OTHERS: Final = "(others)"

_WAITING: Final = frozenset({State.QUEUED})
_HOLDING: Final = frozenset({State.STARTING, State.RUNNING, State.STOPPING})


class JobCount(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of one user in one queue and one state that has not ended."""

    state: State
    queue: str = ""
    user: str = ""
    jobs: int
    gpus: float
    """What they ask for, or hold."""


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram: how many were up to each bound, and how long all were together."""

    bounds_s: tuple[float, ...]
    up_to: tuple[int, ...]
    """Each counts also what is below it; the last counts all, above every bound too."""
    sum_s: float


class GpuFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of one GPU."""

    index: int
    uuid: str = ""
    model: str = ""
    host: str = ""
    utilisation: float | None = None
    """A share, from 0 to 1."""
    power_w: float | None = None
    memory_used_mib: float | None = None
    temperature_c: float | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduler at one moment; None is "not known"."""

    started_s: float | None = None
    """When it began, in seconds since 1970."""
    jobs: tuple[JobCount, ...] | None = None
    """Of all users, queues and states; what is not in it is zero."""
    gpus: float | None = None
    """That there are."""
    gpus_idle: float | None = None
    """That nobody holds and that may be given out."""
    idle_while_waiting_s: float | None = None
    """GPU-seconds, from `metrics_counting.IdleTime`."""
    decisions: Durations | None = None
    journal_rows: int | None = None
    journal_commits: int | None = None
    outbox_pending: int | None = None
    notices: Mapping[str, int] | None = None
    """Attempts to tell by what came of them: sent, failed, given up."""
    events: Mapping[str, int] | None = None
    """By kind."""
    starts: Mapping[bool, int] | None = None
    """By whether they were out of order."""
    start_failures: int | None = None
    evictions: int | None = None
    ends: Mapping[str, int] | None = None
    """By outcome."""
    promises_kept: float | None = None
    """The share of the promises that have come due."""
    coverage: Mapping[float, float] | None = None
    """For each quantile the share of run times that were not above it."""
    verdicts: Mapping[str, int] | None = None
    """Running jobs by what health says of them."""
    gpu_readings: tuple[GpuFigures, ...] = ()


def render(figures: Figures) -> bytes:
    """Write figures in the text form of Prometheus."""
    families: list[Family] = [_build()]
    families += _of_jobs(figures)
    families += _of_gpus(figures)
    families += _of_decisions(figures)
    families += _of_trust(figures)
    families += _of_devices(figures.gpu_readings)
    return written(families)


def _build() -> Family:
    labels = {"version": __version__}
    return _family("noljima_build_info", Form.GAUGE, "The program.", [Sample(1.0, labels)])


def _of_jobs(figures: Figures) -> Iterator[Family]:
    yield _gauge("start_time_seconds", "When it began, since 1970.", figures.started_s)
    if figures.jobs is not None:
        yield _by_state("jobs", "Jobs that have not ended.", _sums(figures.jobs, "queue", "jobs"))
        words = "GPUs that a user's jobs ask for or hold."
        yield _by_state("user_gpus", words, _sums(figures.jobs, "user", "gpus"))
    yield _family(
        "noljima_starts_total",
        Form.COUNTER,
        "Starts, by whether they were out of order.",
        _split("guest", {str(k).lower(): v for k, v in (figures.starts or {}).items()}),
    )
    yield _counter("start_failures_total", "Gangs that did not come up.", figures.start_failures)
    yield _counter("evictions_total", "Jobs stopped to go on later.", figures.evictions)
    words = "Jobs that have ended, by outcome."
    yield _family("noljima_ends_total", Form.COUNTER, words, _split("outcome", figures.ends))


def _of_gpus(figures: Figures) -> Iterator[Family]:
    waiting = running = idle = None
    if figures.jobs is not None:
        waiting = sum(each.gpus for each in figures.jobs if each.state in _WAITING)
        running = sum(each.gpus for each in figures.jobs if each.state in _HOLDING)
        if figures.gpus_idle is not None:
            idle = figures.gpus_idle if waiting > 0 else 0.0
    yield _gauge("gpus", "GPUs that there are.", figures.gpus)
    yield _gauge("gpus_waiting", "GPUs that waiting jobs ask for.", waiting)
    yield _gauge("gpus_running", "GPUs that jobs hold.", running)
    yield _gauge("gpus_idle", "GPUs that nobody holds.", figures.gpus_idle)
    yield _gauge("gpus_idle_while_waiting", "The same while any job waits, or 0.", idle)
    words = "GPU-seconds that nobody held while any job waited."
    yield _counter("gpu_idle_while_waiting_seconds_total", words, figures.idle_while_waiting_s)


def _of_decisions(figures: Figures) -> Iterator[Family]:
    if figures.decisions is not None:
        yield _histogram("decision_seconds", "Time of one decision.", figures.decisions)
    words = "Events, by kind, as they were told."
    yield _family("noljima_events_total", Form.COUNTER, words, _split("kind", figures.events))
    yield _counter("journal_rows_total", "Rows in the journal, ever.", figures.journal_rows)
    yield _counter("journal_commits_total", "Commits since the start.", figures.journal_commits)
    yield _gauge("outbox_pending", "Notices that wait to be sent.", figures.outbox_pending)
    words = "Attempts to tell somebody, by what came of them."
    yield _family("noljima_notices_total", Form.COUNTER, words, _split("result", figures.notices))


def _of_trust(figures: Figures) -> Iterator[Family]:
    words = "Share of the promised times that were kept."
    yield _gauge("promises_kept_ratio", words, figures.promises_kept)
    yield _family(
        "noljima_estimate_coverage_ratio",
        Form.GAUGE,
        "Share of run times that were not above a quantile.",
        _split("quantile", {f"{k:g}": v for k, v in (figures.coverage or {}).items()}),
    )
    words = "Running jobs, by what health says of them."
    yield _family("noljima_health_jobs", Form.GAUGE, words, _split("verdict", figures.verdicts))


_DEVICE: Final[tuple[tuple[str, str, Callable[[GpuFigures], float | None]], ...]] = (
    (
        "DCGM_FI_DEV_GPU_UTIL",
        "GPU utilization (in %).",
        lambda gpu: None if gpu.utilisation is None else 100.0 * gpu.utilisation,
    ),
    ("DCGM_FI_DEV_POWER_USAGE", "Power draw (in W).", lambda gpu: gpu.power_w),
    ("DCGM_FI_DEV_FB_USED", "Framebuffer memory used (in MiB).", lambda gpu: gpu.memory_used_mib),
    ("DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C).", lambda gpu: gpu.temperature_c),
)


def _of_devices(readings: Iterable[GpuFigures]) -> Iterator[Family]:
    labelled = [(gpu, _device_labels(gpu)) for gpu in readings]
    for name, words, value in _DEVICE:
        samples = [Sample(value(gpu), labels) for gpu, labels in labelled]
        yield _family(name, Form.GAUGE, words, samples)


def _device_labels(gpu: GpuFigures) -> dict[str, str]:
    return {
        "gpu": str(gpu.index),
        "UUID": gpu.uuid,
        "device": f"nvidia{gpu.index}",
        "modelName": gpu.model,
        "Hostname": gpu.host,
    }


# --- Families ---


def _family(name: str, form: Form, words: str, samples: Iterable[Sample]) -> Family:
    return Family(name, form, words, tuple(samples))


def _gauge(name: str, words: str, value: float | None) -> Family:
    return _family(f"noljima_{name}", Form.GAUGE, words, [Sample(value)])


def _counter(name: str, words: str, value: float | None) -> Family:
    return _family(f"noljima_{name}", Form.COUNTER, words, [Sample(value)])


def _split(label: str, values: Mapping[str, float] | None) -> list[Sample]:
    return [Sample(value, {label: key}) for key, value in sorted((values or {}).items())]


def _by_state(name: str, words: str, sums: Mapping[tuple[str, str, State], float]) -> Family:
    samples = [
        Sample(value, {label: key, "state": state.value})
        for (label, key, state), value in sorted(sums.items())
    ]
    return _family(f"noljima_{name}", Form.GAUGE, words, samples)


def _sums(
    jobs: Iterable[JobCount], label: str, amount: str
) -> Mapping[tuple[str, str, State], float]:
    """Add up by a label and the state; the names with the least are one."""
    found = list(jobs)
    totals: Counter[str] = Counter()
    for each in found:
        totals[getattr(each, label)] += getattr(each, amount)
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    own = set(ranked if len(ranked) <= NAMES_MAX else ranked[: NAMES_MAX - 1])
    sums: Counter[tuple[str, str, State]] = Counter()
    for each in found:
        name = getattr(each, label)
        sums[label, name if name in own else OTHERS, each.state] += getattr(each, amount)
    return sums


def _histogram(name: str, words: str, durations: Durations) -> Family:
    bounds = [*(f"{bound:g}" for bound in durations.bounds_s), "+Inf"]
    samples = [
        Sample(count, {"le": bound}, "_bucket")
        for bound, count in zip(bounds, durations.up_to, strict=True)
    ]
    samples.append(Sample(durations.sum_s, NO_LABELS, "_sum"))
    samples.append(Sample(durations.up_to[-1], NO_LABELS, "_count"))
    return _family(f"noljima_{name}", Form.HISTOGRAM, words, samples)
