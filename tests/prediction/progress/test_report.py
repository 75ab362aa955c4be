"""The file that a job writes of itself: checked, capped, and read while it is being written."""

from __future__ import annotations

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import STEPS_MAX, InvalidFieldError
from noljima.model.phase import Phase
from noljima.prediction.progress import report
from noljima.prediction.progress.observation import Observation


def test_a_report_says_step_and_total_epoch_and_phase() -> None:
    line = (
        '{"step": 120, "total": 1000, "epoch": 2, "epochs": 10, "phase": "evaluate", "loss": 0.3}'
    )
    told = report.parse(line)

    assert told == Observation(
        step=120, total=1000, epoch=2, epochs=10, phase=Phase.EVALUATE, loss=0.3
    )
    assert told.place() == (1120, 10_000)
    assert told.fraction == pytest.approx(0.112)


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("", Phase.TRAIN),
        ("Training", Phase.TRAIN),
        ("checkpoint", Phase.CHECKPOINT),
        ("download", Phase.EVALUATE),
        ("waiting for data", Phase.EVALUATE),
    ],
)
def test_a_phase_in_a_word_of_its_own_is_something_that_the_steps_wait_for(
    word: str, phase: Phase
) -> None:
    told = report.parse(f'{{"step": 3, "phase": "{word}"}}')

    assert (told.step, told.phase) == (3.0, phase)


def test_without_epochs_steps_are_of_the_whole_job() -> None:
    told = report.parse(b'{"step": 3, "total": 4}')

    assert (told.place(), told.fraction) == ((3, 4), 0.75)


def test_a_step_beyond_the_total_is_an_over_run_and_no_mistake() -> None:
    assert report.parse('{"step": 11, "total": 10}').fraction == pytest.approx(1.1)


def test_unknown_fields_are_passed_over_and_nulls_are_absent() -> None:
    told = report.parse('{"step": 1, "total": null, "learning_rate": 1e-3, "epoch": null}')

    assert told == Observation(step=1)


@pytest.mark.parametrize(("word", "loss"), [("nan", math.nan), ("inf", math.inf)])
def test_a_loss_that_is_no_number_is_told_as_a_word(word: str, loss: float) -> None:
    told = report.parse(f'{{"step": 1, "loss": "{word}"}}')

    assert repr(told.loss) == repr(loss)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "[]",
        "3",
        '{"step": "1"}',
        '{"step": true}',
        '{"step": null}',
        '{"step": -1}',
        '{"step": NaN}',
        '{"step": Infinity}',
        '{"step": 1e400}',
        '{"step": 1e16}',
        '{"step": 1, "total": -5}',
        '{"step": 1, "total": NaN}',
        '{"step": 1, "epoch": -1}',
        '{"step": 1, "epochs": 3}',
        '{"step": 1, "phase": 3}',
        '{"step": 1, "phase": "' + "x" * 65 + '"}',
        '{"step": 1, "loss": NaN}',
        '{"step": 1, "loss": "low"}',
        '{"step": 1, "step_s": -1}',
        '{"step": 1, "total": 1e15, "epoch": 1e9, "epochs": 1e9}',
        '{"step": 1, "unit": "' + "x" * 33 + '"}',
        '{"step": 1, "x": "' + "x" * 5000 + '"}',
        '{"step": 1, "x": ' + "[" * 2000 + "]" * 2000 + "}",
        '{"step": 1} {"step": 2}',
    ],
)
def test_what_is_no_report_is_refused_in_words(line: str) -> None:
    with pytest.raises(InvalidFieldError, match="progress"):
        report.parse(line)


@given(line=st.one_of(st.binary(max_size=300), st.text(max_size=300)))
def test_anything_is_read_or_refused(line: bytes | str) -> None:
    with suppress(InvalidFieldError):
        report.parse(line)


@given(
    step=st.floats(),
    total=st.one_of(st.none(), st.floats()),
    epoch=st.one_of(st.none(), st.floats()),
    epochs=st.one_of(st.none(), st.floats()),
)
def test_what_is_read_is_finite_and_within_the_caps(
    step: float, total: float | None, epoch: float | None, epochs: float | None
) -> None:
    fields = {"step": step, "total": total, "epoch": epoch, "epochs": epochs}
    try:
        told = report.parse(json.dumps(fields))
    except InvalidFieldError:
        return
    place = told.place()
    assert 0.0 <= told.step <= STEPS_MAX
    assert place is None or 0.0 <= place[0] <= STEPS_MAX
    assert told.fraction is None or told.fraction >= 0.0


def test_the_last_whole_report_of_a_file_counts() -> None:
    added_to = b'{"step": 1}\n{"step": 2}\n\n{"step": 3, "to'

    assert report.latest(b'{"step": 7}') == Observation(step=7)
    assert report.latest(added_to) == Observation(step=2)
    assert report.latest(b'{"step": 5}\nnot a report\n') == Observation(step=5)
    assert report.latest(b"") is None
    assert report.latest(b"\xff\xfe\n{}") is None


def test_only_the_end_of_a_long_file_is_looked_at() -> None:
    junk = b"x" * report.TAIL_BYTES_MAX

    assert report.latest(b'{"step": 1}\n' + junk) is None
    assert report.latest(junk + b'\n{"step": 2}\n') == Observation(step=2)


@given(content=st.binary(max_size=500))
def test_no_content_breaks_it(content: bytes) -> None:
    report.latest(content)
