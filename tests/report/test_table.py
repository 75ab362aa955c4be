"""The comparison of runs, in a terminal and without one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from noljima.report import table
from noljima.report.catalogue import Value

FAIR: dict[str, Value] = {
    "policy": "fair",
    "estimates": "history",
    "jobs": 28481,
    "mean_wait_s": 6837.0,
    "mean_bounded_slowdown": 92.58,
    "utilisation": 0.642,
    "order_violations": 0,
    "mean_lateness_s": None,
}
FIFO: dict[str, Value] = FAIR | {"policy": "fifo", "mean_wait_s": 9000.0, "utilisation": 0.7}


def printed(runs: list[dict[str, Value]], *, width: int, terminal: bool = True) -> str:
    out = io.StringIO()
    table.show(
        runs, Console(file=out, width=width, force_terminal=terminal, color_system="standard")
    )
    return out.getvalue()


def test_two_policies_stand_side_by_side_with_a_line_for_each_figure() -> None:
    shown = printed([FAIR, FIFO], width=100)

    assert "Mean wait" in shown
    assert "1 h 54 min" in shown
    assert "64.2 %" in shown
    assert "28\u202f481" in shown
    assert any("fair" in line and "fifo" in line for line in shown.splitlines())


def test_the_best_of_each_figure_is_bold() -> None:
    shown = printed([FAIR, FIFO], width=100)

    assert "\x1b[1m1 h 54 min" in shown
    assert "    70.0 %" in shown
    assert "\x1b[1m    70.0 %" in shown


def test_where_columns_are_too_wide_policies_become_rows() -> None:
    runs = [FAIR | {"policy": f"policy-{number}"} for number in range(12)]
    shown = printed(runs, width=90)

    assert all(
        any(line.strip().startswith(f"policy-{n} ") for line in shown.splitlines())
        for n in range(12)
    )
    assert "…" not in shown


def test_a_figure_that_no_run_knows_has_no_line() -> None:
    assert "Mean lateness" not in printed([FAIR, FIFO], width=100)


def test_without_a_terminal_the_table_is_plain_uncut_text() -> None:
    runs = [FAIR | {"policy": f"a-rather-long-policy-name-{number}"} for number in range(9)]
    shown = printed(runs, width=80, terminal=False)

    assert shown.isascii()
    assert "a-rather-long-policy-name-8" in shown.splitlines()[0]
    assert "28,481" in shown


def test_plain_text_marks_the_best_with_an_asterisk_and_lines_up() -> None:
    lines = table.plain([FAIR, FIFO]).splitlines()
    wait = next(line for line in lines if line.startswith("Mean wait"))

    assert wait.split("  ")[-2:] == ["1 h 54 min*", "2 h 30 min"]


def test_markup_in_a_policy_name_is_shown_and_not_obeyed() -> None:
    assert "[red]x[/red]" in printed([FAIR | {"policy": "[red]x[/red]"}], width=100)


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = printed([FAIR, FIFO], width=100)

    assert "\x1b[3" not in shown
    assert "\x1b[9" not in shown
