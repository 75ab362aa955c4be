"""Layers that a user may declare one by one, with the sizes of one sample."""

from __future__ import annotations

from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError

SIZE_MAX: Final = 1_000_000_000_000
REPEAT_MAX: Final = 1_000_000


_OPTIONAL: Final = frozenset({"padding", "kernel_width", "output_height", "output_width"})


class _Layer(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """What all layers have."""

    repeat: int = 1

    def __post_init__(self) -> None:
        """Refuse sizes that no layer has."""
        kind = type(self).__name__.lower()
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is int:
                low, high = int(name not in _OPTIONAL), SIZE_MAX
                bounds.whole(
                    f"{kind}.{name}", value, low=low, high=REPEAT_MAX if name == "repeat" else high
                )


class Linear(_Layer, frozen=True, kw_only=True, tag="linear"):
    """A matrix of parameters applied to each of a sample's positions."""

    inputs: int
    outputs: int
    positions: int = 1


class Matmul(_Layer, frozen=True, kw_only=True, tag="matmul"):
    """Products of two activations, `batch` of them in a sample."""

    rows: int
    depth: int
    columns: int
    batch: int = 1


class Convolution(_Layer, frozen=True, kw_only=True, tag="convolution"):
    """A two-dimensional convolution of an image of this height and width."""

    inputs: int
    outputs: int
    height: int
    width: int
    kernel: int
    kernel_width: int = 0
    """0 for a square kernel."""
    stride: int = 1
    padding: int = 0
    groups: int = 1
    output_height: int = 0
    """0 for what the other sizes make it; so is the width."""
    output_width: int = 0

    def __post_init__(self) -> None:
        """Refuse a kernel that its image does not hold, and channels that do not split."""
        super().__post_init__()
        if min(self.output) < 1:
            limit = f"does not fit into {self.height} by {self.width}"
            raise InvalidFieldError("convolution.kernel", self.kernel, limit)
        for name in ("inputs", "outputs"):
            if getattr(self, name) % self.groups:
                limit = f"does not divide the {name}, {getattr(self, name)}"
                raise InvalidFieldError("convolution.groups", self.groups, limit)

    @property
    def taps(self) -> int:
        """Return the kernel's area."""
        return self.kernel * (self.kernel_width or self.kernel)

    @property
    def output(self) -> tuple[int, int]:
        """Return the height and width of what comes out."""
        around = 2 * self.padding
        height = (self.height + around - self.kernel) // self.stride + 1
        width = (self.width + around - (self.kernel_width or self.kernel)) // self.stride + 1
        return self.output_height or height, self.output_width or width


class Attention(_Layer, frozen=True, kw_only=True, tag="attention"):
    """Scores, softmax and context of all heads; its projections are linear layers of their own."""

    heads: int
    sequence: int
    head_width: int
    flash: bool = False


class Elementwise(_Layer, frozen=True, kw_only=True, tag="elementwise"):
    """Anything that reads and writes each element once or a few times: activations, additions."""

    elements: int
    reads: int = 1
    writes: int = 1


class Normalisation(_Layer, frozen=True, kw_only=True, tag="normalisation"):
    """A batch or layer normalisation."""

    elements: int
    parameters: int = 1


class Embedding(_Layer, frozen=True, kw_only=True, tag="embedding"):
    """Rows looked up in a table of parameters."""

    vocabulary: int
    width: int
    lookups: int = 1


Layer = Linear | Matmul | Convolution | Attention | Elementwise | Normalisation | Embedding
