"""The documentation says what the code computes."""

from __future__ import annotations

from pathlib import Path

from noljima.report.catalogue import FIGURES

DOCS = Path(__file__).parents[2] / "docs" / "report.md"


def test_each_figure_stands_in_the_documentation_with_its_definition() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()

    for figure in FIGURES:
        assert f"| `{figure.key}` | {figure.label} | {figure.definition} |" in lines
