"""Measure, print the table, and write docs/benchmarks.md: `python -m bench`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from bench import machine, page, plans
from bench.plans import Measurement
from bench.worker import Report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    given = _parser().parse_args(arguments)
    chosen = [m for m in plans.measurements(quick=given.quick) if given.only in (None, m.name)]
    report = page.Report(
        machine=machine.describe(date=given.date, command=_command(given)),
        rows=[],
        points=[],
        remarks=[],
    )
    for number, measurement in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {measurement.title}", file=sys.stderr, flush=True)
        _measure(measurement, report)
    report.rows.sort(key=lambda row: plans.SECTIONS.index(row.section))
    print("\n".join(page.table(report)))
    if not given.quick and given.only is None:
        for path in page.save(report):
            print(f"wrote {path.relative_to(machine.ROOT)}", file=sys.stderr)
    return 0


def _measure(measurement: Measurement, report: page.Report) -> None:
    """Measure in a process of its own, and add what it brings to the report."""
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
        report.remarks.append(f"{measurement.title}: its process ended with {done.returncode}")
        return
    worker = msgspec.json.decode(done.stdout, type=Report)
    report.rows += worker.result.rows
    report.points += worker.result.points
    report.remarks += worker.result.remarks
    if measurement.rss_gib_max is not None:
        report.rows.append(measurement.memory(worker.rss_mib))


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
        epilog="The whole takes about 20 minutes and is what writes docs/benchmarks.md,"
        " bench/results.json and the plots; with --quick or --only nothing is written.",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument("--only", choices=plans.NAMES, metavar="NAME", help=", ".join(plans.NAMES))
    parser.add_argument("--date", help="the day to put on the page; default: the commit's")
    return parser


if __name__ == "__main__":
    sys.exit(main())
