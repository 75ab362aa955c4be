"""One measurement in a process of its own: `python -m bench.worker MODULE PLAN`.

So that none is measured with the leftovers of another, and each has a peak of memory of its own.
"""

from __future__ import annotations

import importlib
import sys

import msgspec

from bench.row import Result


def measure(module: str, plan: str) -> Result:
    """Measure what a plan in JSON says."""
    measurement = importlib.import_module(f"bench.{module}")
    result: Result = measurement.measure(msgspec.json.decode(plan, type=measurement.Plan))
    return result


if __name__ == "__main__":
    print(msgspec.json.encode(measure(sys.argv[1], sys.argv[2])).decode())
