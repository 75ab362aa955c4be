"""Trees from LightGBM, trained in a process of their own; skipped where it is not installed."""

from __future__ import annotations

import importlib.util
import math

import pytest

from noljima import app
from noljima.model.bounds import InvalidFieldError
from noljima.telemetry.boosting import Boosted

INSTALLED = importlib.util.find_spec("lightgbm") is not None


def test_where_it_is_not_installed_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        InvalidFieldError, match=r"needs LightGBM: pip install 'noljima\[learned\]'"
    ):
        app.build_source("learned")


@pytest.mark.skipif(not INSTALLED, reason="LightGBM is not installed")
def test_it_learns_and_learns_the_same_again() -> None:
    told = []
    for _ in range(2):
        learner = Boosted(seed=3, every=400)
        assert learner.log_quantiles([0.0, math.nan]) is None
        for number in range(400):
            kind = float(number % 2)
            learner.learn([kind, math.nan], 3.0 + 4.0 * kind + 0.1 * (number % 5))
        told.append([learner.log_quantiles([kind, math.nan]) for kind in (0.0, 1.0)])

    assert told[0] == told[1]
    assert told[0][0] is not None
    assert told[0][1] is not None
    assert told[0][0][0] < 4.0 < told[0][1][0]
