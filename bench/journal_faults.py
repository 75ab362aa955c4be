"""What a bad disk does to a state, fault by fault: `python -m bench.journal_faults`.

A bit that turns, a file that ends too early, a sector of zeros, a file that is gone: each anywhere
in the database or its log, each tried on a state that was closed and on one that a crash has left.
A fault that changes nothing that is read is harmless; all others must be refused at the start.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from noljima.store import recovery
from noljima.store.faults import StateError
from noljima.store.folder import folder_of
from noljima.store.state import State
from noljima.testing.damage import (
    FILES,
    SIZES,
    Blank,
    Cut,
    Fault,
    Flip,
    Gone,
    Truth,
    Verdict,
    counted,
    crashed_state,
    damaged,
    drawn,
    read_all,
    sizes_of,
)

_KINDS: dict[str, type[Fault]] = {"bit": Flip, "cut": Cut, "sector": Blank}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 where anything false was served."""
    given = _parser().parse_args(arguments)
    random = Random(given.seed)  # noqa: S311 - which bits, not a secret
    bad = 0
    with tempfile.TemporaryDirectory() as place:
        crashed = Path(place) / "crashed"
        truth = crashed_state(crashed, given.days)
        closed = Path(place) / "closed"
        _close(crashed, closed)
        print(f"{len(truth.batches):,} batches, {_sizes(crashed)} after a crash;", end=" ")
        print(f"{_sizes(closed)} after a stop; seed {given.seed}")
        print(f"{'state':8} {'start':5} {'fault':7} {'noticed':>8} {'harmless':>8} {'served':>7}")
        for name, folder in (("crashed", crashed), ("closed", closed)):
            for start in ("full", "fast"):
                for kind, fault in _KINDS.items():
                    faults = [drawn(fault, sizes_of(folder), random) for _ in range(given.count)]
                    bad += _row((name, start, kind), folder, truth, faults)
                gone: list[Fault] = [Gone(file) for file in sizes_of(folder)]
                bad += _row((name, start, "gone"), folder, truth, gone)
        for name, folder in (("crashed", crashed), ("closed", closed)):
            _recoveries(name, folder, truth, random, given.count // 3)
    return 1 if bad else 0


def _row(words: tuple[str, str, str], folder: Path, truth: Truth, faults: list[Fault]) -> int:
    found = counted(folder, truth, faults, full=words[1] == "full")
    counts = {verdict: len(those) for verdict, those in found.items()}
    name, start, kind = words
    print(
        f"{name:8} {start:5} {kind:7} {counts[Verdict.NOTICED]:8} {counts[Verdict.HARMLESS]:8}"
        f" {counts[Verdict.SERVED] + counts[Verdict.BROKE]:7}",
        flush=True,
    )
    for fault in (*found[Verdict.SERVED], *found[Verdict.BROKE]):
        print(f"  {fault}", file=sys.stderr)
    return counts[Verdict.SERVED] + counts[Verdict.BROKE]


def _close(crashed: Path, closed: Path) -> None:
    """Make a copy of the state as it is after it was opened again and closed."""
    shutil.copytree(crashed, closed)
    State.open(closed, sizes=SIZES).close()


def _recoveries(name: str, folder: Path, truth: Truth, random: Random, count: int) -> None:
    """Count how much is left after `recover` has gone back from one turned bit."""
    lost: list[int] = []
    refused = 0
    for _ in range(count):
        fault = drawn(Flip, sizes_of(folder), random)
        copy = folder.with_name("recovered")
        shutil.rmtree(copy, ignore_errors=True)
        with damaged(folder, fault):
            shutil.copytree(folder, copy)
        try:
            lost.append(recovery.recover(copy).lost)
        except StateError:
            refused += 1
            continue
        left = read_all(folder_of(copy)).batches
        if left != [batch for batch in truth.batches if batch in left]:
            print(f"  recovered what never was: {fault}", file=sys.stderr)
    lost.sort()
    whole = sum(1 for number in lost if not number)
    print(
        f"recover, {name}, one turned bit, {count} times: {whole} lost no row, {len(lost) - whole}"
        f" lost some (at most {lost[-1] if lost else 0} rows), {refused} could not be recovered"
    )


def _sizes(folder: Path) -> str:
    return " and ".join(
        f"{(folder / file).stat().st_size / 1024:,.0f} KiB of {file}"
        for file in FILES
        if (folder / file).exists()
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.journal_faults", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="faults of each kind")
    parser.add_argument("--days", type=int, default=6, help="how much the state holds")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    sys.exit(main())
