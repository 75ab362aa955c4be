"""A transformer's share of one GPU: parameters, operations and activations as published."""

from __future__ import annotations

import msgspec
import pytest

from noljima.prediction.analytic import kernels, transformer
from noljima.prediction.analytic.device import GIB
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.spec import Parallel, Recompute, Run, Transformer
from noljima.prediction.analytic.stage import Stage

GPT_22B = Transformer(layers=48, hidden=6144, heads=64, sequence=2048, vocabulary=51_200)
SMALL = Transformer(layers=4, hidden=256, heads=8, sequence=128, vocabulary=1000)


def stage(
    model: Transformer = GPT_22B,
    recompute: Recompute = Recompute.NONE,
    samples: int = 4,
    **parallel: int,
) -> Stage:
    run = Run(batch=samples, precision=Precision.BF16, recompute=recompute, steps=1)
    return transformer.stage(model, run, Parallel(**parallel), samples)  # type: ignore[arg-type]  # ints and a bool


def test_a_layer_has_twelve_times_its_width_squared_parameters() -> None:
    assert transformer.layer_parameters(GPT_22B) == pytest.approx(12 * 6144**2, rel=1e-3)
    assert stage().whole_parameters == pytest.approx(22.0e9, rel=0.01)


def test_shared_keys_and_a_gate_change_the_parameters() -> None:
    # Llama-2-70B: 80 layers, 8 key-value heads of 64, a gated width of 28,672.
    llama = Transformer(
        layers=80, hidden=8192, heads=64, sequence=4096, vocabulary=32_000, feedforward=28_672,
        key_value_heads=8, gated=True,
    )  # fmt: skip

    assert stage(llama, samples=1).whole_parameters == pytest.approx(68.7e9, rel=0.01)


def test_forward_operations_are_those_of_the_megatron_paper() -> None:
    # Narayanan et al., SC 2021, appendix: 24 B s l h^2 (1 + s / 6h), and 2 B s h V of the head.
    found = stage(SMALL, samples=2)
    positions, hidden = 2 * 128, 256
    layers = 24 * positions * 4 * hidden**2 * (1 + 128 / (6 * hidden))

    assert kernels.flops(found.forward) == pytest.approx(layers)
    assert kernels.flops(found.backward) == pytest.approx(2 * layers)
    assert kernels.flops(found.head_forward) == 2 * positions * hidden * 1000


@pytest.mark.parametrize(
    ("mode", "gib"),
    [
        # Korthikanti et al., 2022, figure 1, for 22B with tensor parallelism 8.
        ((Recompute.NONE, False), 59.25),
        ((Recompute.SELECTIVE, True), 9.5625),
    ],
)
def test_activations_are_those_of_the_paper(mode: tuple[Recompute, bool], gib: float) -> None:
    found = stage(recompute=mode[0], tensor=8, sequence=mode[1])

    assert found.kept_bytes / GIB == pytest.approx(gib)


def test_recomputing_trades_operations_for_memory() -> None:
    none, selective, full = (stage(SMALL, mode) for mode in Recompute)

    assert none.kept_bytes > selective.kept_bytes > full.kept_bytes
    assert kernels.flops(none.again) == 0
    assert kernels.flops(full.again) == kernels.flops(full.forward)
    assert 0 < kernels.flops(selective.again) < kernels.flops(full.again)


def test_flash_attention_keeps_no_scores_and_moves_none() -> None:
    flash = msgspec.structs.replace(SMALL, flash=True)

    assert stage(flash).kept_bytes < stage(SMALL).kept_bytes
    assert stage(flash, Recompute.SELECTIVE).again == ()
    assert kernels.flops(stage(flash).forward) == kernels.flops(stage(SMALL).forward)


def test_tensor_parallel_gpus_split_operations_and_parameters() -> None:
    alone, split = stage(SMALL), stage(SMALL, tensor=4)

    assert kernels.flops(split.forward) == kernels.flops(alone.forward) / 4
    assert split.parameters == alone.parameters / 4
    assert split.kept_bytes > alone.kept_bytes / 4
    assert stage(SMALL, tensor=4, sequence=True).kept_bytes == pytest.approx(alone.kept_bytes / 4)


def test_a_pipeline_splits_layers_and_the_fullest_stage_counts() -> None:
    whole, third = stage(SMALL), stage(SMALL, pipeline=3)

    assert third.parameters == whole.parameters / 2  # four layers on three stages: two on one
    assert third.whole_parameters == whole.whole_parameters
    assert third.exchanges == whole.exchanges / 2


def test_every_layer_exchanges_twice_forward_and_again_when_recomputed() -> None:
    assert stage(SMALL, tensor=2).exchanges == 8
    assert stage(SMALL, Recompute.FULL, tensor=2).exchanges_again == 8
    assert stage(SMALL, samples=3).exchange_bytes == 3 * 128 * 256 * 2
