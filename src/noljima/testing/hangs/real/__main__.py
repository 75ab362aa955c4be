"""Print what is said of real hangs and silences: `python -m noljima.testing.hangs.real`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from noljima.testing.hangs.real.watch import RUNGS, Seen, ended_wrongly, missed, watch


def main() -> int:
    """Watch and print; 1 where one was ended that was only silent, or one that hangs not found."""
    seen = watch(lambda words: print(words, file=sys.stderr, flush=True))  # noqa: T201
    sys.stdout.write("\n".join(lines(seen)) + "\n")
    for each in seen:
        if each in ended_wrongly(seen) or each in missed(seen):
            sys.stdout.write(f"\n{each.name}: {each.outcome} {each.words}\n")
            sys.stdout.write("".join(f"  {words}\n" for words in each.evidence))
    return int(bool(ended_wrongly(seen) or missed(seen)))


def lines(seen: list[Seen]) -> Iterator[str]:
    """Give the tables of docs/health.md, and what they come to."""
    stuck = [each for each in seen if each.part.rung]
    harmless = [each for each in seen if not each.part.rung]
    yield "| stuck | how | workers | suspected after | stalled after | ended after |"
    yield "|---|---|---|---|---|---|"
    for each in stuck:
        yield f"| {each.name} | {each.part.how} | {each.part.workers} | {_rungs(each)} |"
    yield ""
    yield "| harmless | how | workers | silent for | suspected after | stalled after | ended |"
    yield "|---|---|---|---|---|---|---|"
    for each in harmless:
        ended = "no" if each.outcome == "succeeded" else each.words or each.outcome or "?"
        told = " | ".join(_seconds(each.after_s(rung)) for rung in RUNGS[:2])
        silent = _seconds(each.quiet_s)
        how, workers = each.part.how, each.part.workers
        yield f"| {each.name} | {how} | {workers} | {silent} | {told} | {ended} |"
    yield ""
    found = len(stuck) - len(missed(seen))
    yield f"found as they are to be: {found} of {len(stuck)} kinds of hang"
    yield f"ended although not stuck: {len(ended_wrongly(seen))} of {len(harmless)}"


def _rungs(each: Seen) -> str:
    return " | ".join(_seconds(each.after_s(rung)) for rung in RUNGS)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
