"""Traits of the GPU types that others have measured, and what those types have in common.

Written by `python -m bench.analytic --fit`; do not edit. Fitted on 21,715 fp32 matrix products of
8 GPU types that the authors of NeuSight published (Lee, Phanishayee and Mahajan, ASPLOS 2025,
tables `op_test_linear` and `op_test_bmm`): at most 300 of each type and kind, drawn with seed
0. What they reach of them in the tables' other rows is in docs/analytic.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from noljima.prediction.analytic.fitting import Population
from noljima.prediction.analytic.traits import Shared, Traits

SHARED: Final = Shared(0.7044, 2.4336, 1.6115, 0.6892, 0.4705, 0.5807)
POPULATION: Final = Population(
    Traits(-0.3452, -1.9772, -10.9180, -0.3023, -2.1958, 20.0035, -0.0342, -0.3000, 0.2554, 0.4761),
    Traits(0.3743, 0.7513, 0.3840, 0.3143, 1.3331, 0.4782, 0.1191, 0.0667, 0.2611, 0.3018),
    SHARED,
)
TRAITS: Final[Mapping[str, Traits[float]]] = {
    "A100-40GB-PCIe": Traits(
        -0.1498, -2.0356, -10.7579, -0.4261, -2.2098, 19.7810, 0.0302, -0.3000, 0.7067, 0.6965
    ),
    "A100-80GB-PCIe": Traits(
        -0.0493, -1.6598, -10.8445, -0.4341, -2.2715, 19.8169, 0.0201, -0.3000, 0.7270, 0.7403
    ),
    "H100": Traits(
        -0.2791, -1.3825, -10.8449, -0.8418, -4.0864, 19.6008, 0.0223, -0.3000, 0.1191, 0.1151
    ),
    "L4": Traits(
        -1.1852, -3.4389, -11.3361, -0.4131, -3.6263, 20.4218, -0.1475, -0.3000, 0.1516, 0.6112
    ),
    "P100": Traits(
        -0.2085, -1.8089, -10.8615, 0.3810, 0.1122, 20.0689, 0.1290, -0.3000, 0.1052, 0.7243
    ),
    "P4": Traits(
        -0.1602, -1.2524, -11.6322, -0.3405, -0.4642, 20.5199, -0.2691, -0.3000, 0.1605, 0.7921
    ),
    "T4": Traits(
        -0.6897, -2.9568, -10.7029, -0.0986, -2.9605, 19.2545, -0.0206, -0.3000, 0.1004, 0.1873
    ),
    "V100": Traits(
        -0.0396, -1.2826, -10.3643, -0.2452, -2.0597, 20.5641, -0.0377, -0.3000, -0.0275, -0.0581
    ),
}
