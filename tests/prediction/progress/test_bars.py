"""One line at a time: the bars of tqdm, Keras, rich and the Trainer, and lines that are none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import STEPS_MAX
from noljima.prediction.progress.bars import Bar, Declared, Heading, Log, Style, read


def bar(line: str) -> Bar:
    found = read(line)
    assert isinstance(found, Bar), found
    return found


@pytest.mark.parametrize(
    ("line", "label", "counts", "rate"),
    [
        (
            "Epoch 3:  45%|████▌     | 450/1000 [00:32<00:40, 13.8it/s, v_num=0]",
            "Epoch 3",
            (450, 1000, 32),
            ("it", 1 / 13.8),
        ),
        (" 12%|█▏        | 120/1000 [00:10<01:10, 2.5s/it]", "", (120, 1000, 10), ("it", 2.5)),
        ("  0%|          | 0/30 [00:00<?, ?it/s]", "", (0, 30, 0), ("", None)),
        ("Sanity Checking: |      | 0/? [00:00<?, ?it/s]", "Sanity Checking", (0, None, 0), None),
        (
            " 35%|███▌      | 1.20k/3.40k [00:00<00:00, 3.98ksamples/s]",
            "",
            (1200, 3400, 0),
            ("samples", 1 / 3980),
        ),
        (
            "long:  13%|█▎| 130/1000 [27:46:40<185:53:50, 769.23s/it]",
            "long",
            (130, 1000, 100_000),
            ("it", 769.23),
        ),
        ("42it [00:05,  8.31it/s]", "", (42, None, 5), ("it", 1 / 8.31)),
        ("rows: 12 rows [1:00:05, ?rows/s]", "rows", (12, None, 3605), ("rows", None)),
        ("ascii:  40%|##8    | 8/20 [00:00<00:00, 20it/s, loss=0.5]", "ascii", (8, 20, 0), None),
        ("nobar:  30% 3/10 [00:00<00:01,  6.66it/s]", "nobar", (3, 10, 0), ("it", 1 / 6.66)),
        ("x: 100%|█| 5/5 [2 days, 1:00:00<00:00, 1.00s/it]", "x", (5, 5, 176_400), ("it", 1.0)),
        ("a|b:  50%|█▏| 1/2 [00:01<00:01, 1.00it/s]", "a|b", (1, 2, 1), ("it", 1.0)),
    ],
)
def test_tqdm(
    line: str,
    label: str,
    counts: tuple[float, float | None, float],
    rate: tuple[str, float | None] | None,
) -> None:
    found = bar(line)

    assert (found.style, found.label) == (Style.TQDM, label)
    assert (found.step, found.total, found.elapsed_s) == counts
    if rate is not None:
        assert found.unit == rate[0]
        assert found.step_s == (None if rate[1] is None else pytest.approx(rate[1]))


@pytest.mark.parametrize(
    ("line", "step", "total", "step_s"),
    [
        ("123/938 [==>...........................] - ETA: 4s - loss: 0.5", 123, 938, None),
        ("938/938 [==============================] - 5s 4ms/step - loss: 0.1", 938, 938, 0.004),
        ("123/938 [===>...] - ETA: 4s - 12ms/step", 123, 938, 0.012),
        ("1/Unknown - 0s 226ms/step - loss: 0.1", 1, None, 0.226),
        ("20/20 - 0s - loss: 0.18 - mae: 0.34 - 30ms/epoch - 1ms/step", 20, 20, 0.001),
        ("20/20 - 0s - 621us/step - loss: 0.1077", 20, 20, 621e-6),
        ("938/938 ━━━━━━━━━━━━━━━━━━━━ 5s 4ms/step - accuracy: 0.9", 938, 938, 0.004),
        ("3/20 ━━━━━━━━━━━━━━━━━━━━ 1:23 5s/step", 3, 20, 5.0),
        ("2/Unknown 0s 61ms/step - loss: 0.1", 2, None, 0.061),
    ],
)
def test_keras(line: str, step: float, total: float | None, step_s: float | None) -> None:
    found = bar(line)

    assert (found.style, found.label, found.step, found.total) == (Style.KERAS, "", step, total)
    assert found.step_s == (None if step_s is None else pytest.approx(step_s))


def test_rich() -> None:
    percent = bar("Training ━━━━╸━━━━━━━━━━━  23% 0:00:12")
    count = bar("Train  ━━━━━━━━╺━━━━━━━━  3/10 0:00:07 0:00:16")
    lightning = bar("Epoch 0/2  ━━━━━━╺━━━━━━ 10/20 0:01:00 • 0:00:30 29.04it/s loss: 0.5")

    assert percent[:4] == (Style.RICH, "Training", 23.0, 100.0)
    assert count[:5] == (Style.RICH, "Train", 3.0, 10.0, 7.0)
    assert lightning[:5] == (Style.RICH, "Epoch 0/2", 10.0, 20.0, 60.0)
    assert lightning.step_s == pytest.approx(1 / 29.04)
    assert lightning.last_epoch_named
    assert not count.last_epoch_named


@pytest.mark.parametrize(
    ("line", "item"),
    [
        ("Epoch 3/10", Heading(3, 10)),
        ("[INFO|trainer.py:123]   Num Epochs = 1,000", Declared(1000)),
        ("{'loss': 0.5, 'learning_rate': 5e-05, 'epoch': 0.12}", Log(0.12, evaluated=False)),
        ("{'loss': '0.5', 'epoch': '3'}", Log(3.0, evaluated=False)),
        ("{'eval_loss': 0.5, 'epoch': 1.0}", Log(1.0, evaluated=True)),
        ("{'loss': 0.5, 'epoch': 2e-05}", Log(2e-05, evaluated=False)),
    ],
)
def test_headings_and_figures(line: str, item: object) -> None:
    assert read(line) == item


@pytest.mark.parametrize(
    "line",
    [
        "",
        "loss 0.5 at step 3/10",
        "2024/05/06 [12:30] worker 3/8 is up",
        "Epoch 3/10 begins",
        "Epoch 3 of 10",
        "{'train_runtime': 2.2, 'epoch': 3.0}",
        "{'a': 1}",
        "━━━━━━━━━━━━━━━━━━━━",
        "╺━━━━━ heading ━━━━━╸",
        "https://example.org/1/2 [see]",
        "3/4 cups of flour",
        "12/938 [not a bar] - 3s",
        "Num Epochs = ,",
        "1/" + "9" * 30 + " [00:01<00:02, 1it/s]",
        "99999999999Y/99999999999Y [00:01<00:02, 1it/s]",
    ],
)
def test_other_lines_tell_nothing(line: str) -> None:
    assert read(line) is None


@given(
    line=st.one_of(
        st.text(max_size=200),
        st.text(st.sampled_from("0123456789/.?%|[]<:, kMsit━╸-=>Epoch'{}"), max_size=80),
    )
)
def test_no_line_breaks_it_and_numbers_are_counts(line: str) -> None:
    found = read(line)

    if isinstance(found, Bar):
        assert 0.0 <= found.step <= STEPS_MAX
        assert found.total is None or 0.0 <= found.total <= STEPS_MAX
        assert found.step_s is None or 0.0 <= found.step_s < math.inf
    elif isinstance(found, Log):
        assert 0.0 <= found.epoch < math.inf
