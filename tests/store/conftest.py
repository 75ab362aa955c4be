"""Folders for states, and states that are closed when a test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noljima.store.state import Sizes, State
from noljima.testing.day import header

SMALL = Sizes(reserve_bytes=1 << 16, room_bytes=0)
"""A reserve that is made in no time."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where a state is to be."""
    return tmp_path / "state"


@pytest.fixture
def begin(folder: Path) -> Iterator[Callable[[], State]]:
    """Return what begins a state in the folder; it is closed in the end."""
    begun: list[State] = []

    def create() -> State:
        begun.append(State.create(folder, header(), sizes=SMALL))
        return begun[-1]

    yield create
    for state in begun:
        state.close()


@pytest.fixture
def reopen(folder: Path) -> Iterator[Callable[[], State]]:
    """Return what opens the state in the folder; it is closed in the end."""
    opened: list[State] = []

    def open_() -> State:
        opened.append(State.open(folder, sizes=SMALL))
        return opened[-1]

    yield open_
    for state in opened:
        state.close()
