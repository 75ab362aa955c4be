"""The policy `slowdown` on real logs, nothing evictable: the mean is won, the longest not lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import frontier
from bench.frontier import Log

pytestmark = [pytest.mark.slow, pytest.mark.traces, pytest.mark.timeout(600)]


@pytest.mark.skipif(
    not frontier.TRACES.is_dir(), reason=f"the real traces are not at {frontier.TRACES}"
)
@pytest.mark.parametrize(("log", "mean_max"), [(frontier.KTH, 58.0), (frontier.SDSC, 76.0)])
def test_the_mean_is_far_below_that_of_easy_and_nobody_waits_longer(
    log: Log, mean_max: float
) -> None:
    mine, theirs = frontier.ours(log, frontier.STANDARD), frontier.easy(log)

    assert mine.mean <= mean_max < theirs.mean
    assert mine.wait_s <= theirs.wait_s
    assert mine.longest <= theirs.longest


@pytest.mark.skipif(
    not frontier.TRACES.is_dir(), reason=f"the real traces are not at {frontier.TRACES}"
)
def test_the_page_says_what_was_measured() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")

    for line in frontier.settings(["as it is"]):
        assert line in page
