"""What a spec may say: legal ones pass, and a refusal names field, value and limit."""

from __future__ import annotations

import msgspec
import pytest

from noljima.prediction.analytic.spec import Training

TRANSFORMER = {
    "family": "transformer",
    "layers": 4,
    "hidden": 256,
    "heads": 8,
    "sequence": 128,
    "vocabulary": 1000,
}
RUN = {"batch": 8, "steps": 10}


def training(**parts: dict[str, object]) -> Training:
    return msgspec.convert({"model": TRANSFORMER, "run": RUN, **parts}, Training)


def test_a_spec_needs_a_model_a_batch_and_a_length() -> None:
    found = training()

    assert found.run.batch == 8
    assert found.parallel.gpus == 1
    assert (found.input, found.evaluation, found.checkpoint) == (None, None, None)


@pytest.mark.parametrize(
    "model",
    [
        {"family": "convnet", "network": "resnet50"},
        {"family": "dense", "parameters": 1e9, "sequence": 2048},
        {
            "family": "layers",
            "layers": [
                {"type": "linear", "inputs": 10, "outputs": 10},
                {"type": "attention", "heads": 2, "sequence": 8, "head_width": 4, "repeat": 3},
                {"type": "elementwise", "elements": 100},
                {"type": "normalisation", "elements": 100},
                {"type": "embedding", "vocabulary": 10, "width": 4},
                {"type": "matmul", "rows": 1, "depth": 2, "columns": 3},
                {
                    "type": "convolution", "inputs": 3, "outputs": 8, "height": 9, "width": 9,
                    "kernel": 3,
                },
            ],
        },
    ],
)  # fmt: skip
def test_every_family_can_be_declared(model: dict[str, object]) -> None:
    assert training(model=model).model is not None


@pytest.mark.parametrize(
    ("part", "changed", "words"),
    [
        ("model", {"layers": 0}, "model.layers: 0 is outside 1 to 10,000"),
        ("model", {"hidden": 10**9}, "model.hidden: 1000000000 is outside 1 to 1,000,000"),
        ("model", {"hidden": 255}, "model.hidden: 255 is not a multiple of heads, 8"),
        ("model", {"key_value_heads": 9}, "model.key_value_heads: 9 is outside 0 to 8"),
        ("model", {"sequence": -1}, "model.sequence: -1 is outside"),
        ("model", {"widht": 1}, "unknown field `widht`"),
        ("model", {"family": "lstm"}, "Invalid value 'lstm'"),
        ("run", {"batch": 0}, "run.batch: 0 is outside 1 to 100,000,000"),
        ("run", {"micro_batch": 9}, "run.micro_batch: 9 is outside 0 to 8"),
        ("run", {"steps": float("nan")}, "run.steps: nan is outside"),
        ("run", {"steps": float("inf")}, "run.steps: inf is outside"),
        ("run", {"steps": -1}, "run.steps: -1.0 is outside"),
        ("run", {"tokens": 1e9}, "run: .*needs one of steps, epochs and tokens"),
        ("run", {"steps": None}, "run: .*needs one of steps, epochs and tokens"),
        ("run", {"steps": None, "epochs": 3}, "run.epochs: 3.0 needs the samples of run.dataset"),
        ("run", {"precision": "fp7"}, "Invalid enum value 'fp7'"),
        ("run", {"startup_s": -1}, "run.startup_s: -1.0 is outside"),
        ("parallel", {"tensor": 3}, "parallel.tensor: 3 does not divide the 8 heads"),
        ("parallel", {"pipeline": 5}, "parallel.pipeline: 5 is outside 1 to 4"),
        ("parallel", {"interleave": 2}, "parallel.interleave: 2 needs a pipeline of several"),
        ("parallel", {"pipeline": 4, "interleave": 2}, "parallel.interleave: 2 needs"),
        ("parallel", {"data": 9}, "parallel.data: 9 is more than run.batch, 8"),
        ("parallel", {"zero": 4}, "parallel.zero: 4 is outside 0 to 3"),
        ("parallel", {"overlap": 1.5}, "parallel.overlap: 1.5 is outside 0 to 1"),
        ("parallel", {"data": 10**7}, "parallel.data: 10000000 is outside"),
        ("site", {"gpus_per_node": 0}, "site.gpus_per_node: 0 is outside 1 to 64"),
        ("input", {"samples_per_s": 0}, "input.samples_per_s: 0.0 is outside"),
        ("evaluation", {"every_steps": 0, "steps": 1}, "evaluation.every_steps: 0.0 is outside"),
        ("checkpoint", {"every_steps": 1, "bytes_per_s": 0}, "checkpoint.bytes_per_s: 0.0 is"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    part: str, changed: dict[str, object], words: str
) -> None:
    usual: dict[str, dict[str, object]] = {"model": {**TRANSFORMER}, "run": {**RUN}}

    with pytest.raises(msgspec.ValidationError, match=words):
        training(**{part: {**usual.get(part, {}), **changed}})


def test_only_a_transformer_is_split_by_layers_or_inside_them() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"parallel.tensor: 2 needs a transformer"):
        training(
            model={"family": "convnet", "network": "resnet50"},
            parallel={"tensor": 2},
        )
