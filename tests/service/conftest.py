"""Premises for each test: a state folder, and schedulers on it in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from noljima.testing.premises import Premises
from noljima.testing.premises import premises as made


@pytest.fixture
def premises() -> Iterator[Premises]:
    """Give premises with a machine of eight virtual GPUs."""
    with made() as given:
        yield given
