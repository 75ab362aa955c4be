"""One measurement in a process of its own: `python -m bench.worker MODULE PLAN`.

So that none is measured with the leftovers of another, and each has a peak of memory of its own.
"""

from __future__ import annotations

import importlib
import resource
import sys

import msgspec

from bench.row import Result


class Report(msgspec.Struct, kw_only=True):
    """A result, and what the process took."""

    result: Result
    rss_mib: float


def main(module: str, plan: str) -> None:
    """Measure, and print the report as one line of JSON."""
    measurement = importlib.import_module(f"bench.{module}")
    result = measurement.measure(msgspec.json.decode(plan, type=measurement.Plan))
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(msgspec.json.encode(Report(result=result, rss_mib=rss_mib)).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
