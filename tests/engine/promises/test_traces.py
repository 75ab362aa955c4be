"""T4 on real logs: nineteen in twenty promises are kept, with one configuration for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import pytest

from noljima import app
from noljima.app import EngineSpec, Scene
from noljima.engine.promises.book import MISSES
from noljima.model.job import Checkpoint
from noljima.report.promises import Hearer, figures
from noljima.report.record import RunRecord
from noljima.report.recorder import Recorder
from noljima.workload.reader import read_trace
from noljima.workload.selection import Selection, parse_filter, select

TRACES: Final = Path(__file__).parents[4] / "shared" / "data" / "traces"
OFF_MAX: Final = 0.02
LONG: Final = 10_000
WORST_MIN: Final = 0.80
"""Of any 500 in a row, on a log with at least so many promises."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.traces,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not TRACES.exists(), reason=f"the real traces are not at {TRACES}"),
]


class Log(NamedTuple):
    """A real log and the size of its cluster."""

    file: str
    gpus: int
    cluster: str = ""


LOGS: Final = {
    "KTH-SP2": Log("KTH-SP2.swf.gz", 100),
    "SDSC-SP2": Log("SDSC-SP2.swf.gz", 128),
    "b436b2": Log("philly.csv.gz", 56, "b436b2"),
    "ee9e8c": Log("philly.csv.gz", 232, "ee9e8c"),
    "0e4a51": Log("philly.csv.gz", 88, "0e4a51"),
}


def run(name: str, policy: str) -> RunRecord:
    """Run a log with all jobs evictable, saving every ten minutes, and promises."""
    log = LOGS[name]
    filters = (parse_filter(f"cluster={log.cluster}"),) if log.cluster else ()
    saving = Checkpoint(interval_s=600.0)
    trace = select(
        read_trace(TRACES / log.file),
        Selection(filters=filters, evictable_share=1.0, checkpoint=saving),
    )
    engine = app.build_engine(EngineSpec(policy=policy, estimates="history", promises=True))
    hearer = Hearer(engine)
    app.simulate(engine, Scene(nodes=app.pool_nodes(log.gpus), trace=trace), [hearer])
    return hearer.entered(Recorder().run(policy=policy, estimates="history"))


@pytest.mark.parametrize("name", LOGS)
def test_nineteen_in_twenty_promises_are_kept(name: str) -> None:
    found = figures(run(name, "fair").promises or ())

    assert found["promises.made"] > 100
    assert abs(found["promises.share_kept"] - (1.0 - MISSES)) <= OFF_MAX, found
    if found["promises.made"] > LONG:
        assert found["promises.lowest_window"] >= WORST_MIN, found


# The others take minutes; docs/promises.md has them.
@pytest.mark.parametrize("name", ["KTH-SP2", "ee9e8c", "0e4a51"])
def test_under_another_policy_no_fewer_are_kept(name: str) -> None:
    found = figures(run(name, "efficient").promises or ())

    assert found["promises.share_kept"] >= 1.0 - MISSES - OFF_MAX, found
