"""docs/health.md names every setting, every pattern and every Xid, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from noljima.config import HealthSettings
from noljima.health import Monitor, xids
from noljima.health.findings import Kind, Rung
from noljima.testing.hangs import patterns

PAGE = (Path(__file__).parents[2] / "docs" / "health.md").read_text(encoding="utf-8")


def test_the_example_says_what_the_page_says() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "health.md", "exec"), names)  # noqa: S102 - our own page
    found, monitor = names["found"], names["monitor"]

    assert [(verdict.rung, verdict.at_s) for verdict in found] == [
        (Rung.STALLED, 1810.0),
        (Rung.END, 2410.0),
    ]
    assert isinstance(monitor, Monitor)
    standing = monitor.standing(found[0].job)
    assert standing is not None
    assert standing.rung is Rung.END


def test_every_setting_has_its_row_with_its_default() -> None:
    for field in msgspec.structs.fields(HealthSettings):
        default = field.default
        shown = str(default).lower() if isinstance(default, bool) else f"{default:g}"
        assert re.search(rf"^\| `health\.{field.name}` \| .* \| {shown} \|$", PAGE, re.MULTILINE), (
            field.name
        )


def test_every_kind_and_every_rung_has_its_row() -> None:
    for name in (*Kind, *Rung):
        assert f"\n| `{name}` | " in PAGE
    for kind in Kind:
        assert f"\n| `{kind}` | {kind.source} | " in PAGE


def test_every_pattern_has_its_row() -> None:
    for name in (*patterns.STUCK, *patterns.HARMLESS):
        assert f"\n| {name} | " in PAGE


def test_every_xid_of_the_table_stands_in_one_row() -> None:
    rows = re.findall(r"^\| ([\d, –]+) \|", PAGE, re.MULTILINE)  # noqa: RUF001 - as on the page
    shown: list[int] = []
    for row in rows:
        for part in row.split(", "):
            first, _, last = part.partition("–")  # noqa: RUF001 - as on the page
            shown += range(int(first), int(last or first) + 1)

    assert sorted(shown) == sorted([*xids.TABLE, xids.RECOVERY])
