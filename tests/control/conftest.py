"""Servers for each test, ended with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noljima.control.askers import Askers
from noljima.control.server import Limits
from noljima.testing.parrot import Running


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """Give what makes servers."""
    running: list[Running] = []
    with tempfile.TemporaryDirectory(prefix="noljima-") as folder:

        def make(
            limits: Limits | None = None, askers: Askers | None = None, name: str = "control"
        ) -> Running:
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            running.append(Running(path, limits or Limits(), askers or Askers()))
            return running[-1]

        yield make
        for each in running:
            each.close()
