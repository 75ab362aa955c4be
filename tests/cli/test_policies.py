"""`noljima policies` tells of everything that can be chosen."""

from __future__ import annotations

from collections.abc import Callable

from click.testing import Result

from noljima.policy import presets
from noljima.prediction import sources

Run = Callable[..., Result]


def test_every_policy_and_every_source_has_its_line(noljima: Run) -> None:
    result = noljima("policies")
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]

    assert result.exit_code == 0
    for name in presets.NAMES:
        assert [name, presets.describe(name)] in lines
    for name in sources.NAMES:
        assert [name, sources.describe(name)] in lines
