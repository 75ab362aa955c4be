"""Hypothesis profiles for all tests.

`quick` is the default and draws afresh in every run; `ci` draws the same in every run; `thorough`
looks twenty times longer: `pytest --hypothesis-profile=thorough`. A failure prints the values that
it was found with and a line that reproduces it.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A shared machine is sometimes slow: `pytest-timeout` catches what hangs, not each example.
_SLOW = (HealthCheck.too_slow,)

settings.register_profile(
    "quick", max_examples=50, deadline=None, print_blob=True, suppress_health_check=_SLOW
)
settings.register_profile("ci", settings.get_profile("quick"), derandomize=True)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=1000)
settings.load_profile("quick")


def pytest_report_header(config: pytest.Config) -> str:
    """Say how the examples of this run were drawn, so that it can be run again as it was."""
    profile = config.getoption("--hypothesis-profile") or "quick"
    seed = config.getoption("--hypothesis-seed")
    drawn = "the same in every run" if profile == "ci" else "drawn anew"
    return f"hypothesis: profile {profile}, seed {drawn if seed is None else seed}"
