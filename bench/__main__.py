"""Measure, print the table, and write docs/benchmarks.md: `python -m bench`."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from bench import machine, page, plans
from bench.plans import Measurement
from bench.row import Result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where a measurement came to no end."""
    given = _parser().parse_args(arguments)
    chosen = [m for m in plans.measurements(quick=given.quick) if given.only in (None, m.name)]
    result = Result()
    for number, measurement in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {measurement.title}", file=sys.stderr, flush=True)
        began_s = _children_s()
        result.add(measured(measurement))
        print(f"    {_children_s() - began_s:.1f} CPU seconds", file=sys.stderr, flush=True)
    result.rows.sort(key=lambda row: plans.SECTIONS.index(row.section))
    report = page.Report(machine=machine.describe(_command(given)), result=result)
    print("\n".join(page.table(report)))
    if not given.quick and given.only is None:
        for path in page.save(report):
            print(f"wrote {path.relative_to(machine.ROOT)}", file=sys.stderr)
    return 1 if result.failures else 0


def measured(measurement: Measurement) -> Result:
    """Measure in a process of its own; where that fails, say so."""
    plan = msgspec.json.encode(measurement.plan).decode()
    # One thread, so that CPU time means what it says.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "bench.worker", measurement.module, plan],
        cwd=machine.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        return Result(failures=[f"{measurement.title}: its process ended with {done.returncode}"])
    return msgspec.json.decode(done.stdout, type=Result)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _command(given: argparse.Namespace) -> str:
    words = ["python -m bench"]
    if given.quick:
        words.append("--quick")
    if given.only is not None:
        words.append(f"--only {given.only}")
    return " ".join(words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog="The whole takes about 10 minutes and is what writes docs/benchmarks.md,"
        " bench/results.json and the plots; with --quick or --only nothing is written.",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument("--only", choices=plans.NAMES, metavar="NAME", help=", ".join(plans.NAMES))
    return parser


if __name__ == "__main__":
    sys.exit(main())
