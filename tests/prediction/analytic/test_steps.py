"""Steps over several GPUs and the memory they need, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.prediction.analytic import gpus, links, memory, steps
from noljima.prediction.analytic.kernels import MatrixProduct, Stream, plain
from noljima.prediction.analytic.links import Fabric, Link
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.spec import Optimizer, Parallel, Run
from noljima.prediction.analytic.stage import Stage
from noljima.prediction.analytic.steps import Setting

V100 = gpus.gpu("V100")
LINK = Link(0.0, 1e9, 1.0, "by hand")
FABRIC = Fabric(inside=LINK, between=LINK, gpus_per_node=8)
LOAD = (plain(MatrixProduct(4096, 4096, 4096)),)
STAGE = Stage(
    forward=LOAD,
    backward=LOAD + LOAD,
    again=(),
    head_forward=(),
    head_backward=(),
    parameters=1e6,
    edge_parameters=0.0,
    whole_parameters=4e6,
    kept_bytes=100.0,
    head_kept_bytes=250.0,
    exchanges=3,
    exchange_bytes=1e6,
    boundary_bytes=0.0,
)


def setting(batch: int = 8, micro_batch: int = 1, **parallel: float) -> Setting:
    run = Run(batch=batch, micro_batch=micro_batch, optimizer=Optimizer.SGD, steps=1)
    return Setting(V100, FABRIC, run, Parallel(**parallel))  # type: ignore[arg-type]  # ints and a float


def body_s() -> float:
    forward, backward = steps.passes(STAGE, setting())
    return forward.whole_s + backward.whole_s


def test_a_step_is_its_micro_batches_and_the_update() -> None:
    found = steps.step(STAGE, setting())
    update_s = 1e6 * 4 * 3 / (900e9 * math.exp(V100.traits.bandwidth))

    assert found.arithmetic_s == pytest.approx(8 * body_s())
    assert found.memory_s == pytest.approx(update_s)
    assert (found.communication_s, found.bubble_s, found.input_s) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("stages", "interleave"), [(4, 1), (4, 2), (8, 4)])
def test_the_bubble_is_as_long_as_the_stages_before(stages: int, interleave: int) -> None:
    # Narayanan et al., SC 2021: (p - 1) / v micro-batches' worth of one stage.
    found = steps.step(STAGE, setting(pipeline=stages, interleave=interleave))

    assert found.bubble_s == pytest.approx((stages - 1) / interleave * body_s())


def test_tensor_parallel_gpus_exchange_in_both_passes_of_each_micro_batch() -> None:
    found = steps.step(STAGE, setting(tensor=4))

    assert found.communication_s == pytest.approx(8 * 2 * 3 * links.all_reduce_s(1e6, 4, LINK))


def test_gradients_hide_behind_the_backward_pass_as_far_as_it_lasts() -> None:
    shown = steps.step(STAGE, setting(data=4, overlap=0.0)).communication_s
    hidden = steps.step(STAGE, setting(data=4, overlap=1.0)).communication_s
    _, backward = steps.passes(STAGE, setting())

    assert shown == pytest.approx(links.all_reduce_s(4e6, 4, LINK))
    assert hidden == pytest.approx(max(0.0, shown - backward.whole_s))


def test_sharing_parameters_exchanges_half_as_much_again() -> None:
    plain_s, zero_s = (
        steps.step(STAGE, setting(data=4, overlap=0.0, zero=stage)).communication_s
        for stage in (0, 3)
    )

    assert zero_s == pytest.approx(1.5 * plain_s)


def test_the_fullest_gpu_has_the_batch_rounded_up() -> None:
    assert (setting(batch=10, micro_batch=2, data=4).samples, setting(10, 2, data=4).batches) == (
        2,
        2,
    )
    assert setting(batch=10, micro_batch=0, data=4).samples == 3


def test_an_evaluation_step_is_its_forward_passes() -> None:
    forward, _ = steps.passes(STAGE, setting())

    assert steps.forward_s(STAGE, setting()) == pytest.approx(8 * forward.whole_s)


def test_a_stream_takes_its_bytes_and_its_launch() -> None:
    load = (plain(Stream(1e9, repeat=2.0)),)
    streaming = STAGE._replace(forward=load, backward=())
    once_s = 4e9 / (900e9 * math.exp(V100.traits.bandwidth)) + math.exp(V100.traits.launch)
    forward, _ = steps.passes(streaming, setting())

    assert forward.memory_s == pytest.approx(2 * once_s)
    assert forward.arithmetic_s == 0.0


@pytest.mark.parametrize(
    ("precision", "optimizer", "each"),
    [
        # Rajbhandari et al., 2020: parameter, gradient, and fp32 copies and states.
        (Precision.FP32, Optimizer.SGD, 8),
        (Precision.FP32, Optimizer.MOMENTUM, 12),
        (Precision.FP32, Optimizer.ADAM, 16),
        (Precision.BF16, Optimizer.ADAM, 18),  # with gradients summed up in fp32, as Megatron does
    ],
)
def test_a_parameter_takes_its_copies_and_states(
    precision: Precision, optimizer: Optimizer, each: int
) -> None:
    run = Run(batch=1, precision=precision, optimizer=optimizer, steps=1)
    found = memory.needed(STAGE, run, Parallel(), 1)

    assert found.parameters + found.gradients + found.optimizer == each * 1e6


@pytest.mark.parametrize(("zero", "each"), [(0, 16.0), (1, 10.0), (2, 7.0), (3, 4.0)])
def test_zero_shares_states_then_gradients_then_parameters(zero: int, each: float) -> None:
    run = Run(batch=4, steps=1)
    found = memory.needed(STAGE, run, Parallel(data=4, zero=zero), 1)

    assert found.parameters + found.gradients + found.optimizer == each * 1e6


@pytest.mark.parametrize(
    ("stages", "interleave", "batches", "held"),
    [(1, 1, 8, 1.0), (4, 1, 8, 4.0), (4, 1, 2, 2.0), (8, 3, 64, 8 + 7 / 3)],
)
def test_the_first_stage_holds_as_many_micro_batches_as_there_are_stages(
    stages: int, interleave: int, batches: int, held: float
) -> None:
    parallel = Parallel(pipeline=stages, interleave=interleave)

    assert memory.in_flight(parallel, batches) == pytest.approx(held)


def test_where_the_last_stage_keeps_more_with_its_head_it_counts() -> None:
    run = Run(batch=8, micro_batch=1, steps=1)

    assert memory.needed(STAGE, run, Parallel(), 8).activations == 350.0
    assert memory.needed(STAGE, run, Parallel(pipeline=4), 8).activations == 400.0


@given(
    data=st.integers(1, 64),
    zero=st.integers(0, 3),
    batch=st.integers(64, 4096),
    factor=st.integers(2, 8),
)
def test_more_gpus_never_need_more_memory_each(
    data: int, zero: int, batch: int, factor: int
) -> None:
    run = Run(batch=batch, steps=1)
    few, many = (Parallel(data=count, zero=zero) for count in (data, data * factor))

    assert memory.needed(STAGE, run, many, 1).whole <= memory.needed(STAGE, run, few, 1).whole
