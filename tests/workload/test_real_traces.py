"""The real traces: every row accounted for."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from noljima.workload.reader import read_trace
from noljima.workload.selection import Selection, parse_filter, select

pytestmark = pytest.mark.traces


def row_count(path: Path) -> int:
    with gzip.open(path) as lines:
        header = (b";", b"timestamp", b"name,")
        return sum(1 for line in lines if line.strip() and not line.startswith(header))


@pytest.mark.parametrize(
    ("name", "jobs", "problems", "notes", "gpus"),
    [
        ("KTH-SP2.swf.gz", 28_481, 0, 0, 100),
        ("SDSC-SP2.swf.gz", 54_006, 0, 0, 128),
        ("LLNL-Atlas-2006-2.1-cln.swf.gz", 36_600, 7_178, 3_351, 9_216),
        ("philly.csv.gz", 82_247, 0, 0, None),
        ("openb_pod_list_default.csv.gz", 8_151, 1, 896, None),
    ],
)
def test_every_row_is_a_job_or_a_problem(
    traces: Path, name: str, jobs: int, problems: int, notes: int, gpus: int | None
) -> None:
    trace = read_trace(traces / name)

    assert (len(trace.jobs), trace.problem_count, trace.note_count) == (jobs, problems, notes)
    assert jobs + problems == row_count(traces / name)
    assert trace.gpus == gpus


def test_one_virtual_cluster_of_philly_is_cut_out_by_its_name(traces: Path) -> None:
    trace = read_trace(traces / "philly.csv.gz")
    tenant = select(trace, Selection(filters=(parse_filter("cluster=b436b2"),)))

    assert len(tenant.jobs) == 7_423
    assert tenant.jobs[0].submit_s == 0
    assert {job.job.queue for job in tenant.jobs} == {"b436b2"}
    assert tenant.load(56) == pytest.approx(1.01, abs=0.01)


def test_the_executables_of_atlas_are_names(traces: Path) -> None:
    trace = read_trace(traces / "LLNL-Atlas-2006-2.1-cln.swf.gz", gpus_per_node=8)

    assert sum(job.job.name.startswith("exe") for job in trace.jobs) > 30_000
    assert trace.epoch_s == 1_163_199_901
