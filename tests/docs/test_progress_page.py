"""The Python on the page on progress runs, with stand-ins for the frameworks, and reports."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from noljima import progress
from noljima.model.phase import Phase
from noljima.prediction.progress import report
from noljima.prediction.progress.observation import Observation

PAGE = Path(__file__).parents[2] / "docs" / "progress.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Observation]:
    """Collect what is reported: all of it, however soon."""
    found: list[Observation] = []
    path = tmp_path / "progress"
    monkeypatch.setenv(progress.VARIABLE, str(path))
    monkeypatch.setattr(progress, "INTERVAL_S", 0.0)
    monkeypatch.setattr(progress, "_told_s", -math.inf)
    really = progress.report

    def reported(*given: Any, **named: Any) -> bool:  # noqa: ANN401 - passed on
        written = really(*given, **named)
        last = report.latest(path.read_bytes())
        assert written
        assert last is not None
        found.append(last)
        return written

    monkeypatch.setattr(progress, "report", reported)
    return found


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, told: list[Observation]) -> dict[str, Any]:
    """Run all Python of the page, where each framework is only what its callbacks begin with."""
    assert told == []

    class Callback:
        """What the page's classes inherit from."""

    for name in ("keras", "lightning", "lightning.pytorch", "lightning.pytorch.callbacks"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    vars(sys.modules["keras"])["callbacks"] = SimpleNamespace(Callback=Callback)
    vars(sys.modules["lightning.pytorch.callbacks"])["Callback"] = Callback
    transformers = ModuleType("transformers")
    vars(transformers)["TrainerCallback"] = Callback
    monkeypatch.setitem(sys.modules, "transformers", transformers)
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    return names


def test_a_bare_loop(page: dict[str, Any], told: list[Observation]) -> None:
    class Loss(float):
        def backward(self) -> None:
            """Learn nothing."""

    optimizer = SimpleNamespace(step=lambda: None, zero_grad=lambda: None)
    page["train"](Loss, [0.5, 0.25], optimizer, 3)

    assert [one.fraction for one in told] == pytest.approx([n / 6 for n in range(1, 7)])
    assert told[-1].loss == 0.25


def test_keras(page: dict[str, Any], told: list[Observation]) -> None:
    callback = page["Report"]()
    callback.params = {"steps": 4, "epochs": 2}
    callback.on_test_begin()
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for batch in range(4):
            callback.on_train_batch_end(batch)
        callback.on_test_begin()

    trained = [one.fraction for one in told if one.phase is Phase.TRAIN]
    assert trained == [n / 8 for n in range(1, 9)]
    assert [one.fraction for one in told if one.phase is Phase.EVALUATE] == [0.5, 1.0]


def test_lightning(page: dict[str, Any], told: list[Observation]) -> None:
    callback = page["ReportSteps"]()
    trainer = SimpleNamespace(global_step=0, estimated_stepping_batches=4, sanity_checking=True)
    callback.on_validation_start(trainer, None)
    trainer.sanity_checking = False
    callback.on_train_start(trainer, None)
    for _ in range(4):
        trainer.global_step += 1
        callback.on_train_batch_end(trainer, None, None, None, 0)
    callback.on_validation_start(trainer, None)

    assert [one.fraction for one in told] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert told[-1].phase is Phase.EVALUATE


def test_the_trainer(page: dict[str, Any], told: list[Observation]) -> None:
    callback = page["ReportToScheduler"]()
    state = SimpleNamespace(global_step=5, max_steps=10)
    callback.on_step_end(None, state, None, model=None)
    callback.on_prediction_step(None, state, None)
    callback.on_save(None, state, None)

    assert [one.phase for one in told] == [Phase.TRAIN, Phase.EVALUATE, Phase.CHECKPOINT]
    assert {one.fraction for one in told} == {0.5}


def test_the_line_on_the_page_is_a_report_and_every_field_is_in_its_table() -> None:
    (line,) = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    table = TEXT.partition("| field | |")[2].partition("\n\n")[0]

    assert report.parse(line).fraction == pytest.approx(0.112)
    for field in {*json.loads(line), *Observation.__struct_fields__}:
        assert f"`{field}`" in table


def test_every_version_on_the_page_has_its_sample() -> None:
    samples = PAGE.parents[1] / "tests" / "prediction" / "progress" / "samples"
    versions = {path.name.split("-")[1].rpartition(".")[0] for path in samples.glob("*-*.log")}
    rows = TEXT.partition("| program | what is read")[2].partition("\n\n")[0]
    programs = " ".join(re.findall(r"^\| ([^|]*) \|", rows, re.MULTILINE))

    assert set(re.findall(r"\b\d+\.\d+\b", programs)) == {
        ".".join(v.split(".")[:2]) for v in versions
    }
