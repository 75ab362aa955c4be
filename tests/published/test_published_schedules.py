"""Real logs: the published schedules second by second, and the order guarantee.

The logs and schedules lie beside the checkout; `docs/policies.md` says where to get the logs.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pytest

from noljima import app
from noljima.app import EngineSpec, Scene
from noljima.model.job import Checkpoint
from noljima.model.resources import GPU
from noljima.report import metrics
from noljima.report.recorder import Recorder
from noljima.workload.reader import read_trace
from noljima.workload.selection import Selection, parse_filter, select

pytestmark = [pytest.mark.slow, pytest.mark.traces, pytest.mark.timeout(600)]

TRACES = Path(__file__).parents[3] / "shared" / "data" / "traces"
LOGS = {"KTH-SP2": 100, "SDSC-SP2": 128}
TENANTS = {"b436b2": 56, "ee9e8c": 232, "0e4a51": 88}
INTERVALS_S = {"none": None, "600s": 600.0, "0s": 0.0}


@pytest.fixture(scope="module", autouse=True)
def _traces() -> None:
    if not TRACES.is_dir():
        pytest.skip(f"the real traces are not at {TRACES}")


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize(
    ("name", "policy", "estimates"),
    [
        ("easy-limit", "easy", "limit"),
        ("easy-sjbf-true", "easy-sjbf", "true"),
        ("easy-sjbf-last-two", "easy-sjbf", "last-two"),
    ],
)
def test_every_job_starts_at_the_published_second(
    log: str, name: str, policy: str, estimates: str
) -> None:
    published = published_waits_s(f"{log}.{name}")
    scene = Scene(nodes=app.pool_nodes(LOGS[log]), trace=read_trace(TRACES / f"{log}.swf.gz"))
    recorder = Recorder()
    spec = EngineSpec(policy=policy, estimates=estimates)
    app.simulate(app.build_engine(spec), scene, [recorder])
    jobs = recorder.run(policy=policy, estimates=estimates).ended
    waits_s = dict(zip(jobs.id.tolist(), jobs.wait_s.tolist(), strict=True))

    assert len(waits_s) == len(published)
    assert [job for job in published if waits_s[job] != published[job]] == []


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("estimates", ["random", "adversarial"])
@pytest.mark.parametrize(
    ("policy", "checkpoint"),
    [("fair", "none"), ("fair", "600s"), ("fair", "0s"), ("efficient", "600s")],
)
def test_no_job_of_a_log_starts_later_than_first_come_first_served(
    log: str, policy: str, checkpoint: str, estimates: str
) -> None:
    assert violations(log, None, checkpoint, policy, estimates) == (0, 0.0)


@pytest.mark.parametrize("tenant", TENANTS)
@pytest.mark.parametrize("on", ["pool", "nodes"])
@pytest.mark.parametrize("estimates", ["random", "adversarial"])
def test_no_job_of_a_gpu_cluster_starts_later_than_first_come_first_served(
    tenant: str, on: str, estimates: str
) -> None:
    assert violations(tenant, on, "600s", "fair", estimates) == (0, 0.0)


def published_waits_s(name: str) -> Mapping[str, float]:
    """Read a published schedule: the wait of each job."""
    with gzip.open(TRACES / "published" / f"{name}.csv.gz", "rt", encoding="utf-8") as lines:
        return {row["job"]: float(row["wait_s"]) for row in csv.DictReader(lines)}


def violations(
    name: str, on: str | None, checkpoint: str, policy: str, estimates: str
) -> tuple[object, object]:
    """Say how many jobs are later than in the strict queue, and by how much at most."""
    scene, strict = scene_of(name, on, checkpoint)
    space = app.GRID if on == "nodes" else app.POOL
    spec = EngineSpec(policy=policy, estimates=estimates, seed=1, space=space)
    recorder = Recorder()
    wall_s = app.simulate(app.build_engine(spec), scene, [recorder])
    run = recorder.run(policy=policy, estimates=estimates)
    capacity_milli = sum(node.gpus for node in scene.nodes) * GPU
    figures = metrics.figures(run, capacity_milli, strict, wall_s)
    assert figures["jobs"] == len(scene.trace.jobs)
    return figures["order_violations"], figures["max_lateness_s"]


@lru_cache(maxsize=2)
def scene_of(name: str, on: str | None, checkpoint: str) -> tuple[Scene, Mapping[str, float]]:
    """Return a log or a tenant of Philly with every job evictable, and its strict starts."""
    tenant = name in TENANTS
    gpus = TENANTS[name] if tenant else LOGS[name]
    file = "philly.csv.gz" if tenant else f"{name}.swf.gz"
    trace = read_trace(TRACES / file, gpus_per_node=8 if on == "nodes" else None)
    selection = Selection(
        filters=(parse_filter(f"cluster={name}"),) if tenant else (),
        evictable_share=1.0,
        checkpoint=Checkpoint(interval_s=INTERVALS_S[checkpoint]),
    )
    nodes = app.equal_nodes(gpus // 8, 8) if on == "nodes" else app.pool_nodes(gpus)
    scene = Scene(nodes=nodes, trace=select(trace, selection))
    space = app.GRID if on == "nodes" else app.POOL
    return scene, app.strict_starts(EngineSpec(policy="fifo", space=space), scene)
