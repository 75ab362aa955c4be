"""How many GPUs of which type a job needs, and what more of them would bring: advice, never more.

What a user asked for is never changed. Each piece of advice is a value with words, so that it goes
unchanged to whoever asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic import forecast
from noljima.prediction.analytic.forecast import Forecast
from noljima.prediction.analytic.kernels import Gpu
from noljima.prediction.analytic.spec import Parallel, Training, Transformer

COUNT_MAX: Final = 1024
"""Up to how many GPUs are tried."""
PAYS_FROM: Final = 0.5
"""Share of a GPU's work that an added GPU has to bring."""
HEADROOM: Final = 1.2
"""Above the 95 % quantile of what was used, to be sure."""
_WORTH_SAYING: Final = 1.5
_KINDS: Final = ("CPU cores", "host memory in MiB")


class Option(msgspec.Struct, frozen=True):
    """A GPU type with the fewest GPUs that hold the job."""

    gpu: str
    gpus: int
    tensor: int
    run_s: float
    memory_bytes: float
    memory_of_gpu: float


class Growth(msgspec.Struct, frozen=True):
    """The job on a number of GPUs, beside the same job on the number before."""

    gpus: int
    step_s: float
    speedup: float
    """Against the fewest GPUs of the series."""
    marginal: float
    """Work that each added GPU brings, as a share of what one did before."""


class HostAdvice(msgspec.Struct, frozen=True):
    """What to ask for instead, and why."""

    kind: str
    asked: float
    suggested: float
    why: str


def smallest(training: Training, candidates: Iterable[Gpu]) -> list[Option]:
    """Return each GPU type that can hold the job with its fewest GPUs, smallest memory first."""
    found = (fewest(training, gpu) for gpu in candidates)
    options = [option for option in found if option is not None]
    return sorted(options, key=lambda each: (each.memory_of_gpu * each.gpus, each.run_s))


def fewest(training: Training, gpu: Gpu) -> Option | None:
    """Return the fewest GPUs of this type that hold the job, or None where none up to 1,024 do."""
    for count in _doublings(COUNT_MAX):
        fitting = [
            (option.run_s, degree, option)
            for degree, option in _plans(training, gpu, count)
            if option.fits
        ]
        if fitting:
            _, degree, best = min(fitting, key=lambda plan: plan[:2])
            memory = best.memory.whole
            return Option(best.gpu, count, degree, best.run_s, memory, best.memory_of_gpu)
    return None


def growth(training: Training, gpu: Gpu) -> list[Growth]:
    """Return the job on ever more GPUs, by data parallelism, as long as the batch can be split."""
    found: list[Growth] = []
    for data in _doublings(min(COUNT_MAX, training.run.batch)):
        predicted = _split(training, msgspec.structs.replace(training.parallel, data=data), gpu)
        if predicted is None:
            break
        found.append(_grown(found, predicted.gpus, predicted.step.whole_s))
    return found


def pays_until(series: Sequence[Growth], threshold: float = PAYS_FROM) -> int:
    """Return the most GPUs up to which each doubling brings this share of the added GPUs' work."""
    bounds.share("threshold", threshold)
    if not series:
        raise InvalidFieldError("series", 0, "has no point to begin from")
    best = series[0].gpus
    for point in series[1:]:
        if point.marginal < threshold:
            break
        best = point.gpus
    return best


def cpu(asked: float, used_q95: float) -> HostAdvice | None:
    """Return advice on CPU cores from the 95 % quantile of what the past runs used."""
    return _host(_KINDS[0], asked, used_q95)


def host_memory(asked_mib: float, used_q95_mib: float) -> HostAdvice | None:
    """Return advice on host memory from the 95 % quantile of what the past runs used."""
    return _host(_KINDS[1], asked_mib, used_q95_mib)


def _host(kind: str, asked: float, used: float) -> HostAdvice | None:
    """Return advice where the past says clearly more or less than what is asked."""
    for name, value in (("asked", asked), ("used", used)):
        if not (math.isfinite(value) and 0.0 <= value <= bounds.MEMORY_MIB_MAX):
            raise InvalidFieldError(f"{kind} {name}", value, "is no amount")
    suggested = math.ceil(used * HEADROOM)
    past = f"95 % of the past runs used at most {used:,.0f} {kind}"
    if used > asked:
        return HostAdvice(kind, asked, suggested, f"{past}: more than asked")
    if asked > suggested * _WORTH_SAYING:
        return HostAdvice(kind, asked, suggested, f"{past}: far less than asked")
    return None


def _plans(training: Training, gpu: Gpu, count: int) -> Iterator[tuple[int, Forecast]]:
    """Give the forecasts of splitting the job over so many GPUs, by tensor-parallel degree."""
    for degree in _doublings(min(count, training.site.gpus_per_node)):
        if degree > 1 and not isinstance(training.model, Transformer):
            return
        parallel = Parallel(
            data=count // degree,
            tensor=degree,
            sequence=degree > 1,
            zero=training.parallel.zero,
            overlap=training.parallel.overlap,
        )
        predicted = _split(training, parallel, gpu)
        if predicted is not None:
            yield degree, predicted


def _split(training: Training, parallel: Parallel, gpu: Gpu) -> Forecast | None:
    """Return the job split otherwise; None where that cannot be, or would take for ever."""
    try:
        return forecast.on_gpu(msgspec.structs.replace(training, parallel=parallel), gpu)
    except InvalidFieldError:
        return None


def _grown(before: Sequence[Growth], gpus: int, step_s: float) -> Growth:
    if not before:
        return Growth(gpus, step_s, 1.0, 1.0)
    last, first = before[-1], before[0]
    gained = last.step_s / step_s - 1.0
    added = gpus / last.gpus - 1.0
    return Growth(gpus, step_s, first.step_s / step_s, gained / added)


def _doublings(high: int) -> Iterator[int]:
    count = 1
    while count <= high:
        yield count
        count *= 2
