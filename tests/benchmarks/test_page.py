"""What is measured comes onto the page, whatever it is."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from bench import curves, page, plans
from bench.machine import describe
from bench.row import Point, Result, Row

RATE = Row(section="Start", what="fast", values=(3.0, 1.0, 2.0), unit="a/s")
POINTS = [
    Point("nodes", series, size, size * factor)
    for series, factor in (("one & two", 1.0), ("three", 0.0))
    for size in (10, 1000, 100)
]


def report(*rows: Row) -> page.Report:
    return page.Report(machine=describe("a command"), result=Result(rows=list(rows)))


def replaced(**changes: object) -> Row:
    return msgspec.structs.replace(RATE, **changes)


def test_a_row_is_its_median_and_is_judged_by_it() -> None:
    assert RATE.value == 2.0
    assert RATE.met is None
    assert replaced(budget=2.0).met
    assert replaced(budget=1.9).met is False
    assert replaced(budget=2.1, at_least=True).met is False


def test_budgets_come_first_and_those_missed_are_named() -> None:
    late = replaced(what="late", budget=1.0)
    lines = list(page.table(report(RATE, late, replaced(what="kept", budget=2.0))))

    assert "1 of 2 are met. Missed: late." in lines
    assert "| late | 2 a/s (1 to 3, 3 runs) | ≤ 1 a/s | **missed** |" in lines
    assert lines.index("### Budgets") < lines.index("### Start")
    assert "| fast | 2 a/s (1 to 3, 3 runs) |  |" in lines


def test_what_is_left_out_or_failed_is_on_the_page() -> None:
    told = report()
    told.result.remarks.append("this")
    told.result.failures.append("that")
    lines = list(page.table(told))

    assert "Left out: this." in lines
    assert "**Failed:** that." in lines


def test_the_table_goes_between_the_marks_and_nowhere_else() -> None:
    text = f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n"

    assert page.filled(text, ["new"]) == text.replace("old", "new")
    with pytest.raises(ValueError, match="no place"):
        page.filled("no marks", ["new"])


def test_page_plots_and_figures_are_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "img").mkdir()
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results.json")
    page.PAGE.write_text(f"{page.BEGIN}\n{page.END}\n", encoding="utf-8")
    told = report(RATE)
    told.result.points += POINTS
    written = page.save(told)

    assert [path.name for path in written] == ["results.json", "page.md", "bench-nodes.svg"]
    assert "(img/bench-nodes.svg)" in page.PAGE.read_text(encoding="utf-8")
    assert msgspec.json.decode(page.RESULTS.read_bytes(), type=page.Report) == told


def test_a_curve_is_a_picture_with_a_line_for_each_series() -> None:
    drawing = curves.svg("a < b", "across", "up", POINTS)
    picture = ET.fromstring(drawing)  # noqa: S314 - ours
    space = "{http://www.w3.org/2000/svg}"

    assert len(picture.findall(f"{space}polyline")) == 2
    assert len(picture.findall(f"{space}circle")) == len(POINTS)
    assert "one & two" in [text.text for text in picture.findall(f"{space}text")]


def test_every_curve_that_is_measured_is_drawn() -> None:
    drawn: set[str] = set()
    for measurement in plans.measurements(quick=False):
        drawn.update(getattr(measurement.plan, "curves", ()))
        drawn.add(getattr(measurement.plan, "curve", "") or "jobs")

    assert drawn <= set(page.PLOTS)


def test_the_page_has_its_marks() -> None:
    text = page.PAGE.read_text(encoding="utf-8")

    assert page.filled(text, []).count("bench:") == 2
