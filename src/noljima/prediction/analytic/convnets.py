"""Well-known convolutional networks as layers, so that a user can name one.

Sources: AlexNet as in Krizhevsky, "One weird trick", 2014; OverFeat (fast), Sermanet et al., 2014;
VGG, Simonyan and Zisserman, 2015; GoogLeNet, Szegedy et al., CVPR 2015; ResNet, He et al., CVPR
2016. For AlexNet, OverFeat, VGG-A and GoogLeNet the sizes are those of convnet-benchmarks (2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic.layers import (
    Convolution,
    Elementwise,
    Layer,
    Linear,
    Normalisation,
)


class _Tape:
    """Layers written one after the other, with the image's size as it shrinks."""

    def __init__(self, image: int, channels: int = 3) -> None:
        self.layers: list[Layer] = []
        self.size = image
        self.channels = channels

    def convolve(
        self, outputs: int, kernel: int, stride: int = 1, padding: int = 0, *, normed: bool = False
    ) -> None:
        """Add a convolution and what follows it at once: normalisation and activation."""
        layer = self._convolution(outputs, kernel, stride, padding)
        self.layers.append(layer)
        self.size, self.channels = layer.output[0], outputs
        self._after(normed=normed)

    def pool(self, kernel: int, stride: int, padding: int = 0) -> None:
        """Add a pooling layer: it streams the image through once."""
        if self.size + 2 * padding < kernel:
            raise InvalidFieldError("model.image", self.size, "is too small for the network")
        self.layers.append(Elementwise(elements=self.channels * self.size**2))
        self.size = (self.size + 2 * padding - kernel) // stride + 1

    def average(self) -> None:
        """Add an average over the whole image."""
        self.layers.append(Elementwise(elements=self.channels * self.size**2))
        self.size = 1

    def flatten(self, *widths: int) -> None:
        """Add fully connected layers."""
        inputs = self.channels * self.size**2
        for outputs in widths:
            self.layers.append(Linear(inputs=inputs, outputs=outputs))
            inputs = outputs

    def branch(self, *steps: tuple[int, int]) -> int:
        """Add a branch of (outputs, kernel) convolutions that keep the size; return its width."""
        size, channels = self.size, self.channels
        for outputs, kernel in steps:
            self.convolve(outputs, kernel, padding=kernel // 2)
        width, self.size, self.channels = self.channels, size, channels
        return width

    def _after(self, *, normed: bool) -> None:
        elements = self.channels * self.size**2
        if normed:
            self.layers.append(Normalisation(elements=elements, parameters=self.channels))
        self.layers.append(Elementwise(elements=elements))

    def _convolution(self, outputs: int, kernel: int, stride: int, padding: int) -> Convolution:
        if self.size + 2 * padding < kernel:
            raise InvalidFieldError("model.image", self.size, "is too small for the network")
        return Convolution(
            inputs=self.channels,
            outputs=outputs,
            height=self.size,
            width=self.size,
            kernel=kernel,
            stride=stride,
            padding=padding,
        )


def _alexnet(tape: _Tape, classes: int) -> None:
    tape.convolve(64, 11, 4, 2)
    tape.pool(3, 2)
    tape.convolve(192, 5, padding=2)
    tape.pool(3, 2)
    for outputs in (384, 256, 256):
        tape.convolve(outputs, 3, padding=1)
    tape.pool(3, 2)
    tape.flatten(4096, 4096, classes)


def _overfeat(tape: _Tape, classes: int) -> None:
    tape.convolve(96, 11, 4)
    tape.pool(2, 2)
    tape.convolve(256, 5)
    tape.pool(2, 2)
    for outputs in (512, 1024, 1024):
        tape.convolve(outputs, 3, padding=1)
    tape.pool(2, 2)
    tape.flatten(3072, 4096, classes)


def _vgg(*counts: int) -> Callable[[_Tape, int], None]:
    def build(tape: _Tape, classes: int) -> None:
        for outputs, count in zip((64, 128, 256, 512, 512), counts, strict=True):
            for _ in range(count):
                tape.convolve(outputs, 3, padding=1)
            tape.pool(2, 2)
        tape.flatten(4096, 4096, classes)

    return build


# Width of the 1 x 1 branch, (reduction, width) of the 3 x 3 and 5 x 5 ones, and of the pooled one.
_INCEPTIONS: Final = (
    (64, (96, 128), (16, 32), 32),
    (128, (128, 192), (32, 96), 64),
    (192, (96, 208), (16, 48), 64),
    (160, (112, 224), (24, 64), 64),
    (128, (128, 256), (24, 64), 64),
    (112, (144, 288), (32, 64), 64),
    (256, (160, 320), (32, 128), 128),
    (256, (160, 320), (32, 128), 128),
    (384, (192, 384), (48, 128), 128),
)
_POOLED_AFTER: Final = (1, 6)


def _googlenet(tape: _Tape, classes: int) -> None:
    tape.convolve(64, 7, 2, 3)
    tape.pool(3, 2, 1)
    tape.convolve(64, 1)
    tape.convolve(192, 3, padding=1)
    tape.pool(3, 2, 1)
    for number, (plain, middle, wide, pooled) in enumerate(_INCEPTIONS):
        widths = [tape.branch((plain, 1))]
        widths.append(tape.branch((middle[0], 1), (middle[1], 3)))
        widths.append(tape.branch((wide[0], 1), (wide[1], 5)))
        tape.pool(3, 1, 1)
        widths.append(tape.branch((pooled, 1)))
        tape.channels = sum(widths)
        if number in _POOLED_AFTER:
            tape.pool(3, 2, 1)
    tape.average()
    tape.flatten(classes)


def _resnet(*counts: int, bottleneck: bool) -> Callable[[_Tape, int], None]:
    def build(tape: _Tape, classes: int) -> None:
        tape.convolve(64, 7, 2, 3, normed=True)
        tape.pool(3, 2, 1)
        for stage, count in enumerate(counts):
            for number in range(count):
                stride = 2 if stage and not number else 1
                _residual(tape, 64 << stage, stride, bottleneck=bottleneck)
        tape.average()
        tape.flatten(classes)

    return build


def _residual(tape: _Tape, width: int, stride: int, *, bottleneck: bool) -> None:
    size, channels = tape.size, tape.channels
    outputs = 4 * width if bottleneck else width
    if bottleneck:
        tape.convolve(width, 1, normed=True)
        tape.convolve(width, 3, stride, 1, normed=True)
        tape.convolve(outputs, 1, normed=True)
    else:
        tape.convolve(width, 3, stride, 1, normed=True)
        tape.convolve(width, 3, padding=1, normed=True)
    if stride > 1 or channels != outputs:
        tape.size, tape.channels = size, channels
        tape.convolve(outputs, 1, stride, normed=True)
    tape.layers.append(Elementwise(elements=outputs * tape.size**2, reads=2))


_NETWORKS: Final[Mapping[str, tuple[int, Callable[[_Tape, int], None]]]] = {
    "alexnet": (224, _alexnet),
    "overfeat": (231, _overfeat),
    "vgg11": (224, _vgg(1, 1, 2, 2, 2)),
    "vgg16": (224, _vgg(2, 2, 3, 3, 3)),
    "vgg19": (224, _vgg(2, 2, 4, 4, 4)),
    "googlenet": (224, _googlenet),
    "resnet18": (224, _resnet(2, 2, 2, 2, bottleneck=False)),
    "resnet34": (224, _resnet(3, 4, 6, 3, bottleneck=False)),
    "resnet50": (224, _resnet(3, 4, 6, 3, bottleneck=True)),
    "resnet101": (224, _resnet(3, 4, 23, 3, bottleneck=True)),
    "resnet152": (224, _resnet(3, 8, 36, 3, bottleneck=True)),
}
NAMES: Final = tuple(_NETWORKS)


def layers(network: str, image: int = 0, classes: int = 1000) -> tuple[Layer, ...]:
    """Return a network's layers for images of this size; 0 for what it was published with."""
    name = network.lower().replace("-", "")
    if name not in _NETWORKS:
        raise InvalidFieldError("model.network", network, f"is not one of {', '.join(NAMES)}")
    usual, build = _NETWORKS[name]
    tape = _Tape(image or usual)
    build(tape, classes)
    return tuple(tape.layers)
