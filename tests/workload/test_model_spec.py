"""Declared jobs from files: read as written, or refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic.layers import Linear
from noljima.prediction.analytic.spec import Convnet, Declared
from noljima.workload.model_spec import model_json, read_training

WriteFile = Callable[..., Path]

SPEC = """
name = "mine"
[model]
family = "convnet"
network = "resnet18"
[run]
batch = 32
steps = 1_000
[site]
gpu = "T4"
"""


def test_a_spec_is_read_from_toml(write_file: WriteFile) -> None:
    found = read_training(write_file(SPEC, ".toml"))

    assert (found.name, found.run.batch, found.run.steps) == ("mine", 32, 1000.0)
    assert isinstance(found.model, Convnet)


def test_a_spec_is_read_from_json(write_file: WriteFile) -> None:
    text = '{"model": {"family": "dense", "parameters": 1e9}, "run": {"batch": 1, "steps": 1}}'

    assert read_training(write_file(text, ".json")).run.batch == 1


def test_a_model_may_lie_in_a_file_of_its_own(tmp_path: Path) -> None:
    model = Declared(layers=(Linear(inputs=10, outputs=20),), parameters=220.0, kept_bytes=40.0)
    (tmp_path / "model.json").write_bytes(model_json(model))
    spec = tmp_path / "job.toml"
    spec.write_text('[model]\nfile = "model.json"\n[run]\nbatch = 1\nsteps = 1\n')

    assert read_training(spec).model == model


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be used: Object missing required field `model`"),
        ("[model", "cannot be read: "),
        (b"\xff\xfe\x00", "cannot be read: "),
        (SPEC.replace("32", "0"), r"run.batch: 0 is outside 1 to 100,000,000 - at `\$.run`"),
        (SPEC.replace("batch", "bach"), "unknown field `bach`"),
        (SPEC + "[extra]\n", "unknown field `extra`"),
        (SPEC.replace('family = "convnet"', 'file = "x"'), "model.file: 'x' has to be a file"),
        ("x = " + "[" * 50_000, "cannot be read: "),
    ],
)
def test_what_is_no_spec_is_refused(write_file: WriteFile, text: str | bytes, words: str) -> None:
    with pytest.raises(InvalidFieldError, match=words):
        read_training(write_file(text, ".toml"))


def test_deep_json_is_refused(write_file: WriteFile) -> None:
    with pytest.raises(InvalidFieldError, match="cannot be read"):
        read_training(write_file("[" * 100_000, ".json"))


def test_a_list_is_no_spec(write_file: WriteFile) -> None:
    with pytest.raises(InvalidFieldError, match="is not a table of fields"):
        read_training(write_file("[1, 2]", ".json"))


def test_a_huge_file_is_refused(write_file: WriteFile) -> None:
    with pytest.raises(InvalidFieldError, match="has more than 8,388,608 bytes"):
        read_training(write_file(b"#" * (1 << 23) + b"#", ".toml"))
