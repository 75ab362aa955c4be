"""`noljima profile` as from a shell; what it runs is tested with the telemetry."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from noljima.prediction.analytic.layers import Linear
from noljima.prediction.analytic.spec import Declared
from noljima.telemetry import profile as profiles
from noljima.telemetry.profile import Profile
from noljima.telemetry.sandbox import Limits, SandboxError
from noljima.workload.model_spec import read_training

Run = Callable[..., Result]

FOUND = Profile(
    entry="mine:build",
    batch=32,
    parameters=110.0,
    forward_flops=6400.0,
    backward_flops=12_800.0,
    kept_bytes=float(1 << 29),
    model=Declared(layers=(Linear(inputs=10, outputs=10),), parameters=110.0),
    network="namespace",
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, Limits]]:
    """Put an answer in the place of the sandbox; return what it is asked for."""
    calls: list[tuple[str, Path, Limits]] = []

    def answer(entry: str, folder: Path, limits: Limits) -> Profile:
        calls.append((entry, folder, limits))
        if entry == "mine:hangs":
            raise SandboxError("did not end within 120 s")
        return FOUND

    monkeypatch.setattr(profiles, "profile", answer)
    return calls


@pytest.mark.usefixtures("asked")
def test_it_tells_operations_parameters_and_memory(noljima: Run) -> None:
    result = noljima("profile", "mine:build")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "mine:build, a batch of 32",
        "  parameters        110",
        "  forward           6400 operations",
        "  backward          1.28e+04 operations",
        "  kept for backward 0.500 GiB",
        "  operators         1 kinds",
        "  network           kept away by a namespace",
    ]


def test_limits_and_the_folder_are_options(
    noljima: Run, asked: list[tuple[str, Path, Limits]], tmp_path: Path
) -> None:
    noljima("profile", "mine:build", "--path", tmp_path, "--timeout", "5s", "--memory", 2)

    assert asked == [("mine:build", tmp_path, Limits(seconds=5.0, memory_bytes=2 << 30))]


@pytest.mark.usefixtures("asked")
def test_json_and_the_model_for_a_spec(noljima: Run, tmp_path: Path) -> None:
    result = noljima("profile", "mine:build", "--json", "-o", tmp_path / "model.json")
    spec = tmp_path / "job.toml"
    spec.write_text('[model]\nfile = "model.json"\n[run]\nbatch = 8\nsteps = 1\n')

    assert json.loads(result.stdout)["forward_flops"] == 6400
    assert read_training(spec).model == FOUND.model


@pytest.mark.usefixtures("asked")
def test_code_that_gives_no_profile_is_told_in_one_line(noljima: Run) -> None:
    result = noljima("profile", "mine:hangs")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "noljima: mine:hangs: did not end within 120 s\n"


def test_without_pytorch_it_says_so_in_one_line(
    noljima: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = noljima("profile", "mine:build")

    assert result.exit_code == 2
    assert "PyTorch is not installed: pip install 'noljima[torch]'" in result.stderr
    assert result.stderr.count("\n") == 1
