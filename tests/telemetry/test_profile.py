"""Profiles: of small PyTorch models where there is PyTorch, and of answers that are none."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic.layers import Attention, Convolution, Embedding, Linear, Matmul
from noljima.telemetry import profile as profiles
from noljima.telemetry.profile import profile
from noljima.telemetry.sandbox import Limits, SandboxError

TOLD = {
    "format": 1,
    "batch": 4,
    "parameters": 110,
    "forward_flops": 800.0,
    "backward_flops": 1600.0,
    "kept_bytes": 320.0,
    "kernels": [
        ["linear", 4, 10, 10, 1],
        ["matmul", 8, 3, 4, 5, 2],
        ["convolution", 4, 3, 8, 16, 16, 3, 3, 1, 1, 16, 16, 1],
        ["attention", 4, 2, 16, 8, 1],
        ["elementwise", 41, 2, 3],
        ["norm", 40, 10, 1],
        ["embedding", 100, 8, 12, 1],
    ],
}

MODELS = """
import torch

def mlp():
    print("a model may print")
    first, last = torch.nn.Linear(784, 512), torch.nn.Linear(512, 10)
    return torch.nn.Sequential(first, torch.nn.ReLU(), last), torch.zeros(32, 784)

def network():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8),
                                torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return model, (torch.zeros(4, 3, 32, 32),)

class Looked(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(100, 16)
        self.layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    def forward(self, *, words):
        return {"out": [self.layer(self.table(words))]}

def words():
    return Looked(), {"words": torch.zeros(2, 8, dtype=torch.long)}

def huge():
    layers = [torch.nn.Linear(65536, 65536) for _ in range(4)]
    return torch.nn.Sequential(*layers), torch.zeros(1, 65536)

def alone():
    return torch.nn.Linear(1, 1)

def frozen():
    return torch.nn.Linear(2, 2).requires_grad_(False), torch.zeros(1, 2)

def online():
    import urllib.request
    urllib.request.urlopen("http://192.0.2.1", timeout=2)

def hang():
    while True:
        pass
"""

with_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="PyTorch is not installed: pip install 'noljima[torch]'",
)


@pytest.fixture
def answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a script in the probe's place that answers what is in a file."""
    script, answer = tmp_path / "probe.py", tmp_path / "answer"
    script.write_text(f"import sys; sys.stdout.write(open({str(answer)!r}).read())")
    monkeypatch.setattr(profiles, "_PROBE", script)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    return answer


def test_a_profile_is_for_one_sample_and_rounds_up(answered: Path, tmp_path: Path) -> None:
    answered.write_text(json.dumps(TOLD) + "\n")
    found = profile("mine:build", tmp_path, Limits())
    layers = found.model.layers

    assert (found.batch, found.parameters, found.forward_flops) == (4, 110, 800)
    assert (found.model.parameters, found.model.kept_bytes) == (110, 80)
    assert layers[0] == Linear(inputs=10, outputs=10, positions=1)
    assert layers[1] == Matmul(rows=3, depth=4, columns=5, batch=2, repeat=2)
    assert isinstance(layers[2], Convolution)
    assert layers[2].output == (16, 16)
    assert layers[3] == Attention(heads=2, sequence=16, head_width=8, flash=True)
    assert [layer.repeat for layer in layers] == [1, 2, 1, 1, 3, 1, 1]
    assert layers[6] == Embedding(vocabulary=100, width=8, lookups=3)


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"batch": 0},
        {"batch": "4"},
        {"parameters": -1},
        {"forward_flops": 1e300},
        {"kept_bytes": None},
        {"kernels": [["linear", 4, 10]]},
        {"kernels": [["linear", 4, 10, 10, 0]]},
        {"kernels": [["linear", 4, "10", 10, 1]]},
        {"kernels": [["linear", 4, 10**18, 10, 1]]},
        {"kernels": [["convolution", 4, 3, 8, 1, 1, 3, 3, 1, 2, 1, 1, 1]]},
        {"kernels": [[]]},
        {"kernels": [["rm -rf", 1]]},
        {"kernels": [["linear", 1, 1, 1, 1]] * 10_001},
        {"surprise": 1},
    ],
)
def test_an_answer_that_is_no_profile_is_refused(
    answered: Path, tmp_path: Path, changed: dict[str, object]
) -> None:
    answered.write_text(json.dumps({**TOLD, **changed}) + "\n")

    with pytest.raises(SandboxError, match="answered with something that is no profile"):
        profile("mine:build", tmp_path, Limits())


@pytest.mark.parametrize("garbage", ["nonsense\n", "[1]\n", "{}\n", "NaN\n", "\x00\n"])
def test_garbage_is_refused(answered: Path, tmp_path: Path, garbage: str) -> None:
    answered.write_text(garbage)

    with pytest.raises(SandboxError, match="answered with something that is no profile"):
        profile("mine:build", tmp_path, Limits())


@pytest.mark.parametrize("entry", ["", "build", "a:b:c", "a b:c", "../x:y", "x:-y"])
def test_what_is_no_entry_is_refused(entry: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidFieldError, match="is not like module:function"):
        profile(entry, tmp_path, Limits())


def test_without_pytorch_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(SandboxError, match=r"pip install 'noljima\[torch\]'"):
        profile("mine:build", tmp_path, Limits())


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    return tmp_path


@with_torch
def test_a_perceptron_has_its_products(models: Path) -> None:
    found = profile("models:mlp", models, Limits())

    assert found.batch == 32
    assert found.parameters == 785 * 512 + 513 * 10
    assert found.forward_flops == 2 * 32 * (784 * 512 + 512 * 10)
    linear = [layer for layer in found.model.layers if isinstance(layer, Linear)]
    assert [(layer.inputs, layer.outputs) for layer in linear] == [(784, 512), (512, 10)]
    # The input, the first layer's result and the activation's.
    assert found.kept_bytes == 4 * 32 * (784 + 512)


@with_torch
def test_a_network_has_its_convolution(models: Path) -> None:
    found = profile("models:network", models, Limits())
    convolutions = [layer for layer in found.model.layers if isinstance(layer, Convolution)]

    assert [(each.taps, each.output, each.repeat) for each in convolutions] == [(9, (32, 32), 1)]
    assert found.forward_flops == 2 * 4 * 32 * 32 * 8 * 3 * 9


@with_torch
def test_named_inputs_and_nested_results_work(models: Path) -> None:
    found = profile("models:words", models, Limits())

    assert any(isinstance(layer, Embedding) for layer in found.model.layers)
    assert found.backward_flops > found.forward_flops


@with_torch
def test_a_model_larger_than_memory_is_only_shapes(models: Path) -> None:
    found = profile("models:huge", models, Limits())

    assert found.parameters == 4 * (65536**2 + 65536)


@with_torch
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("models:alone", "has to return a torch.nn.Module and its inputs, as a pair"),
        ("models:frozen", "nothing that the model returns depends on its parameters"),
        ("models:online", "may not use the network"),
        ("models:nothing", "has no attribute 'nothing'"),
        ("nowhere:build", "No module named 'nowhere'"),
    ],
)
def test_what_gives_no_profile_says_why(models: Path, entry: str, words: str) -> None:
    with pytest.raises(SandboxError, match=words):
        profile(entry, models, Limits())


@with_torch
def test_a_model_that_hangs_is_ended(models: Path) -> None:
    with pytest.raises(SandboxError, match=r"did not end within 8 s|SIGXCPU|SIGKILL"):
        profile("models:hang", models, Limits(seconds=8.0))
