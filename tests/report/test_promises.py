"""Figures on promises: each checked against a count by hand."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.engine.promises import Settled
from noljima.model.resources import JobId
from noljima.report import catalogue, promises
from noljima.report.promises import WINDOW


def settled(made_s: float, start_s: float, by_s: float, **more: float) -> Settled:
    return Settled(
        job=JobId(f"j{made_s:g}"),
        made_s=made_s,
        about_s=more.get("about_s", start_s),
        first_by_s=more.get("first_by_s", by_s),
        by_s=by_s,
        start_s=start_s,
        moves=int(more.get("moves", 0)),
    )


FOUR = (
    settled(0.0, 50.0, 50.0, about_s=60.0, first_by_s=90.0, moves=2),  # kept to the second
    settled(10.0, 61.0, 60.0, about_s=41.0, first_by_s=100.0, moves=1),  # the move was too bold
    settled(20.0, 90.0, 80.0, about_s=50.0, first_by_s=80.0),  # late from the beginning
    settled(30.0, 70.0, 110.0, about_s=70.0, first_by_s=110.0, moves=1),
)


def test_the_figures_are_what_one_counts_by_hand() -> None:
    assert promises.figures(FOUR) == {
        "promises.made": 4,
        "promises.kept": 2,
        "promises.share_kept": 0.5,
        "promises.first_kept": 0.75,
        "promises.lowest_window": 0.5,
        "promises.median_error_s": 15.0,
        "promises.median_wait_s": 50.5,
        "promises.median_width_s": 85.0,
        "promises.moves_mean": 1.0,
    }


def test_of_no_promises_at_all_nothing_is_known_but_their_number() -> None:
    found = promises.figures(())

    assert found["promises.made"] == found["promises.kept"] == 0
    others = [value for key, value in found.items() if key[9:] not in ("made", "kept")]
    assert all(math.isnan(value) for value in others)


def test_every_figure_is_in_the_catalogue_in_the_same_order() -> None:
    keys = [figure.key for figure in catalogue.FIGURES if figure.key.startswith("promises.")]

    assert list(promises.figures(FOUR)) == keys


def test_in_json_figures_with_a_point_stand_in_an_object_together() -> None:
    flat: dict[str, catalogue.Value] = {"a": 1, "p.x": 2, "b": None, "p.y": "z"}

    assert catalogue.nested(flat) == {"a": 1, "p": {"x": 2, "y": "z"}, "b": None}


def row_of(missed: set[int], count: int) -> tuple[Settled, ...]:
    return tuple(
        settled(float(place), place + 10.0, place + (5.0 if place in missed else 20.0))
        for place in range(count)
    )


def test_a_bad_stretch_shows_in_the_worst_window_and_not_in_the_mean() -> None:
    found = promises.figures(row_of(set(range(3000, 3100)), 10 * WINDOW))

    assert found["promises.share_kept"] == pytest.approx(0.98)
    assert found["promises.lowest_window"] == pytest.approx(1.0 - 100 / WINDOW)


@given(
    missed=st.sets(st.integers(0, 1199), max_size=300),
    count=st.integers(1, 1200),
    at_s=st.integers(-1, 1300),
)
def test_the_curve_tells_what_was_kept_of_the_last_ones_made_by_then(
    missed: set[int], count: int, at_s: int
) -> None:
    told = row_of(missed, count)
    made = [each.kept for each in told if each.made_s <= at_s]
    size = min(WINDOW, count)

    shown = promises.kept_by(told, np.array([float(at_s)]))[0]

    if len(made) < size:
        assert math.isnan(shown)
    else:
        assert shown == pytest.approx(np.mean(made[-size:]))


def test_the_file_has_a_row_for_each_promise() -> None:
    rows = list(csv.DictReader(io.StringIO(promises.text(FOUR))))

    assert [row["kept"] for row in rows] == ["1", "0", "0", "1"]
    assert rows[1] == {
        "job": "j10",
        "made_s": "10.0",
        "about_s": "41.0",
        "first_by_s": "100.0",
        "by_s": "60.0",
        "start_s": "61.0",
        "moves": "1",
        "kept": "0",
    }
