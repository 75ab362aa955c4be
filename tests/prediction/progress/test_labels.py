"""The words beside a bar, understood: training, evaluation, something else, or nothing said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.prediction.progress.labels import Label, Role, understood


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("Epoch 3", Label(Role.TRAIN, 3)),
        ("Epoch 3/10", Label(Role.TRAIN, 3, 10)),
        ("epoch: 3 of 10", Label(Role.TRAIN, 3, 10)),
        ("Train Epoch [2/5]", Label(Role.TRAIN, 2, 5)),
        ("Epoch #0", Label(Role.TRAIN, 0)),
        ("[train] step", Label(Role.TRAIN)),
        ("Epochs", Label(Role.TRAIN, over_epochs=True)),
    ],
)
def test_training(words: str, label: Label) -> None:
    assert understood(words) == label


@pytest.mark.parametrize(
    "words",
    [
        *("Validation DataLoader 0", "Sanity Checking", "Testing DataLoader 0", "Evaluating"),
        *("val", "val_loader", "Epoch 3 [valid]", "Predicting DataLoader 0", "dev set", "test"),
    ],
)
def test_evaluations(words: str) -> None:
    assert understood(words).role is Role.EVALUATE


@pytest.mark.parametrize(
    "words",
    [
        *("Downloading", "Map (num_proc=4)", "Loading checkpoint shards", "Tokenizing train set"),
        *("Generating train split", "Saving the dataset", "Filter", "Preprocessing"),
    ],
)
def test_work_that_is_no_training(words: str) -> None:
    assert understood(words).role is Role.OTHER


@pytest.mark.parametrize("words", ["", "outer", "interval", "latest", "Maple", "reload er"])
def test_words_that_say_nothing(words: str) -> None:
    assert understood(words) == Label(Role.UNKNOWN)


@given(st.text())
def test_any_words_have_some_meaning(words: str) -> None:
    assert understood(words).role in Role
