"""`noljima predict` as from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from noljima.prediction.analytic import fitted, fitting
from noljima.prediction.analytic.device_table import find
from noljima.prediction.analytic.fitting import PROBES, Product
from noljima.prediction.analytic.gpus import Calibration
from noljima.telemetry import calibrations

Run = Callable[..., Result]

SPEC = """
name = "resnet50"
[model]
family = "convnet"
network = "resnet50"
[run]
batch = 64
optimizer = "momentum"
epochs = 2
dataset = 640_000
[site]
gpu = "V100"
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path = tmp_path / "job.toml"
    path.write_text(SPEC)
    return path


def figures(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_it_tells_quantiles_breakdown_memory_and_sizes(noljima: Run, spec: Path) -> None:
    result = noljima("predict", spec)

    assert result.exit_code == 0
    assert result.stdout.startswith("resnet50: 25.6 M parameters on 1 x V100\n")
    for words in (
        "run time  P10 ",
        "P50 ",
        "P90 ",
        "20,000 steps of ",
        "computing, bound by arithmetic",
        "start-up",
        "GiB a GPU of 32 GiB: fits",
        "fewest GPUs that hold it",
        "more GPUs pay until ",
        "sigma of ln t 0.3",
    ):
        assert words in result.stdout
    assert result.stdout.isascii()


def test_json_has_the_same_in_seconds_and_bytes(noljima: Run, spec: Path) -> None:
    found = figures(noljima("predict", spec, "--json"))
    run_s = found["run_s"]

    assert isinstance(run_s, dict)
    assert list(run_s) == ["p10", "p50", "p90"]
    assert run_s["p10"] < run_s["p50"] < run_s["p90"]
    assert found["steps"] == 20_000
    assert found["fits"] is True
    assert found["gpus"] == 1


def test_another_gpu_and_more_of_them_are_options(noljima: Run, spec: Path) -> None:
    found = figures(noljima("predict", spec, "--gpu", "h100", "--gpus", 8, "--json"))

    assert (found["gpu"], found["gpus"]) == ("H100", 8)


def test_a_calibrated_gpu_is_preferred(noljima: Run, spec: Path) -> None:
    device = find("V100")
    blank = [Product(*shape[:4], 1.0, shape[4]) for shape in PROBES]
    traits = fitted.TRAITS["V100"]._replace(peak=-2.0)
    logs = fitting.log_errors(fitting.sample([blank], [device]), [traits], fitted.SHARED)
    probes = tuple(
        product._replace(seconds=float(2.718281828**log))
        for product, log in zip(blank, logs, strict=True)
    )
    before = figures(noljima("predict", spec, "--json"))
    row = Calibration(device=device, probes=probes)
    calibrations.write(calibrations.path_of(row), row)
    after = figures(noljima("predict", spec, "--json"))

    assert float(str(after["step_s"])) > 2.0 * float(str(before["step_s"]))
    assert float(str(after["sigma"])) < float(str(before["sigma"]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--gpu", "V1000"), "noljima: gpu: 'V1000' is not in the table; did you mean V100?\n"),
        (("--gpu", ""), "noljima: site.gpu: '' names no GPU type\n"),
        (("--gpus", 65), "noljima: parallel.data: 65 is more than run.batch, 64\n"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    noljima: Run, spec: Path, options: tuple[object, ...], words: str
) -> None:
    result = noljima("predict", spec, *options)

    assert (result.exit_code, result.stdout, result.stderr) == (2, "", words)


def test_a_broken_spec_is_refused_in_one_line(noljima: Run, spec: Path) -> None:
    spec.write_text(SPEC.replace("batch = 64", "batch = 64.5"))
    result = noljima("predict", spec)

    assert result.exit_code == 2
    assert result.stderr.startswith("noljima: spec: 'job.toml' cannot be used: Expected `int`")
    assert result.stderr.count("\n") == 1


def test_a_missing_spec_is_told(noljima: Run, tmp_path: Path) -> None:
    result = noljima("predict", tmp_path / "none.toml")

    assert result.exit_code == 2
    assert result.stderr.endswith("none.toml: No such file or directory\n")


def test_degrees_that_do_not_divide_the_gpus_are_refused(noljima: Run, spec: Path) -> None:
    spec.write_text(
        '[model]\nfamily = "transformer"\nlayers = 2\nhidden = 64\nheads = 4\nsequence = 16\n'
        '[run]\nbatch = 64\nsteps = 1\n[parallel]\ntensor = 4\n[site]\ngpu = "H100"\n'
    )
    result = noljima("predict", spec, "--gpus", 6)

    assert result.exit_code == 2
    assert (
        "--gpus: 6 is not a multiple of the spec's tensor by pipeline degrees, 4" in result.stderr
    )
    assert figures(noljima("predict", spec, "--gpus", 8, "--json"))["gpus"] == 8


def test_what_fits_nowhere_is_said(noljima: Run, spec: Path) -> None:
    spec.write_text(
        '[model]\nfamily = "dense"\nparameters = 1e13\nsequence = 1\n'
        '[run]\nbatch = 1\nsteps = 1\n[site]\ngpu = "T4"\n'
    )
    result = noljima("predict", spec)

    assert result.exit_code == 0
    assert "DOES NOT FIT" in result.stdout
    assert "no GPU type of the table holds it" in result.stdout
