"""Whole jobs: by example, and what must hold for every legal spec."""

from __future__ import annotations

import math
from statistics import fmean

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic import forecast as forecasts
from noljima.prediction.analytic import steps
from noljima.prediction.analytic.convnets import NAMES as NETWORKS
from noljima.prediction.analytic.device_table import NAMES as GPUS
from noljima.prediction.analytic.forecast import Forecast, forecast
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.spec import (
    Convnet,
    Dense,
    Evaluation,
    Input,
    Model,
    Optimizer,
    Parallel,
    Recompute,
    Run,
    Saving,
    Site,
    Training,
    Transformer,
)

RESNET = Training(
    model=Convnet(network="resnet50"),
    run=Run(batch=64, optimizer=Optimizer.MOMENTUM, steps=100, startup_s=10.0),
    site=Site(gpu="V100"),
)


@st.composite
def transformers(draw: st.DrawFn) -> tuple[Model, Parallel]:
    heads = draw(st.sampled_from([1, 4, 16]))
    layers = draw(st.integers(1, 48))
    model = Transformer(
        layers=layers,
        hidden=heads * draw(st.sampled_from([32, 64, 128])),
        heads=heads,
        sequence=draw(st.sampled_from([1, 128, 2048])),
        vocabulary=draw(st.sampled_from([2, 50_000])),
        flash=draw(st.booleans()),
        gated=draw(st.booleans()),
        key_value_heads=draw(st.sampled_from([0, 1])),
    )
    pipeline = draw(st.sampled_from([size for size in (1, 2, 8) if size <= layers]))
    interleaves = pipeline > 1 and 2 * pipeline <= layers
    parallel = Parallel(
        data=draw(st.sampled_from([1, 2, 16])),
        tensor=draw(st.sampled_from([size for size in (1, 2, 4) if heads % size == 0])),
        pipeline=pipeline,
        interleave=2 if interleaves and draw(st.booleans()) else 1,
        sequence=draw(st.booleans()),
        zero=draw(st.integers(0, 3)),
        overlap=draw(st.floats(0, 1)),
    )
    return model, parallel


@st.composite
def others(draw: st.DrawFn) -> tuple[Model, Parallel]:
    convnet = st.builds(Convnet, network=st.sampled_from(["resnet18", "vgg11", "alexnet"]))
    dense = st.builds(Dense, parameters=st.floats(1, 1e12), sequence=st.integers(1, 4096))
    parallel = Parallel(data=draw(st.sampled_from([1, 2, 16])), zero=draw(st.integers(0, 3)))
    return draw(convnet | dense), parallel


@st.composite
def trainings(draw: st.DrawFn) -> Training:
    """Draw legal specs from tiny to huge."""
    model, parallel = draw(transformers() | others())
    batch = draw(st.integers(16, 512))
    modes = list(Recompute) if isinstance(model, Transformer) else [Recompute.NONE, Recompute.FULL]
    return Training(
        model=model,
        parallel=parallel,
        run=Run(
            batch=batch,
            micro_batch=draw(st.integers(0, 16)),
            precision=draw(st.sampled_from(Precision)),
            optimizer=draw(st.sampled_from(Optimizer)),
            recompute=draw(st.sampled_from(modes)),
            steps=draw(st.floats(0, 1e3)),
            startup_s=draw(st.floats(0, 1e4)),
        ),
        site=Site(gpu=draw(st.sampled_from(GPUS)), gpus_per_node=draw(st.sampled_from([1, 4, 8]))),
        input=draw(st.none() | st.builds(Input, samples_per_s=st.floats(0.1, 1e6))),
        evaluation=draw(
            st.none() | st.builds(Evaluation, every_steps=st.just(100), steps=st.floats(0, 100))
        ),
        checkpoint=draw(st.none() | st.builds(Saving, every_steps=st.floats(1, 1e4))),
    )


def run(training: Training, **changed: object) -> Training:
    return msgspec.structs.replace(training, run=msgspec.structs.replace(training.run, **changed))


def test_a_job_is_its_start_up_and_its_steps() -> None:
    found = forecast(RESNET)

    assert found.steps == 100
    assert found.run_s == pytest.approx(10.0 + 100 * found.step.whole_s)
    assert found.parameters == pytest.approx(25.6e6, rel=0.01)
    # Zeus measured 0.188 s on a V100 (ImageNet, batch 64).
    assert found.step.whole_s == pytest.approx(0.188, rel=0.15)


def test_epochs_and_tokens_become_steps() -> None:
    epochs = run(RESNET, steps=None, epochs=2.0, dataset=6400.0)
    tokens = Training(
        model=Dense(parameters=1e8, sequence=100),
        run=Run(batch=10, tokens=1e6),
        site=Site(gpu="V100"),
    )

    assert forecast(epochs).steps == 200
    assert forecast(tokens).steps == 1000


def test_tokens_need_a_model_that_counts_in_them() -> None:
    with pytest.raises(InvalidFieldError, match=r"run.tokens: .* needs a model that counts"):
        forecast(run(RESNET, steps=None, tokens=1e6))


def test_a_slow_input_pipeline_sets_the_pace() -> None:
    slow = msgspec.structs.replace(RESNET, input=Input(samples_per_s=64.0))
    fast = msgspec.structs.replace(RESNET, input=Input(samples_per_s=1e6))

    assert forecast(slow).step.whole_s == pytest.approx(1.0)
    assert forecast(slow).step.input_s > 0.5
    assert forecast(fast).step.input_s == 0.0


