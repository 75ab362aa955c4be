"""The packing benchmark's figures: runs, means, curves, the table and the picture."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from noljima.model.node import Node
from noljima.model.resources import GPU, NodeId, Resources, gang_of
from noljima.report.packing import Benchmark, Curve, Run, averaged, means_of, svg, table
from noljima.workload.openb import read_nodes, read_pods

NODES = [Node(id=NodeId(f"n{number}"), gpus=4, cpu_milli=32_000) for number in range(3)]
PODS = [
    *(gang_of(1, Resources(gpu_milli=milli, cpu_milli=4_000)) for milli in (300, 600, 1000)),
    gang_of(1, Resources(cpu_milli=1_000)),
]


def run_of(placement: str, seed: int, share: float) -> Run:
    return Run(
        placement=placement,
        seed=seed,
        gpu_allocation=share,
        pods=10,
        placed=8,
        refused=2,
        wall_s=0.5,
        pods_per_s=20.0,
    )


@pytest.mark.parametrize("placement", ["refill", "fgd", "pack", "random"])
def test_a_run_counts_every_pod_and_what_it_was_given(placement: str) -> None:
    benchmark = Benchmark(NODES, PODS, 1.5)
    ticks: list[int] = []
    run, curve = benchmark.run(placement, 7, itertools.count().__next__, ticks.append)

    assert run.pods == run.placed + run.refused == len(benchmark.arriving(7)) == sum(ticks)
    assert 60 < run.gpu_allocation <= 100
    assert run.wall_s == 1
    assert curve.allocated[0] == 0
    assert list(curve.allocated) == sorted(curve.allocated)
    assert curve.allocated[-1] <= run.gpu_allocation
    assert 140 <= len(curve.allocated) <= 151


def test_a_seed_gives_the_same_run_again() -> None:
    def run() -> tuple[Run, Curve]:
        clock = itertools.count().__next__
        return Benchmark(NODES, PODS, 1.2).run("random", 5, clock, lambda _: None)

    assert run() == run()


def test_half_a_cluster_of_demand_is_all_placed() -> None:
    run, _ = Benchmark(NODES, PODS, 0.5).run("best-fit", 1, lambda: 0.0, lambda _: None)

    assert run.refused == 0
    assert run.gpu_allocation == pytest.approx(50, abs=100 * GPU / 12_000)
    assert run.pods_per_s == 0


def test_means_and_table_are_over_the_seeds_and_the_best_is_first() -> None:
    runs = [run_of("fgd", 1, 90.0), run_of("fgd", 2, 92.0), run_of("refill", 1, 95.0)]

    assert means_of(runs) == {"fgd": 91.0, "refill": 95.0}
    assert table(runs).splitlines() == [
        "placement  GPU allocation %  lowest  highest  seeds  pods/s",
        "refill                95.00   95.00    95.00      1      20",
        "fgd                   91.00   90.00    92.00      2      20",
    ]


def test_curves_are_averaged_as_far_as_all_go() -> None:
    curves = [Curve("a", (0.0, 1.0, 2.0)), Curve("a", (0.0, 3.0)), Curve("b", (0.0,))]

    assert averaged(curves) == [Curve("a", (0.0, 2.0)), Curve("b", (0.0,))]


def test_the_picture_is_well_formed_and_names_each_placement() -> None:
    picture = svg([Curve("fgd", (0.0, 50.0, 95.4)), Curve("random", (0.0, 50.0, 87.5))])
    words = "".join(ET.fromstring(picture).itertext())  # noqa: S314 - we made it

    assert "fgd 95.40 %" in words
    assert "random 87.50 %" in words
    assert picture.count("<polyline") == 2


@pytest.mark.traces
@pytest.mark.slow
@pytest.mark.parametrize(
    ("placement", "published", "off"),
    [("random", 87.47, 0.7), ("best-fit", 93.08, 0.7), ("fgd", 95.39, 0.7)],
)
def test_one_seed_of_the_published_benchmark_is_met(
    placement: str, published: float, off: float
) -> None:
    folder = Path(__file__).parents[3] / "shared" / "data" / "traces"
    if not folder.is_dir():
        pytest.skip(f"the real traces are not at {folder}")
    nodes = read_nodes(folder / "openb_node_list_gpu_node.csv.gz").items
    pods = read_pods(folder / "openb_pod_list_default.csv.gz").items

    run, _ = Benchmark(nodes, pods, 1.3).run(placement, 42, lambda: 0.0, lambda _: None)

    assert run.gpu_allocation == pytest.approx(published, abs=off)
