"""The documentation's example works, and its tables name what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from noljima.prediction.analytic import convnets, gpus
from noljima.prediction.analytic.forecast import forecast
from noljima.prediction.analytic.spec import (
    Evaluation,
    Input,
    Parallel,
    Run,
    Saving,
    Site,
    Training,
    Transformer,
)

DOCS = (Path(__file__).parents[3] / "docs" / "analytic.md").read_text(encoding="utf-8")


def test_the_example_is_a_job_with_a_forecast() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    found = forecast(msgspec.convert(tomllib.loads(example), Training))

    assert found.gpus == 16
    assert found.fits
    assert found.parameters == pytest.approx(1.3e9, rel=0.05)


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("model", Transformer),
        ("run", Run),
        ("parallel", Parallel),
        ("site", Site),
        ("input", Input),
        ("evaluation", Evaluation),
        ("checkpoint", Saving),
    ],
)
def test_every_field_stands_in_its_table(table: str, kind: type[msgspec.Struct]) -> None:
    (row,) = (line for line in DOCS.splitlines() if line.startswith(f"| `{table}`"))

    assert {f"`{name}`" for name in kind.__struct_fields__} <= set(re.findall(r"`\w+`", row))


def test_every_network_is_named() -> None:
    (row,) = (line for line in DOCS.splitlines() if line.startswith('| … `"convnet"`'))
    words = row.replace("vgg11/16/19", "vgg11 vgg16 vgg19").replace(
        "resnet18/34/50/101/152", "resnet18 resnet34 resnet50 resnet101 resnet152"
    )

    assert all(name in words for name in convnets.NAMES)


@pytest.mark.parametrize(
    "doubt",
    [gpus.DOUBT_CALIBRATED, gpus.DOUBT_MEASURED, gpus.DOUBT_KIN, gpus.DOUBT_AVERAGE],
)
def test_the_spreads_are_those_of_the_code(doubt: float) -> None:
    assert f"| {doubt:.2f} |" in DOCS
