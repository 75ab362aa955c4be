"""Real programs that hang are found, and real ones that are only silent are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from noljima.testing.hangs.real.__main__ import lines
from noljima.testing.hangs.real.hangs import HANGS
from noljima.testing.hangs.real.silences import SILENCES
from noljima.testing.hangs.real.watch import RUNGS, Seen, ended_wrongly, missed, watch

PAGE = Path(__file__).parents[2] / "docs" / "health.md"


def seen(name: str, *rungs: str, outcome: str = "succeeded", **fields: object) -> Seen:
    parts = HANGS | SILENCES
    evidence = tuple(f"{rung}: why" for rung in rungs)
    made = Seen(name=name, job="1", part=parts[name], outcome=outcome, evidence=evidence)
    return replace(made, **fields)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_hangs_are_found_and_real_silences_are_left_alone() -> None:
    found = watch()

    assert len(found) == len(HANGS) + len(SILENCES)
    assert [(each.name, each.outcome, each.words) for each in ended_wrongly(found)] == []
    assert [(each.name, each.worst, each.evidence) for each in missed(found)] == []
    for each in found:
        if each.part.rung == "end":
            assert each.words.startswith("it is ended, and not started again")
        elif each.part.rung:
            # Told, and left to its owner.
            assert each.outcome == ""
        else:
            # It was silent for longer than who shows no life may be, and went on by itself.
            assert each.quiet_s is not None
            assert each.quiet_s > 65.0


def test_there_are_at_least_ten_kinds_of_hang_and_thirteen_of_silence() -> None:
    assert len(HANGS) >= 10
    assert len(SILENCES) >= 13
    assert {part.rung for part in HANGS.values()} == set(RUNGS)
    assert {part.rung for part in SILENCES.values()} == {""}


def test_a_silence_that_does_not_end_well_is_counted_as_ended_wrongly() -> None:
    fine, ended, lost = (
        seen("compile", "suspect"),
        seen("download", "stalled", "end", outcome="failed"),
        seen("evaluation", outcome=""),
    )

    assert ended_wrongly([fine, ended, lost, seen("silent sleep", outcome="failed")]) == [
        ended,
        lost,
    ]


@pytest.mark.parametrize(
    ("name", "rungs", "outcome"),
    [
        ("silent sleep", (), ""),
        ("silent sleep", ("suspect", "stalled"), ""),
        # Guards have held it back.
        ("silent sleep", ("stalled", "end"), ""),
        ("NaN loop", (), ""),
        ("NaN loop", ("suspect", "stalled"), ""),
        ("NaN loop", ("suspect",), "failed"),
    ],
)
def test_a_hang_of_which_less_or_more_is_said_than_the_page_says_is_missed(
    name: str, rungs: tuple[str, ...], outcome: str
) -> None:
    assert missed([seen(name, *rungs, outcome=outcome)])


def test_a_hang_of_which_as_much_is_said_as_the_page_says_is_found() -> None:
    found = [
        seen("silent sleep", "stalled", "end", outcome="failed"),
        seen("without reports", "suspect", "stalled", outcome=""),
        seen("NaN loop", "suspect", outcome=""),
    ]

    assert missed(found) == []


def test_times_are_told_from_the_moment_at_which_it_fell_silent() -> None:
    ended = seen(
        "silent sleep",
        "stalled",
        "end",
        outcome="failed",
        silent_s=100.0,
        ended_s=190.0,
        rungs={"stalled": 165.0, "end": 188.0},
    )
    back = seen("compile", silent_s=100.0, back_s=178.0)

    assert [ended.after_s(rung) for rung in RUNGS] == [None, 65.0, 90.0]
    assert back.quiet_s == 78.0


def test_the_tables_have_a_row_for_each_and_tell_what_it_comes_to() -> None:
    found = [
        seen("silent sleep", "stalled", "end", outcome="failed", silent_s=1.0, ended_s=91.0),
        seen("NaN loop", outcome=""),
        seen("compile", silent_s=1.0, back_s=79.0),
        seen("download", "end", outcome="failed", words="it is ended"),
    ]
    told = list(lines(found))

    assert "| silent sleep | it sleeps | 1 | - | - | 90 s |" in told
    assert "| compile | a compiler of its own computes | 1 | 78 s | - | - | no |" in told
    assert told[-4].startswith("| download |")
    assert told[-4].endswith("| it is ended |")
    assert told[-2:] == [
        "found as they are to be: 1 of 2 kinds of hang",
        "ended although not stuck: 1 of 2",
    ]


def test_the_page_has_every_kind_with_what_is_said_of_it() -> None:
    rows = {
        cells[0]: cells[1:]
        for line in PAGE.read_text(encoding="utf-8")
        .partition("\n### Real programs")[2]
        .splitlines()
        if line.startswith("| ")
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }

    for name, part in HANGS.items():
        how, workers, *after = rows[name]
        assert (how, workers) == (part.how, str(part.workers))
        told = [rung for rung, cell in zip(RUNGS, after, strict=True) if cell != "-"]
        assert told[-1] == part.rung
    for name, part in SILENCES.items():
        how, workers, _, _, _, ended = rows[name]
        assert (how, workers, ended) == (part.how, str(part.workers), "no")
