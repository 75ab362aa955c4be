"""Amounts in words: one thing is one, everything else is several."""

from __future__ import annotations

import pytest

from noljima.model.amounts import cpus, fit, gpus, several, thousandths


@pytest.mark.parametrize(
    ("milli", "text"),
    [
        (1000, "1 GPU"),
        (0, "0 GPUs"),
        (500, "0.5 GPUs"),
        (12_000, "12 GPUs"),
        (100_000, "100 GPUs"),
        (1125, "1.125 GPUs"),
        (10**7, "10,000 GPUs"),
    ],
)
def test_gpus_are_written_as_people_do(milli: int, text: str) -> None:
    assert gpus(milli) == text
    assert cpus(milli) == text.replace("GPU", "CPU")
    assert text.startswith(f"{thousandths(milli)} ")


def test_one_is_one_and_all_else_is_several() -> None:
    assert [several(count, "job") for count in (0, 1, 2, 1500)] == [
        "0 jobs",
        "1 job",
        "2 jobs",
        "1,500 jobs",
    ]
    assert [fit(count) for count in (0, 1, 1500)] == ["0 fit", "1 fits", "1,500 fit"]