def test_evaluations_and_checkpoints_come_on_top() -> None:
    whole = msgspec.structs.replace(
        RESNET,
        evaluation=Evaluation(every_steps=50, steps=10),
        checkpoint=Saving(every_steps=25, bytes_per_s=1e8),
    )
    found = forecast(whole).job

    # Four checkpoints of 25.6 million parameters with a momentum each, 8 bytes together.
    assert found.checkpoint_s == pytest.approx(4 * 25.6e6 * 8 / 1e8, rel=0.01)
    # Twenty forward passes, of which a step has one of three.
    assert found.evaluation_s == pytest.approx(20 / 3 * forecast(RESNET).step.whole_s, rel=0.1)


def test_the_quantiles_are_those_of_a_lognormal_around_the_median() -> None:
    found = forecast(RESNET)
    estimate = found.estimate()

    assert estimate.q50_s == pytest.approx(found.run_s)
    assert estimate.q80_s == pytest.approx(found.run_s * math.exp(0.8416 * found.sigma), rel=1e-3)
    assert estimate.q95_s == pytest.approx(found.run_s * math.exp(1.6449 * found.sigma), rel=1e-3)
    assert found.quantile_s(0.1) * found.quantile_s(0.9) == pytest.approx(found.run_s**2)


def test_pseudo_observations_have_the_median_and_the_spread() -> None:
    found = forecast(RESNET)
    pairs = forecasts.pseudo_observations(found)
    logs = [math.log(run_s) for run_s, _ in pairs]

    assert len(pairs) == 2
    assert all(weight == 1.0 for _, weight in pairs)
    assert fmean(logs) == pytest.approx(math.log(found.run_s))
    assert (max(logs) - min(logs)) / 2 == pytest.approx(found.sigma)


def test_what_is_less_known_has_a_wider_spread() -> None:
    known = msgspec.structs.replace(RESNET, input=Input(samples_per_s=1e6))
    guess = Training(
        model=Dense(parameters=1e9),
        run=Run(batch=64, precision=Precision.BF16, steps=10),
        site=Site(gpu="A40"),
    )

    assert forecast(known).sigma < forecast(RESNET).sigma < forecast(guess).sigma
    assert forecast(guess).sigma == forecasts.SIGMA_MAX


def test_a_job_that_would_outlast_all_bounds_is_refused() -> None:
    with pytest.raises(InvalidFieldError, match=r"run time: \d+ s is longer than 1e\+10 s"):
        forecast(run(RESNET, steps=1e15))


def test_a_job_without_a_gpu_is_refused() -> None:
    with pytest.raises(InvalidFieldError, match=r"site.gpu: '' names no GPU type"):
        forecast(msgspec.structs.replace(RESNET, site=Site()))


def test_selective_recomputing_needs_a_transformer() -> None:
    with pytest.raises(InvalidFieldError, match=r"run.recompute: 'selective' needs a transformer"):
        forecast(run(RESNET, recompute=Recompute.SELECTIVE))


@pytest.mark.parametrize("network", NETWORKS)
def test_recomputing_a_network_takes_longer_and_keeps_less(network: str) -> None:
    job = msgspec.structs.replace(RESNET, model=Convnet(network=network))
    plain, again = (forecast(run(job, recompute=mode)) for mode in (Recompute.NONE, Recompute.FULL))

    assert again.step.whole_s > plain.step.whole_s
    assert again.memory.activations <= plain.memory.activations


def test_operations_of_a_model_of_known_size_are_six_a_parameter_and_token() -> None:
    job = Training(
        model=Dense(parameters=1e9, sequence=1024),
        run=Run(batch=64, precision=Precision.BF16, steps=1, startup_s=0.0),
        site=Site(gpu="A100-80GB"),
    )
    found = forecast(job)
    ideal_s = 6 * 1e9 * 64 * 1024 / 312e12

    assert 1.3 * ideal_s < found.run_s < 3.0 * ideal_s


@given(trainings())
def test_every_legal_spec_has_a_positive_finite_forecast(training: Training) -> None:
    found = check(forecast(training))

    assert found.gpus == training.parallel.gpus
    assert forecasts.SIGMA_MIN <= found.sigma <= forecasts.SIGMA_MAX


@given(trainings(), st.integers(2, 4))
def test_a_larger_batch_never_takes_less_time_or_memory(training: Training, factor: int) -> None:
    larger = run(training, batch=training.run.batch * factor)
    before, after = forecast(training), forecast(larger)
    settings = [
        steps.Setting(None, None, each.run, each.parallel)  # type: ignore[arg-type]  # only sizes are read
        for each in (training, larger)
    ]

    assert after.memory.whole >= before.memory.whole * (1 - 1e-9)
    if settings[0].samples == settings[1].samples:
        # The same micro-batches, only more of them; a rounded-up last one does not shrink.
        assert after.step.whole_s >= before.step.whole_s * (1 - 1e-9)


@given(trainings(), st.integers(2, 8))
def test_more_gpus_under_the_same_plan_never_need_more_memory_each(
    training: Training, factor: int
) -> None:
    data = min(training.parallel.data * factor, training.run.batch)
    parallel = msgspec.structs.replace(training.parallel, data=data)
    grown = msgspec.structs.replace(training, parallel=parallel)

    assert forecast(grown).memory.whole <= forecast(training).memory.whole * (1 + 1e-9)


def check(found: Forecast) -> Forecast:
    """Assert that all figures are numbers and the parts make the whole."""
    times = [*found.step, *msgspec.structs.astuple(found.job), *found.memory]
    estimate = found.estimate()

    assert all(math.isfinite(value) and value >= 0.0 for value in times)
    assert found.step.whole_s > 0.0
    assert 0.0 <= estimate.q50_s <= estimate.q80_s <= estimate.q95_s <= bounds.SECONDS_MAX
    assert found.memory.whole > 0.0
    return found
