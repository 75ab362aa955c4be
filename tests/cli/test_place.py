"""`noljima place` measures how full a cluster gets, and refuses the rest in a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from noljima.placement.strategies import NAMES

Run = Callable[..., Result]

SIZES = (1000, 470, 810, 320, 650, 1000, 160, 1000)


@pytest.fixture
def lists(tmp_path: Path) -> tuple[Path, Path]:
    """Write a small cluster and a hundred pods of the usual sizes."""
    pods, nodes = tmp_path / "pods.csv", tmp_path / "nodes.csv"
    rows = [
        f"p{number},{2000 + 500 * (number % 7)},{1024 * (1 + number % 5)},"
        f"{0 if number % 9 == 0 else 1},{SIZES[number % len(SIZES)]}"
        for number in range(100)
    ]
    pods.write_text("\n".join(["name,cpu_milli,memory_mib,num_gpu,gpu_milli", *rows]))
    machines = [f"n{number},{32_000 + 16_000 * (number % 2)},65536,4,T4" for number in range(12)]
    nodes.write_text("\n".join(["sn,cpu_milli,memory_mib,gpu,model", *machines]))
    return pods, nodes


@pytest.fixture
def placed(noljima: Run, lists: tuple[Path, Path]) -> Callable[..., Any]:
    """Call `noljima place` on the lists and return what `--json -` says."""

    def run(*options: object) -> Any:  # noqa: ANN401 - JSON
        result = noljima("place", lists[0], "--cluster", lists[1], *options, "--json", "-")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


def test_json_has_every_run_and_the_means(
    placed: Callable[..., Any], lists: tuple[Path, Path]
) -> None:
    told = placed("--placement", "best-fit", "--placement", "fgd", "--seeds", "3:4")

    assert list(told) == ["trace", "cluster", "demand", "runs", "means"]
    assert (told["trace"], told["cluster"]) == tuple(map(str, lists))
    assert told["demand"] == 1.3
    assert [(run["placement"], run["seed"]) for run in told["runs"]] == [
        ("best-fit", 3),
        ("best-fit", 4),
        ("fgd", 3),
        ("fgd", 4),
    ]
    assert list(told["runs"][0]) == [
        "placement",
        "seed",
        "gpu_allocation",
        "pods",
        "placed",
        "refused",
        "wall_s",
        "pods_per_s",
    ]
    shares = [run["gpu_allocation"] for run in told["runs"][2:]]
    assert told["means"]["fgd"] == pytest.approx(sum(shares) / 2, abs=1e-4)
    assert all(run["placed"] + run["refused"] == run["pods"] for run in told["runs"])


def test_all_strategies_can_be_named_at_once(placed: Callable[..., Any]) -> None:
    assert list(placed("--placement", "all", "--seed", 1)["means"]) == list(NAMES)


def test_demand_decides_how_many_pods_come(placed: Callable[..., Any]) -> None:
    few, many = (placed("--demand", times, "--placement", "pack") for times in (0.5, 2))

    assert few["runs"][0]["refused"] == 0
    assert few["runs"][0]["gpu_allocation"] < 51
    assert many["runs"][0]["pods"] > 3 * few["runs"][0]["pods"]
    assert few["runs"][0]["seed"] == 42


def test_people_get_a_table_and_files_are_written(
    noljima: Run, lists: tuple[Path, Path], tmp_path: Path
) -> None:
    data, picture = tmp_path / "out" / "packing.json", tmp_path / "out" / "packing.svg"
    result = noljima(
        "place", lists[0], "--cluster", lists[1], "--json", data, "--plot", picture, "--seed", 1
    )

    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("placement  GPU allocation %")
    assert "refill" in result.stdout
    assert result.stderr == ""
    assert json.loads(data.read_text())["runs"][0]["seed"] == 1
    assert picture.read_text().startswith("<svg")


def test_a_bad_row_is_told_and_left_out_or_refuses_the_file(
    noljima: Run, lists: tuple[Path, Path]
) -> None:
    with lists[0].open("a") as file:
        file.write("\np-1,1,1,1,1500\np-2,1\n")
    lax = noljima("place", lists[0], "--cluster", lists[1], "--placement", "pack")
    strict = noljima("place", lists[0], "--cluster", lists[1], "--strict")

    assert lax.exit_code == 0
    assert f"{lists[0]}: 2 rows left out" in lax.stderr
    assert "  line 102: gpu_milli: 1500 is outside 0 to 1,000" in lax.stderr
    assert strict.exit_code == 2
    assert strict.stderr == (
        f"noljima: {lists[0]}, line 102: gpu_milli: 1500 is outside 0 to 1,000\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--placement", "tetris"], "placement: 'tetris' is none of: pack, refill, fgd"),
        (["--placement", "fgd", "--placement", "all"], "--placement fgd is given twice"),
        (["--seed", "1", "--seeds", "0:2"], "--seed 1 is given twice"),
        (["--seeds", "5"], "--seeds: '5' is not two numbers as in 42:51"),
        (["--seeds", "5:4"], "--seeds: 5:4 is not 1 to 10,000 seeds"),
        (["--demand", "0"], "place: Invalid value for '--demand'"),
        (["--demand", "nan"], "place: Invalid value for '--demand'"),
        (["--json", "/no/such/folder/x.json"], "--json: /no/such/folder/x.json cannot be written"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    noljima: Run, lists: tuple[Path, Path], options: list[str], words: str
) -> None:
    if os.geteuid() == 0 and "--json" in options:
        options, words = ["--json", str(lists[0])], "is read already"
    result = noljima("place", lists[0], "--cluster", lists[1], *options)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_lists_without_gpus_are_refused(noljima: Run, lists: tuple[Path, Path]) -> None:
    pods, nodes = lists
    poor = pods.with_name("poor.csv")
    poor.write_text("sn,cpu_milli,memory_mib,gpu,model\nn,1,1,0,\n")
    idle = pods.with_name("idle.csv")
    idle.write_text("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,1,0,0\n")

    assert "no node has a GPU" in noljima("place", pods, "--cluster", poor).stderr
    assert "no pod asks for a GPU" in noljima("place", idle, "--cluster", nodes).stderr
    missing = noljima("place", pods, "--cluster", pods.with_name("missing"))
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)


def test_help_shows_examples_and_every_strategy(noljima: Run) -> None:
    told = " ".join(noljima("place", "--help").stdout.split())

    assert "noljima place openb_pod_list_default.csv.gz" in told
    assert all(name in told.replace("best- fit", "best-fit") for name in NAMES)


def test_placements_do_not_depend_on_the_hash_seed(lists: tuple[Path, Path]) -> None:
    def told(hash_seed: str) -> list[tuple[object, ...]]:
        command = [sys.executable, "-m", "noljima", "place", str(lists[0]), "--cluster"]
        command += [str(lists[1]), "--placement", "all", "--seed", "9", "--json", "-"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, capture_output=True, check=True, env=environment)  # noqa: S603
        return [
            (run["placement"], run["gpu_allocation"]) for run in json.loads(done.stdout)["runs"]
        ]

    assert told("1") == told("2")
