"""Matrix products: by hand on a GPU of round numbers, and what must hold for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.prediction.analytic import fitted, matmul
from noljima.prediction.analytic.device import Device
from noljima.prediction.analytic.device_table import DEVICES
from noljima.prediction.analytic.matmul import Shapes
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.traits import Shared, Traits, shared_columns, trait_columns

# 100 multiprocessors of 10 GFLOP/s, and memory that is never in the way.
ROUND = Device(
    name="round",
    peak_flops={Precision.FP32: 1e12, Precision.FP16: 8e12},
    bandwidth=1e14,
    memory_bytes=1e10,
    multiprocessors=100,
)
# Nothing but whole tiles of 128 x 128 in whole waves: no ramp, launch, thrashing or lead.
NEVER = -50.0
IDEAL = Traits(0.0, NEVER, NEVER, 0.0, NEVER, 20.0, 0.0, 0.0, 10.0, 10.0)
WHOLE = Shared(50.0, NEVER, 5.0, 50.0, 0.0, 0.0)
TILE_S = 2 * 128 * 128 * 1000 / 1e10

sizes = st.integers(1, 20_000)


def seconds(
    batch: float,
    rows: float,
    depth: float,
    columns: float,
    *,
    device: Device = ROUND,
    precision: Precision = Precision.FP32,
    traits: Traits[float] = IDEAL,
    shared: Shared[float] = WHOLE,
    batched: bool = False,
) -> float:
    shapes = Shapes(*(np.array([size]) for size in (batch, rows, depth, columns, float(batched))))
    found = matmul.times(
        shapes,
        matmul.machine(device, precision),
        trait_columns(np.array(traits)),
        shared_columns(np.array(shared)),
    )
    return float(np.exp(found.whole[0]))


def test_a_wave_of_tiles_takes_what_one_tile_takes_on_its_multiprocessor() -> None:
    # 10 x 10 tiles on 100 multiprocessors.
    assert seconds(1, 1280, 1000, 1280) == pytest.approx(TILE_S, rel=1e-3)
    assert seconds(1, 128, 1000, 128) == pytest.approx(TILE_S, rel=1e-3)


def test_one_row_more_than_a_wave_takes_a_second_wave() -> None:
    assert seconds(1, 1281, 1000, 1280) == pytest.approx(2 * TILE_S, rel=1e-3)


def test_a_padded_tile_costs_as_much_as_a_full_one() -> None:
    assert seconds(1, 1, 1000, 1) == pytest.approx(seconds(1, 128, 1000, 128), rel=1e-3)


def test_where_small_tiles_are_free_a_narrow_product_wastes_less() -> None:
    free = IDEAL._replace(short_rows=-10.0, short_columns=-10.0)
    wide = seconds(100, 128, 1000, 128, batched=True)

    assert seconds(100, 32, 1000, 128, traits=free, batched=True) == pytest.approx(
        wide / 4, rel=0.05
    )


def test_a_slow_memory_bounds_a_product_by_its_operands_and_its_result() -> None:
    slow = Device(
        name="slow",
        peak_flops=ROUND.peak_flops,
        bandwidth=1e9,
        memory_bytes=1e10,
        multiprocessors=100,
    )
    elements = 1280 * 10 + 10 * 1280 + 1280 * 1280

    assert seconds(1, 1280, 10, 1280, device=slow) == pytest.approx(4 * elements / 1e9, rel=0.01)


def test_half_precision_has_its_own_peak_and_moves_half_the_bytes() -> None:
    assert seconds(1, 1280, 1000, 1280, precision=Precision.FP16) == pytest.approx(
        TILE_S / 8, rel=1e-3
    )


def test_a_gpu_without_bf16_units_computes_it_in_fp32() -> None:
    assert seconds(1, 1280, 1000, 1280, precision=Precision.BF16) == pytest.approx(TILE_S, rel=1e-3)


def test_every_kernel_takes_its_launch_beside_its_work() -> None:
    launched = IDEAL._replace(launch=float(np.log(20e-6)))

    assert seconds(1, 128, 1000, 128, traits=launched) == pytest.approx(TILE_S + 20e-6, rel=1e-3)


def test_a_deep_product_with_few_tiles_is_split_over_the_gpu_where_that_is_cheap() -> None:
    cheap = WHOLE._replace(split=-10.0)

    assert seconds(1, 128, 100_000, 128, shared=cheap) == pytest.approx(
        seconds(1, 128, 100_000, 128) / 4, rel=0.05
    )


def test_huge_operands_thrash_where_the_traits_say_so() -> None:
    old = IDEAL._replace(thrash=0.0, thrash_bytes=18.0)
    depth = 16_384

    slow = seconds(1, 12_800, depth, 12_800, traits=old)
    assert slow == pytest.approx(2 * seconds(1, 12_800, depth, 12_800), rel=0.05)
    small = seconds(1, 128, 100, 128, traits=old, shared=WHOLE._replace(thrash_power=1.0))
    assert small == pytest.approx(seconds(1, 128, 100, 128), rel=0.01)


@given(
    device=st.sampled_from(DEVICES),
    precision=st.sampled_from(Precision),
    shape=st.tuples(sizes, sizes, sizes, sizes),
    grown=st.integers(0, 3),
    by=st.integers(1, 5_000),
    name=st.sampled_from(sorted(fitted.TRAITS)),
)
def test_a_larger_product_never_takes_less_time(
    device: Device,
    precision: Precision,
    shape: tuple[int, ...],
    grown: int,
    by: int,
    name: str,
) -> None:
    larger = [size + by * (place == grown) for place, size in enumerate(shape)]
    given_traits = {"traits": fitted.TRAITS[name], "shared": fitted.SHARED}
    before, after = (
        seconds(*each, device=device, precision=precision, **given_traits)  # type: ignore[arg-type]  # a mapping of two kinds
        for each in (shape, larger)
    )

    assert 0.0 < before <= after * (1 + 1e-9) < float("inf")
