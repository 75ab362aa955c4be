"""A declared training job's time, memory and spread: what `noljima predict` shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.estimate import Estimate
from noljima.prediction.analytic import families, gpus, links, memory, steps
from noljima.prediction.analytic.gpus import Calibration
from noljima.prediction.analytic.kernels import Gpu
from noljima.prediction.analytic.links import Fabric
from noljima.prediction.analytic.memory import Memory
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.spec import (
    Convnet,
    Declared,
    Dense,
    Run,
    Site,
    Training,
    Transformer,
)
from noljima.prediction.analytic.stage import Stage
from noljima.prediction.analytic.steps import Setting, StepTime

SIGMA_MIN: Final = 0.25
SIGMA_MAX: Final = 0.60
"""Deviations of ln seconds that a forecast may claim."""
PSEUDO_WEIGHT: Final = 1.0

_NORMAL: Final = NormalDist()
_STATE_BYTES: Final = 4


class Doubt(msgspec.Struct, frozen=True):
    """One reason why a forecast may be off, as a deviation of ln seconds."""

    why: str
    sigma: float


class JobTime(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of a whole job, by what they go to."""

    startup_s: float
    arithmetic_s: float
    memory_s: float
    communication_s: float
    bubble_s: float
    input_s: float
    evaluation_s: float
    checkpoint_s: float

    @property
    def whole_s(self) -> float:
        """Return the job's run time."""
        return math.fsum(msgspec.structs.astuple(self))


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What to expect of a training job that nobody has run before."""

    name: str
    gpu: str
    gpus: int
    steps: float
    step: StepTime
    job: JobTime
    memory: Memory
    memory_of_gpu: float
    parameters: float
    doubts: tuple[Doubt, ...]

    @property
    def run_s(self) -> float:
        """Return the median run time."""
        return self.job.whole_s

    @property
    def sigma(self) -> float:
        """Return the deviation of ln seconds: all doubts together, within what is credible."""
        whole = math.sqrt(sum(doubt.sigma**2 for doubt in self.doubts))
        return min(SIGMA_MAX, max(SIGMA_MIN, whole))

    @property
    def fits(self) -> bool:
        """Say whether the job's memory fits the GPU's."""
        return self.memory.whole <= self.memory_of_gpu

    def quantile_s(self, level: float) -> float:
        """Return the run time that the job keeps below with this probability."""
        run_s = self.run_s * math.exp(self.sigma * _NORMAL.inv_cdf(level))
        return min(run_s, bounds.SECONDS_MAX)

    def estimate(self) -> Estimate:
        """Return the quantiles that the engine plans with."""
        return Estimate(self.quantile_s(0.50), self.quantile_s(0.80), self.quantile_s(0.95))


def forecast(training: Training, calibrations: Sequence[Calibration] = ()) -> Forecast:
    """Predict a declared training job on the GPUs that it names."""
    if not training.site.gpu:
        raise InvalidFieldError("site.gpu", training.site.gpu, "names no GPU type")
    return on_gpu(training, gpus.gpu(training.site.gpu, calibrations))


def on_gpu(training: Training, gpu: Gpu) -> Forecast:
    """Predict a declared training job on GPUs of this type."""
    run, parallel = training.run, training.parallel
    setting = Setting(gpu, _fabric(training.site, gpu), run, parallel)
    stage = families.stage(training.model, run, parallel, setting.samples)
    step = _with_input(steps.step(stage, setting), training, setting)
    count = _steps(training)
    job = _job(training, stage, setting, step, count)
    if job.whole_s > bounds.SECONDS_MAX:
        limit = f"s is longer than {bounds.SECONDS_MAX:g} s"
        raise InvalidFieldError("run time", round(job.whole_s), limit)
    return Forecast(
        name=training.name,
        gpu=gpu.device.name,
        gpus=parallel.gpus,
        steps=count,
        step=step,
        job=job,
        memory=memory.needed(stage, run, parallel, setting.batches),
        memory_of_gpu=gpu.device.memory_bytes,
        parameters=stage.whole_parameters,
        doubts=_doubts(training, gpu),
    )


def pseudo_observations(found: Forecast) -> list[tuple[float, float]]:
    """Return (run time, weight) pairs that stand for a forecast among real runs.

    Two points a deviation below and above the median have the forecast's median and spread, and
    count as two runs: enough for a start, and soon outweighed by what really happens.
    """
    away = math.exp(found.sigma)
    return [
        (found.run_s / away, PSEUDO_WEIGHT),
        (min(found.run_s * away, bounds.SECONDS_MAX), PSEUDO_WEIGHT),
    ]


def _fabric(site: Site, gpu: Gpu) -> Fabric:
    between = links.find("site.network", site.network)
    inside = links.find("site.link", site.link or gpu.device.link)
    if gpu.link_rate is not None and not site.link:
        inside = inside._replace(bytes_per_s=gpu.link_rate, reached=1.0, source="measured here")
    return Fabric(
        inside=inside,
        between=between._replace(bytes_per_s=between.bytes_per_s * site.ports),
        gpus_per_node=site.gpus_per_node,
    )


def _with_input(step: StepTime, training: Training, setting: Setting) -> StepTime:
    """Add what a step waits for samples: reading goes on behind computing."""
    if training.input is None:
        return step
    samples = setting.samples * setting.batches
    reading_s = samples / training.input.samples_per_s
    return step._replace(input_s=max(0.0, reading_s - step.whole_s))


def _steps(training: Training) -> float:
    run, model = training.run, training.model
    if run.steps is not None:
        return run.steps
    if run.epochs is not None and run.dataset is not None:
        return run.epochs * run.dataset / run.batch
    if run.tokens is None or not isinstance(model, Transformer | Dense):
        raise InvalidFieldError("run.tokens", run.tokens, "needs a model that counts in tokens")
    return run.tokens / run.batch / model.sequence


def _job(
    training: Training, stage: Stage, setting: Setting, step: StepTime, count: float
) -> JobTime:
    evaluation, saving = training.evaluation, training.checkpoint
    evaluations_s = checkpoints_s = 0.0
    if evaluation is not None:
        each_s = evaluation.steps * steps.forward_s(stage, setting)
        evaluations_s = count / evaluation.every_steps * each_s
    if saving is not None:
        each_s = _checkpoint_bytes(stage, training.run) / saving.bytes_per_s
        checkpoints_s = count / saving.every_steps * each_s
    return JobTime(
        startup_s=training.run.startup_s,
        **{name: seconds * count for name, seconds in step._asdict().items()},
        evaluation_s=evaluations_s,
        checkpoint_s=checkpoints_s,
    )


def _checkpoint_bytes(stage: Stage, run: Run) -> float:
    return stage.whole_parameters * _STATE_BYTES * (1 + run.optimizer.states)


def _doubts(training: Training, gpu: Gpu) -> tuple[Doubt, ...]:
    """Return what is not known, each with its size; docs/analytic.md says where it is from."""
    site, parallel = training.site, training.parallel
    found = [
        Doubt(f"traits of the {gpu.device.name}", gpu.doubt),
        Doubt("kernels around the declared operators", _MODEL_DOUBTS[type(training.model)]),
    ]
    if gpu.device.computed_in(training.run.precision) is not Precision.FP32:
        found.append(Doubt("matrix units' share of their peak", 0.10))
    if parallel.gpus > site.gpus_per_node:
        found.append(Doubt("the network and who shares it", 0.20))
    elif parallel.gpus > 1:
        found.append(Doubt("the links between the GPUs", 0.10))
    if training.input is None:
        found.append(Doubt("an input pipeline of unknown speed", 0.15))
    return tuple(found)


_MODEL_DOUBTS: Final = {Transformer: 0.10, Convnet: 0.15, Declared: 0.20, Dense: 0.40}
