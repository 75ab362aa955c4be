"""Traits of the measured GPU types, and what those types have in common.

Written by `python -m bench.analytic --fit`; do not edit. Fitted on 21,715 fp32 matrix products of
8 GPU types that the authors of NeuSight published (Lee, Phanishayee and Mahajan, ASPLOS 2025,
tables `op_test_linear` and `op_test_bmm`): at most 300 of each type and kind, drawn with seed
0. The trait of matrix units is one number, from Megatron's eight published step times on A100
(Korthikanti et al., 2022). What they reach in all rows of the tables is in docs/analytic.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from noljima.prediction.analytic.fitting import Population
from noljima.prediction.analytic.traits import Shared, Traits

SHARED: Final = Shared(0.7822, 2.4449, 1.3863, 0.9440, 0.4830, 0.5943)
POPULATION: Final = Population(
    Traits(-0.3455, -2.1097, -10.8714, -0.2261, -2.2839, 20.0029, -0.0334, -0.1373, 0.2430, 0.4749),
    Traits(0.3754, 0.7334, 0.3544, 0.0639, 1.4078, 0.4608, 0.1158, 0.2000, 0.2676, 0.3010),
    SHARED,
)
TRAITS: Final[Mapping[str, Traits[float]]] = {
    "A100-40GB-PCIe": Traits(
        -0.1501, -2.1784, -10.7592, -0.2287, -2.2450, 19.7457, 0.0334, -0.1373, 0.7069, 0.6971
    ),
    "A100-80GB-PCIe": Traits(
        -0.0493, -1.7167, -10.8446, -0.2103, -2.2987, 19.8058, 0.0216, -0.1373, 0.7264, 0.7344
    ),
    "H100": Traits(
        -0.2819, -1.5311, -10.8174, -0.3384, -4.2050, 19.6888, 0.0096, -0.1373, 0.1208, 0.1166
    ),
    "L4": Traits(
        -1.1907, -3.4380, -11.1129, -0.2930, -4.0669, 20.3568, -0.1414, -0.1373, 0.0661, 0.6384
    ),
    "P100": Traits(
        -0.2019, -2.2724, -10.8034, -0.1408, 0.1070, 20.0429, 0.1256, -0.1373, 0.1018, 0.7229
    ),
    "P4": Traits(
        -0.1611, -1.3285, -11.5829, -0.2695, -0.4775, 20.5536, -0.2610, -0.1373, 0.1609, 0.7707
    ),
    "T4": Traits(
        -0.6875, -3.0539, -10.6922, -0.1588, -2.9960, 19.2935, -0.0259, -0.1373, 0.1020, 0.1764
    ),
    "V100": Traits(
        -0.0413, -1.3581, -10.3589, -0.1691, -2.0888, 20.5362, -0.0287, -0.1373, -0.0405, -0.0569
    ),
}
