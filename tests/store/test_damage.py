"""Whatever a disk does to a state, nobody is told what was never written."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from noljima.store.state import State
from noljima.testing.damage import (
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
    sizes_of,
    verdict,
)

Made = tuple[Path, Truth]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a state as a crash leaves it, with a part of it in its log."""
    folder = tmp_path_factory.mktemp("damage") / "state"
    return folder, crashed_state(folder, days=3)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a state that was closed in good order: all of it in its database."""
    folder = tmp_path_factory.mktemp("damage") / "state"
    truth = crashed_state(folder, days=3)
    State.open(folder, sizes=SIZES).close()
    return folder, truth


def faults(folder: Path, kind: type[Fault], count: int, seed: int) -> list[Fault]:
    random = Random(seed)  # noqa: S311 - which bits, not a secret
    return [drawn(kind, sizes_of(folder), random) for _ in range(count)]


def check(made: Made, tried: list[Fault], *, full: bool) -> int:
    """Return how many of the faults were noticed; none may be served."""
    found = counted(*made, tried, full=full)

    assert found[Verdict.SERVED] == []
    assert found[Verdict.BROKE] == []
    return len(found[Verdict.NOTICED])


def test_an_undamaged_state_is_believed(crashed: Made, closed: Made) -> None:
    for folder, truth in (crashed, closed):
        assert verdict(folder, truth) is Verdict.HARMLESS
        assert verdict(folder, truth, full=False) is Verdict.HARMLESS


@pytest.mark.parametrize("full", [True, False])
def test_turned_bits_are_noticed_or_change_nothing(
    crashed: Made, closed: Made, *, full: bool
) -> None:
    assert check(crashed, faults(crashed[0], Flip, 40, 1), full=full) > 30
    assert check(closed, faults(closed[0], Flip, 40, 2), full=full) > 10


@pytest.mark.parametrize("full", [True, False])
def test_files_that_end_too_early_are_noticed(crashed: Made, closed: Made, *, full: bool) -> None:
    assert check(crashed, faults(crashed[0], Cut, 25, 3), full=full) == 25
    assert check(closed, faults(closed[0], Cut, 25, 4), full=full) == 25


def test_every_bit_of_the_header_is_noticed_or_changes_nothing(closed: Made) -> None:
    tried: list[Fault] = [Flip("noljima.db", at, at % 8) for at in range(100)]

    assert check(closed, tried, full=True) > 30


def test_every_byte_of_a_row_of_the_journal_is_noticed(closed: Made) -> None:
    content = (closed[0] / "noljima.db").read_bytes()
    at = content.index(b'{"kind":"Batch"')
    tried: list[Fault] = [Flip("noljima.db", byte, byte % 8) for byte in range(at - 48, at + 60)]

    assert check(closed, tried, full=True) == len(tried)


def test_cuts_at_the_bounds_of_what_is_in_the_log_are_noticed(crashed: Made) -> None:
    size = sizes_of(crashed[0])["noljima.db-wal"]
    frame = 4096 + 24
    bounds = range(size, 0, -frame)
    tried: list[Fault] = [Cut("noljima.db-wal", at) for at in list(bounds)[1:40]]

    assert check(crashed, [*tried, Cut("noljima.db-wal", 0)], full=False) == len(tried) + 1


def test_sectors_of_zeros_are_noticed_or_change_nothing(crashed: Made, closed: Made) -> None:
    check(crashed, faults(crashed[0], Blank, 25, 5), full=True)
    assert check(closed, faults(closed[0], Blank, 25, 6), full=True) > 10


def test_missing_files_are_noticed(crashed: Made) -> None:
    assert check(crashed, [Gone("noljima.db"), Gone("noljima.db-wal")], full=False) == 2


def test_an_older_log_beside_the_database_is_noticed(crashed: Made) -> None:
    folder, truth = crashed
    log = folder / "noljima.db-wal"
    content = log.read_bytes()
    with damaged(folder, Cut("noljima.db-wal", len(content) // 2)):
        # The rest of the file from an earlier time: frames of another generation.
        log.write_bytes(log.read_bytes() + bytes(len(content) // 2))

        assert verdict(folder, truth) is Verdict.NOTICED


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("full", [True, False])
def test_three_hundred_turned_bits(crashed: Made, closed: Made, *, full: bool) -> None:
    check(crashed, faults(crashed[0], Flip, 300, 11), full=full)
    check(closed, faults(closed[0], Flip, 300, 12), full=full)
