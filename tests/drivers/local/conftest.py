"""A workshop for each test that runs jobs; what is left of it fails the test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from noljima.testing.workshop import Workshop


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    """Give a workshop with the control groups that this machine lets us have."""
    yield from _workshop(cgroups=True)


@pytest.fixture(params=["cgroups", "no cgroups"])
def any_workshop(request: pytest.FixtureRequest) -> Iterator[Workshop]:
    """Give a workshop with control groups, then one without."""
    yield from _workshop(cgroups=request.param == "cgroups")


def _workshop(*, cgroups: bool) -> Iterator[Workshop]:
    # Not below pytest's own folder, which other users cannot go through.
    state = Path(tempfile.mkdtemp(prefix="noljima-test-", dir="/tmp"))
    state.chmod(0o711)
    made = Workshop(state, cgroups=cgroups)
    try:
        yield made
        assert made.left() == []
    finally:
        made.clear()
        # A test may have gone deeper.
        shutil.rmtree(state, ignore_errors=True)
