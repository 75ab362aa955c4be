"""What `noljima predict` tells: a forecast with sizing advice, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from noljima.cli import past
from noljima.cli.past import Past
from noljima.model.bounds import InvalidFieldError
from noljima.prediction import sizing
from noljima.prediction.analytic import device_table, gpus
from noljima.prediction.analytic import forecast as forecasts
from noljima.prediction.analytic.device import GIB
from noljima.prediction.analytic.forecast import Doubt, Forecast
from noljima.prediction.analytic.gpus import Calibration
from noljima.prediction.analytic.spec import Training
from noljima.prediction.sizing import Growth, Option
from noljima.report import wording

LEVELS: Final = (0.10, 0.50, 0.90)
_WORDS: Final = {
    "arithmetic_s": "computing, bound by arithmetic",
    "memory_s": "computing, bound by memory",
    "communication_s": "exchange between GPUs",
    "bubble_s": "pipeline filling and draining",
    "input_s": "waiting for input",
    "startup_s": "start-up",
    "evaluation_s": "evaluation",
    "checkpoint_s": "checkpoints",
}
_OPTIONS_MAX: Final = 6


class Told(msgspec.Struct, frozen=True):
    """A forecast and the advice beside it, with past runs of such a job where they are known."""

    forecast: Forecast
    options: list[Option]
    series: list[Growth]
    pays_until: int
    past: Past | None = None


class _Json(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The figures as a script reads them; seconds and bytes."""

    name: str
    gpu: str
    gpus: int
    run_s: dict[str, float]
    steps: float
    step_s: float
    step: dict[str, float]
    job: dict[str, float]
    parameters: float
    memory: dict[str, float]
    memory_of_gpu: float
    fits: bool
    sigma: float
    doubts: tuple[Doubt, ...]
    smallest: list[Option]
    growth: list[Growth]
    pays_until_gpus: int
    past: Past | None = None


def changed(training: Training, gpu: str | None, count: int | None) -> Training:
    """Return the job on another GPU type, or on so many GPUs by data parallelism."""
    if gpu is not None:
        site = msgspec.structs.replace(training.site, gpu=gpu)
        training = msgspec.structs.replace(training, site=site)
    if count is not None:
        parallel = training.parallel
        within = parallel.tensor * parallel.pipeline
        if count % within:
            limit = f"is not a multiple of the spec's tensor by pipeline degrees, {within}"
            raise InvalidFieldError("--gpus", count, limit)
        parallel = msgspec.structs.replace(parallel, data=count // within)
        training = msgspec.structs.replace(training, parallel=parallel)
    return training


def told(training: Training, calibrations: Sequence[Calibration]) -> Told:
    """Return the forecast of a job with advice on other numbers and types of GPUs."""
    found = forecasts.forecast(training, calibrations)
    own = gpus.gpu(training.site.gpu, calibrations)
    candidates = [gpus.gpu(name, calibrations) for name in device_table.NAMES]
    series = sizing.growth(training, own)
    return Told(
        forecast=found,
        options=sizing.smallest(training, candidates),
        series=series,
        pays_until=sizing.pays_until(series),
    )


def with_past(found: Told, known: Past) -> Told:
    """Return the same with what past runs say."""
    return msgspec.structs.replace(found, past=known)


def as_json(found: Told) -> str:
    """Return the figures as one JSON object."""
    forecast = found.forecast
    figures = _Json(
        name=forecast.name,
        gpu=forecast.gpu,
        gpus=forecast.gpus,
        run_s={f"p{level * 100:.0f}": forecast.quantile_s(level) for level in LEVELS},
        steps=forecast.steps,
        step_s=forecast.step.whole_s,
        step=forecast.step._asdict(),
        job=msgspec.structs.asdict(forecast.job),
        parameters=forecast.parameters,
        memory={**forecast.memory._asdict(), "whole": forecast.memory.whole},
        memory_of_gpu=forecast.memory_of_gpu,
        fits=forecast.fits,
        sigma=forecast.sigma,
        doubts=forecast.doubts,
        smallest=found.options,
        growth=found.series,
        pays_until_gpus=found.pays_until,
        past=found.past,
    )
    return msgspec.json.format(msgspec.json.encode(figures), indent=2).decode()


def as_text(found: Told) -> str:
    """Return the forecast for people."""
    known = () if found.past is None else past.lines(found.past)
    parts = (_head(found.forecast), known, _time(found.forecast), _memory(found.forecast))
    lines = [line for part in (*parts, _advice(found), _doubts(found.forecast)) for line in part]
    return wording.ascii_only("\n".join(lines))


def _head(found: Forecast) -> Iterator[str]:
    name = f"{found.name}: " if found.name else ""
    yield f"{name}{_billions(found.parameters)} parameters on {found.gpus:,} x {found.gpu}"
    times = (f"P{100 * level:.0f} {_time_of(found, level)}" for level in LEVELS)
    yield f"  run time  {'   '.join(times)}"
    steps = f"{found.steps:,.0f} steps of {_short(found.step.whole_s)}"
    yield f"            {steps}"


def _time(found: Forecast) -> Iterator[str]:
    yield "  of which"
    parts = msgspec.structs.asdict(found.job)
    for name, seconds in sorted(parts.items(), key=lambda part: -part[1]):
        if seconds > 0.0:
            share = wording.share(seconds / found.run_s)
            yield f"    {_WORDS[name]:32s} {share:>7s}  {wording.duration(seconds)}"


def _memory(found: Forecast) -> Iterator[str]:
    fits = "fits" if found.fits else "DOES NOT FIT"
    whole, limit = found.memory.whole / GIB, found.memory_of_gpu / GIB
    yield f"  memory    {whole:.1f} GiB a GPU of {limit:.0f} GiB: {fits}"
    parts = found.memory._asdict().items()
    yield "    " + ", ".join(f"{name} {size / GIB:.1f}" for name, size in parts)


def _advice(found: Told) -> Iterator[str]:
    if not found.options:
        yield "  sizing    no GPU type of the table holds it, on up to 1,024 GPUs"
    else:
        yield "  sizing    fewest GPUs that hold it, by type"
    for option in found.options[:_OPTIONS_MAX]:
        split = f", tensor {option.tensor}" if option.tensor > 1 else ""
        yield (
            f"    {option.gpus:>5,} x {option.gpu}{split}: {wording.duration(option.run_s)}, "
            f"{option.memory_bytes / GIB:.1f} of {option.memory_of_gpu / GIB:.0f} GiB"
        )
    yield f"  more GPUs pay until {found.pays_until:,}"
    for point in found.series:
        if point.marginal < 0.0:
            break
        worth = f"speed-up {point.speedup:.2f}, each added GPU brings {point.marginal:.0%}"
        yield f"    {point.gpus:>5,}: step {_short(point.step_s)}, {worth}"


def _doubts(found: Forecast) -> Iterator[str]:
    yield f"  spread    sigma of ln t {found.sigma:.2f}, from"
    for doubt in found.doubts:
        yield f"    {doubt.sigma:.2f}  {doubt.why}"


def _time_of(found: Forecast, level: float) -> str:
    return wording.duration(found.quantile_s(level))


def _short(seconds: float) -> str:
    return wording.duration(seconds) if seconds >= 1.0 else f"{1e3 * seconds:.3g} ms"


def _billions(count: float) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return f"{count:.0f}"
