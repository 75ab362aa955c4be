"""Number formats: how wide a value is, and which of a GPU's peaks its arithmetic can reach."""

from __future__ import annotations

import enum


class Precision(enum.StrEnum):
    """The format that a model's matrix products are computed in."""

    FP32 = "fp32"
    TF32 = "tf32"
    FP16 = "fp16"
    BF16 = "bf16"
    FP8 = "fp8"

    @property
    def element_bytes(self) -> int:
        """Bytes that a value takes in memory."""
        return _BYTES[self]

    @property
    def fallbacks(self) -> tuple[Precision, ...]:
        """Formats whose units do the work where a GPU has none for this one, best first."""
        return _FALLBACKS[self]


_BYTES = {
    Precision.FP32: 4,
    Precision.TF32: 4,
    Precision.FP16: 2,
    Precision.BF16: 2,
    Precision.FP8: 1,
}
# A GPU without bf16 units computes in fp32, one without fp8 units in fp16.
_FALLBACKS = {
    Precision.FP32: (Precision.FP32,),
    Precision.TF32: (Precision.TF32, Precision.FP32),
    Precision.FP16: (Precision.FP16, Precision.FP32),
    Precision.BF16: (Precision.BF16, Precision.FP32),
    Precision.FP8: (Precision.FP8, Precision.FP16, Precision.FP32),
}
