"""Advice on sizes: the fewest GPUs that hold a job, what more bring, and what a host needs."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.prediction import sizing
from noljima.prediction.analytic import device_table, forecast, gpus
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.spec import Convnet, Run, Site, Training, Transformer
from noljima.prediction.sizing import Growth

ALL = [gpus.gpu(name) for name in device_table.NAMES]
RESNET = Training(
    model=Convnet(network="resnet50"), run=Run(batch=256, steps=1000), site=Site(gpu="V100")
)
GPT_13B = Training(
    model=Transformer(layers=40, hidden=5120, heads=40, sequence=2048, flash=True),
    run=Run(batch=512, micro_batch=1, precision=Precision.BF16, steps=10),
    site=Site(gpu="A100-80GB"),
)


def test_the_fewest_gpus_hold_the_job_and_half_of_them_do_not() -> None:
    found = sizing.fewest(RESNET, gpus.gpu("V100-SXM"))

    assert found is not None
    assert found.gpus > 1
    assert found.memory_bytes <= found.memory_of_gpu
    half = msgspec.structs.replace(RESNET.parallel, data=found.gpus // 2)
    fewer = msgspec.structs.replace(RESNET, parallel=half)
    assert not forecast.on_gpu(fewer, gpus.gpu("V100-SXM")).fits


def test_a_model_that_no_gpu_holds_is_split_inside_its_layers() -> None:
    found = sizing.fewest(GPT_13B, gpus.gpu("A100-80GB"))

    # 18 bytes for each of 12.8 thousand million parameters are 215 GiB.
    assert found is not None
    assert (found.gpus, found.tensor) == (4, 4)


def test_types_come_with_the_smallest_memory_in_all_first() -> None:
    found = sizing.smallest(RESNET, ALL)
    sizes = [option.gpus * option.memory_of_gpu for option in found]

    assert sizes == sorted(sizes)
    assert all(option.memory_bytes <= option.memory_of_gpu for option in found)


def test_a_model_too_large_for_anything_has_no_option() -> None:
    huge = msgspec.structs.replace(
        GPT_13B, model=Transformer(layers=1000, hidden=131_072, heads=16, sequence=2048)
    )

    assert sizing.smallest(huge, ALL) == []


def test_more_gpus_speed_a_job_up_until_the_exchange_weighs_more() -> None:
    series = sizing.growth(RESNET, gpus.gpu("V100"))
    until = sizing.pays_until(series)

    assert [point.gpus for point in series] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert series[0].speedup == series[0].marginal == 1.0
    assert 1 < until < 256
    assert all(point.marginal >= 0.5 for point in series if 1 < point.gpus <= until)


def test_a_stricter_threshold_stops_earlier() -> None:
    series = [
        Growth(1, 8.0, 1.0, 1.0),
        Growth(2, 4.2, 1.9, 0.9),
        Growth(4, 2.6, 3.1, 0.6),
        Growth(8, 2.2, 3.6, 0.2),
    ]

    assert sizing.pays_until(series) == 4
    assert sizing.pays_until(series, threshold=0.8) == 2
    assert sizing.pays_until(series, threshold=0.0) == 8


@pytest.mark.parametrize(("series", "threshold"), [([], 0.5), ([Growth(1, 1, 1, 1)], math.nan)])
def test_advice_on_nothing_is_refused(series: list[Growth], threshold: float) -> None:
    with pytest.raises(InvalidFieldError):
        sizing.pays_until(series, threshold)


def test_a_host_that_gets_less_than_the_past_used_is_told_so() -> None:
    found = sizing.host_memory(asked_mib=1000, used_q95_mib=2000)

    assert found is not None
    assert (found.asked, found.suggested) == (1000, 2400)
    assert found.why.endswith("at most 2,000 host memory in MiB: more than asked")


def test_a_host_that_gets_far_too_much_is_told_so() -> None:
    found = sizing.cpu(asked=64, used_q95=4)

    assert found is not None
    assert (found.suggested, found.why.endswith("far less than asked")) == (5, True)


def test_a_host_that_gets_about_right_is_told_nothing() -> None:
    assert sizing.cpu(asked=8, used_q95=6) is None


@pytest.mark.parametrize("used", [math.nan, math.inf, -1.0])
def test_absurd_quantiles_are_refused(used: float) -> None:
    with pytest.raises(InvalidFieldError, match="CPU cores used"):
        sizing.cpu(asked=8, used_q95=used)


@given(asked=st.floats(0, 1e9), used=st.floats(0, 1e9))
def test_advice_always_covers_what_was_used(asked: float, used: float) -> None:
    found = sizing.host_memory(asked, used)

    assert found is None or found.suggested >= used
    assert found is not None or used <= asked


@given(
    batch=st.integers(1, 64),
    name=st.sampled_from(device_table.NAMES),
    network=st.sampled_from(["resnet18", "alexnet"]),
)
def test_sizing_never_changes_what_was_asked(batch: int, name: str, network: str) -> None:
    asked = Training(model=Convnet(network=network), run=Run(batch=batch, steps=1))
    before = msgspec.json.encode(asked)
    series = sizing.growth(asked, gpus.gpu(name))
    sizing.smallest(asked, [gpus.gpu(name)])

    assert msgspec.json.encode(asked) == before
    assert series[-1].gpus <= batch < 2 * series[-1].gpus
