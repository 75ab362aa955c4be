"""How well the time that running jobs have left is known: `python -m bench.remaining LOG`.

Every job of a real log starts when it was submitted, steps with noise and tells of it. What is
believed of the time that it has left is compared with the truth after some minutes of running, with
progress and without.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from bench import workloads
from noljima import app
from noljima.app import EngineSpec, Scene
from noljima.drivers.sim.stepping import Stepping
from noljima.engine import Engine
from noljima.model.commands import Command
from noljima.model.events import Event, Progressed
from noljima.model.resources import JobId

AFTER_S: Final = (60.0, 300.0, 900.0)
_REST_S_MIN: Final = 60.0
"""What has less left than this is not judged: a second more or less would be much of it."""
_CAPACITY: Final = 1_000_000


class Looker:
    """A sink that notes what is believed of each job when it first tells after these times."""

    def __init__(self, engine: Engine, run_s: Mapping[JobId, float]) -> None:
        self._engine = engine
        self._run_s = run_s
        self._next: dict[JobId, int] = {}
        self.told: dict[float, list[tuple[float, float, float]]] = {at_s: [] for at_s in AFTER_S}
        """Of each time: the truth, and what is believed at q50 and q80."""

    def observe(self, events: Sequence[Event], commands: Sequence[Command]) -> None:  # noqa: ARG002 - beliefs only
        """Look at the beliefs of those that tell of their progress."""
        for event in events:
            ticket = self._engine.tickets.get(event.job) if type(event) is Progressed else None
            if ticket is None:
                continue
            job, worked_s = ticket.job.id, ticket.worked_s(event.at_s)
            which = self._next.get(job, 0)
            if which < len(AFTER_S) and worked_s >= AFTER_S[which]:
                self._next[job] = which + 1
                rest_s = min(self._run_s[job], ticket.job.limit_s or np.inf) - worked_s
                if rest_s >= _REST_S_MIN:
                    q50_s, q80_s = ticket.estimate.q50_s - worked_s, ticket.fill_s - worked_s
                    self.told[AFTER_S[which]].append((rest_s, max(q50_s, 1.0), max(q80_s, 1.0)))


def measure(log: str, jobs: int, stepping: Stepping, estimates: str) -> Looker:
    """Let the jobs of a log run, and look at what is believed of them."""
    trace = workloads.real(f"{log}.swf.gz")
    trace = msgspec.structs.replace(trace, jobs=trace.jobs[:jobs])
    engine = app.build_engine(EngineSpec(policy="fifo", estimates=estimates))
    looker = Looker(engine, {entry.job.id: entry.run_s for entry in trace.jobs})
    scene = Scene(nodes=app.pool_nodes(_CAPACITY), trace=trace, stepping=stepping)
    app.simulate(engine, scene, [looker])
    return looker


def _rows(name: str, looker: Looker) -> list[str]:
    rows: list[str] = []
    for at_s, told in looker.told.items():
        rest_s, q50_s, q80_s = np.array(told).T
        error = np.abs(q50_s - rest_s) / rest_s
        figures = (float(np.median(error)), float(error.mean()), float((error < 0.05).mean()))
        covered = float((rest_s <= q80_s).mean())
        rows.append(
            f"| {name} | {at_s / 60.0:g} min | {len(told):,} | "
            + " | ".join(f"{100.0 * figure:.1f} %" for figure in (*figures, covered))
            + " |"
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.remaining", description=__doc__)
    parser.add_argument("log", help="KTH-SP2, SDSC-SP2 or another log of the traces")
    parser.add_argument("--jobs", type=int, default=2000, help="the first so many; default: 2000")
    parser.add_argument("--every", type=float, default=10.0, help="seconds; default: 10")
    parser.add_argument("--noise", type=float, default=0.3, help="of ln of a step; default: 0.3")
    parser.add_argument("--estimates", default="history", help="beside progress; default: history")
    given = parser.parse_args(arguments)
    print("| known | after | jobs | median error | mean error | within 5 % | q80 covers |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for name, early_share in (("steady", 0.0), ("5 % stop early", 0.05)):
        stepping = Stepping(every_s=given.every, noise=given.noise, early_share=early_share)
        began_s = time.process_time()
        looker = measure(given.log, given.jobs, stepping, given.estimates)
        print("\n".join(_rows(name, looker)))
        print(f"{time.process_time() - began_s:.0f} s of computing", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
