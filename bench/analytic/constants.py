"""Fit on every measured table, and write the constants into the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.analytic import megatron, products
from bench.analytic.products import Measured
from noljima.prediction.analytic import fitting, gpus
from noljima.prediction.analytic.fitting import Fit

TARGET: Final = (
    Path(__file__).parents[2] / "src" / "noljima" / "prediction" / "analytic" / "fitted.py"
)

_HEADER: Final = '''"""Traits of the measured GPU types, and what those types have in common.

Written by `python -m bench.analytic --fit`; do not edit. Fitted on {rows:,} fp32 matrix products of
{types} GPU types that the authors of NeuSight published (Lee, Phanishayee and Mahajan, ASPLOS 2025,
tables `op_test_linear` and `op_test_bmm`): at most {sample} of each type and kind, drawn with seed
{seed}. The trait of matrix units is one number, from Megatron's eight published step times on A100
(Korthikanti et al., 2022). What they reach in all rows of the tables is in docs/analytic.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from noljima.prediction.analytic.fitting import Population
from noljima.prediction.analytic.traits import Shared, Traits
'''


def write(measured: Measured, target: Path = TARGET) -> None:
    """Fit all types together and write the module.

    The trait of matrix units is read from steps that are predicted with the module as it was: run
    it twice after a change of the other traits.
    """
    names = sorted(measured)
    fit = _with_tensor(products.fit(measured, names))
    target.write_text(_module(names, fit, sum(map(len, measured.values()))))


def _module(names: Sequence[str], fit: Fit, rows: int) -> str:
    found = fitting.population(fit)
    lines = [
        _HEADER.format(rows=rows, types=len(names), sample=products.SAMPLE, seed=products.SEED),
        f"SHARED: Final = Shared({_numbers(fit.shared)})",
        "POPULATION: Final = Population(",
        f"    Traits({_numbers(found.mean)}),",
        f"    Traits({_numbers(found.deviation)}),",
        "    SHARED,",
        ")",
        "TRAITS: Final[Mapping[str, Traits[float]]] = {",
        *(
            f'    "{name}": Traits({_numbers(traits)}),'
            for name, traits in zip(names, fit.traits, strict=True)
        ),
        "}",
        "",
    ]
    return "\n".join(lines)


def _with_tensor(fit: Fit) -> Fit:
    """Give all types the trait of matrix units that Megatron's steps on A100s tell."""
    tensor = megatron.tensor_trait(megatron.measured(), gpus.gpu(megatron.GPU))
    return fit._replace(traits=tuple(traits._replace(tensor=tensor) for traits in fit.traits))


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
