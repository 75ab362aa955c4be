"""The page of states draws the table and tells of every state."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from noljima.model.lifecycle import State, diagram

PAGE: Final = (Path(__file__).parents[2] / "docs" / "states.md").read_text()


def test_the_drawing_is_the_one_that_is_made_from_the_table() -> None:
    assert f"```mermaid\n{diagram()}\n```" in PAGE


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_paragraph(state: State) -> None:
    heads = [line.split("**")[1] for line in PAGE.splitlines() if line.startswith("**")]

    assert state in {name for head in heads for name in head.rstrip(".").split(", ")}
