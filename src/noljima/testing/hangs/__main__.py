"""Print what is found and what that costs: `python -m noljima.testing.hangs [JOBS [SEED]]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from noljima.testing.hangs.measure import Row, cost, outcomes, rows

_COST = ((10_000, 1, 20), (10_000, 4, 10))


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 where a job was ended that was not stuck."""
    count = int(arguments[0]) if arguments else 1000
    seed = int(arguments[1]) if len(arguments) > 1 else 1
    table = rows(outcomes(count, seed))
    lines = [f"{count:,} jobs, seed {seed}", ""]
    lines += _table([row for row in table if row.stuck], "stuck")
    lines += ["", *_table([row for row in table if not row.stuck], "harmless"), ""]
    for jobs, workers, rounds in _COST:
        spent = cost(jobs, workers, rounds)
        lines.append(
            f"{jobs:,} jobs of {workers} sampled every 10 s: {spent.share(10.0):.1%} of a core"
            f" ({spent.make_s / rounds:.2f} s to make the samples and"
            f" {spent.judge_s / rounds:.2f} s to judge a round)"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(row.false_ends for row in table))


def _table(part: Sequence[Row], title: str) -> list[str]:
    lines = [
        f"{title:<32} {'jobs':>5} {'suspected':>10} {'stalled':>8} {'ended':>6}  stalled after"
    ]
    for row in part:
        after = f"{median(row.times_s) / 60:.0f} min" if row.times_s else ""
        lines.append(
            f"{row.pattern:<32} {row.jobs:>5} {row.suspected:>10} {row.found:>8} {row.ended:>6}"
            f"  {after}"
        )
    jobs = max(sum(row.jobs for row in part), 1)
    lines.append(
        f"{'all':<32} {jobs:>5} {sum(r.suspected for r in part) / jobs:>10.1%}"
        f" {sum(r.found for r in part) / jobs:>8.1%} {sum(r.ended for r in part) / jobs:>6.1%}"
    )
    lines.append(f"ended although not stuck: {sum(row.false_ends for row in part)}")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
