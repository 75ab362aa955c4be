"""What each part of the history is worth: the same logs without it. `python -m bench.ablation`.

All variants predict beside one simulation of a log, under EASY with the users' limits, each job
from what had finished before it (`report.forecasts`).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from noljima import app
from noljima.app import EngineSpec, Scene
from noljima.prediction.history import History
from noljima.prediction.parts import EXPERTS, LAST_TWO, LIMIT, LINEAR, RUN, SHARE, Parts
from noljima.prediction.source import Guarded
from noljima.report import evaluation, forecasts
from noljima.report.forecasts import TAUS, Told, Witness
from noljima.workload.reader import read_trace

TRACES: Final = Path(__file__).parents[2] / "shared" / "data" / "traces"
LOGS: Final[Mapping[str, str]] = {
    "KTH-SP2": "KTH-SP2.swf.gz",
    "SDSC-SP2": "SDSC-SP2.swf.gz",
    "LLNL-Atlas": "LLNL-Atlas-2006-2.1-cln.swf.gz",
}
WHOLE: Final = Parts()
VARIANTS: Final[Mapping[str, Parts]] = {
    "as it is": WHOLE,
    "without half-life": msgspec.structs.replace(WHOLE, half_life_s=math.inf),
    "without back-off": msgspec.structs.replace(WHOLE, trust=0.0),
    "trust 4 instead of 16": msgspec.structs.replace(WHOLE, trust=4.0),
    "without name templates": msgspec.structs.replace(WHOLE, templates=False),
    "without siblings": msgspec.structs.replace(WHOLE, siblings=False),
    "without the share of the limit": msgspec.structs.replace(WHOLE, experts=(RUN,)),
    "without the run time itself": msgspec.structs.replace(WHOLE, experts=(SHARE,)),
    "without calibration": msgspec.structs.replace(WHOLE, calibrated=False),
    "without tail": msgspec.structs.replace(WHOLE, tail=0.0),
    "with the last two": msgspec.structs.replace(WHOLE, experts=(RUN, SHARE, LAST_TWO)),
    "with the limit": msgspec.structs.replace(WHOLE, experts=(RUN, SHARE, LIMIT)),
    "with the linear model": msgspec.structs.replace(WHOLE, experts=(RUN, SHARE, LINEAR)),
    "with all experts": msgspec.structs.replace(WHOLE, experts=EXPERTS),
}
_HEAD: Final = (
    "variant",
    "covered by q50 / q80 / q95",
    "worst window q80 / q95",
    "pinball of q80",
    "mean \\|ln ratio\\|",
    "us",
)


def judged(path: Path, variants: Mapping[str, Parts], until_jobs: int | None = None) -> Witness:
    """Let all variants predict one log beside the same simulation."""
    trace = read_trace(path)
    if until_jobs is not None:
        trace = msgspec.structs.replace(trace, jobs=trace.jobs[:until_jobs])
    assert trace.gpus is not None, f"{path} does not say how large its machine was"
    witness = Witness({name: Guarded(History(parts)) for name, parts in variants.items()})
    engine = app.build_engine(EngineSpec(policy="easy"))
    app.simulate(engine, Scene(nodes=app.pool_nodes(trace.gpus), trace=trace), [witness])
    return witness


def row(name: str, told: Told, witness: Witness) -> tuple[str, ...]:
    """Return the figures of one variant in words."""
    run_s, quantiles_s = np.array(witness.run_s), evaluation.quantiles_of(told)
    covered = forecasts.coverage(run_s, quantiles_s)
    worst = [forecasts.worst_window(run_s, quantiles_s[:, k], TAUS[k]) for k in (1, 2)]
    return (
        name,
        " / ".join(f"{share:.4f}" for share in covered),
        " / ".join(f"{100 * away:.1f}" for away in worst),
        f"{forecasts.pinball_s(run_s, quantiles_s[:, 1], TAUS[1]):,.0f} s",
        f"{forecasts.mean_abs_log_ratio(run_s, quantiles_s[:, 0]):.3f}",
        f"{1e6 * told.predicting_s / len(witness):.0f}",
    )


def table(witness: Witness) -> str:
    """Return the variants' figures as a table for a page."""
    rows = [row(name, told, witness) for name, told in witness.told.items()]
    lines = [_HEAD, ("---", *["--:"] * (len(_HEAD) - 1)), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.ablation", description=__doc__)
    parser.add_argument("--log", choices=list(LOGS), action="append", help="default: all")
    parser.add_argument("--variant", choices=list(VARIANTS), action="append", help="default: all")
    parser.add_argument("--jobs", type=int, help="only the first so many of a log")
    given = parser.parse_args(arguments)
    chosen = {name: VARIANTS[name] for name in given.variant or VARIANTS}
    for log in given.log or LOGS:
        path = TRACES / LOGS[log]
        if not path.exists():
            print(f"{path} is missing", file=sys.stderr)
            return 2
        witness = judged(path, chosen, given.jobs)
        print(f"{log}, {len(witness):,} jobs\n\n{table(witness)}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
