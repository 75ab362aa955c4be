"""Layers and networks: operations, parameters and memory counted by hand or as published."""

from __future__ import annotations

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic import convnets, gpus, kernels
from noljima.prediction.analytic.blocks import block
from noljima.prediction.analytic.layers import (
    Attention,
    Convolution,
    Elementwise,
    Embedding,
    Layer,
    Linear,
    Matmul,
    Normalisation,
)
from noljima.prediction.analytic.precision import Precision
from noljima.prediction.analytic.spec import ConvolutionStyle

DIRECT, WINOGRAD = ConvolutionStyle.DIRECT, ConvolutionStyle.WINOGRAD
V100 = gpus.gpu("V100")
CONVOLUTION = Convolution(inputs=64, outputs=128, height=56, width=56, kernel=3, padding=1)


@pytest.mark.parametrize(
    ("layer", "forward", "backward", "parameters"),
    [
        (Linear(inputs=1000, outputs=500, positions=3), 2 * 2 * 3 * 500_000, 2, 500_500),
        (Matmul(rows=10, depth=20, columns=30, batch=4), 2 * 2 * 4 * 6000, 2, 0),
        (CONVOLUTION, 2 * 2 * 56 * 56 * 128 * 64 * 9, 2, 128 * 64 * 9 + 128),
        (Attention(heads=4, sequence=100, head_width=8), 2 * 2 * 2 * 4 * 100 * 100 * 8, 2, 0),
        (
            Attention(heads=4, sequence=100, head_width=8, flash=True),
            2 * 2 * 2 * 4 * 100 * 100 * 8,
            2.5,  # the scores are computed again
            0,
        ),
        (Normalisation(elements=1000, parameters=10), 0, 0, 20),
        (Elementwise(elements=1000), 0, 0, 0),
        (Embedding(vocabulary=1000, width=16, lookups=5), 0, 0, 16_000),
    ],
)
def test_a_layer_has_the_operations_and_parameters_of_its_sizes(
    layer: Layer, forward: float, backward: float, parameters: float
) -> None:
    found = block(layer, 2, DIRECT)

    assert kernels.flops(found.forward) == forward
    assert kernels.flops(found.backward) == backward * forward
    assert found.parameters == parameters


def test_a_repeated_layer_costs_its_number_of_times() -> None:
    once = block(Linear(inputs=10, outputs=20), 4, DIRECT)
    thrice = block(Linear(inputs=10, outputs=20, repeat=3), 4, DIRECT)

    assert kernels.flops(thrice.forward) == 3 * kernels.flops(once.forward)
    assert (thrice.parameters, thrice.kept) == (3 * once.parameters, 3 * once.kept)
    assert kernels.spent(thrice.forward, V100, Precision.FP32).whole_s == pytest.approx(
        3 * kernels.spent(once.forward, V100, Precision.FP32).whole_s
    )


def test_of_two_ways_the_faster_one_is_taken() -> None:
    direct, both = (block(CONVOLUTION, 64, style).forward for style in (DIRECT, WINOGRAD))
    direct_s, both_s = (
        kernels.spent(load, V100, Precision.FP32).whole_s for load in (direct, both)
    )

    assert len(both[0]) == 2
    assert both_s < 0.8 * direct_s


@pytest.mark.parametrize(
    "layer",
    [
        Convolution(inputs=64, outputs=64, height=56, width=56, kernel=5),
        Convolution(inputs=64, outputs=64, height=56, width=56, kernel=3, stride=2),
        Convolution(inputs=64, outputs=64, height=56, width=56, kernel=3, groups=4),
    ],
)
def test_winograd_is_for_plain_three_by_three_convolutions_only(layer: Convolution) -> None:
    assert len(block(layer, 8, WINOGRAD).forward[0]) == 1


def test_a_depthwise_convolution_streams_its_image() -> None:
    depthwise = Convolution(
        inputs=96, outputs=96, height=28, width=28, kernel=3, padding=1, groups=96
    )
    way = block(depthwise, 8, WINOGRAD).forward[0][0]

    assert not way.products
    assert way.streams[0].elements == pytest.approx(8 * 2 * 96 * 28 * 28, rel=0.01)


def test_an_asymmetric_kernel_and_a_given_output_are_kept() -> None:
    layer = Convolution(
        inputs=8, outputs=8, height=17, width=17, kernel=1, kernel_width=7, output_height=17,
        output_width=17,
    )  # fmt: skip

    assert layer.taps == 7
    assert layer.output == (17, 17)


@pytest.mark.parametrize(
    ("network", "parameters", "multiplications"),
    [
        # Millions of parameters, and thousand million multiplications an image, as published.
        ("alexnet", 61.1, 0.71),
        ("vgg11", 132.9, 7.6),
        ("vgg16", 138.4, 15.5),
        ("googlenet", 7.0, 1.6),
        ("resnet18", 11.7, 1.8),
        ("resnet50", 25.6, 4.1),
        ("ResNet-152", 60.2, 11.5),
    ],
)
def test_networks_have_the_published_size(
    network: str, parameters: float, multiplications: float
) -> None:
    blocks = [block(layer, 1, DIRECT) for layer in convnets.layers(network)]
    flops = sum(kernels.flops(each.forward) for each in blocks)

    assert sum(each.parameters for each in blocks) / 1e6 == pytest.approx(parameters, rel=0.01)
    assert flops / 2e9 == pytest.approx(multiplications, rel=0.03)


@pytest.mark.parametrize("network", convnets.NAMES)
def test_every_network_can_be_timed_and_grows_with_its_image(network: str) -> None:
    def taken_s(image: int) -> float:
        layers = convnets.layers(network, image)
        load = tuple(step for layer in layers for step in block(layer, 4, WINOGRAD).forward)
        return kernels.spent(load, V100, Precision.FP32).whole_s

    assert 0.0 < taken_s(0) < taken_s(320)


@pytest.mark.parametrize(
    ("network", "image", "words"),
    [
        ("resnet51", 0, "model.network: 'resnet51' is not one of alexnet, "),
        ("alexnet", 20, "is too small for the network"),
    ],
)
def test_what_is_no_network_is_refused(network: str, image: int, words: str) -> None:
    with pytest.raises(InvalidFieldError, match=words):
        convnets.layers(network, image)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"inputs": 0, "outputs": 1}, "linear.inputs: 0 is outside 1 to "),
        ({"inputs": 1, "outputs": 1, "repeat": 10**9}, "linear.repeat: 1000000000 is outside"),
    ],
)
def test_a_layer_of_no_size_is_refused(fields: dict[str, int], words: str) -> None:
    with pytest.raises(InvalidFieldError, match=words):
        Linear(**fields)


def test_a_kernel_larger_than_its_image_is_refused() -> None:
    with pytest.raises(InvalidFieldError, match="kernel: 9 does not fit into 4 by 4"):
        Convolution(inputs=1, outputs=1, height=4, width=4, kernel=9)


def test_groups_have_to_divide_the_channels() -> None:
    with pytest.raises(InvalidFieldError, match="groups: 3 does not divide the outputs, 8"):
        Convolution(inputs=9, outputs=8, height=4, width=4, kernel=1, groups=3)
