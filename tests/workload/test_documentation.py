"""docs/traces.md says what the code does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from noljima.model.resources import GPU
from noljima.workload import jsonl
from noljima.workload.selection import parse_filter
from noljima.workload.shape import shape

WriteFile = Callable[..., Path]

PAGE = (Path(__file__).parents[2] / "docs" / "traces.md").read_text(encoding="utf-8")


def test_the_example_of_our_format_can_be_read(write_file: WriteFile) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    trace = jsonl.read(write_file(example), strict=True)

    assert [job.job.id for job in trace.jobs] == ["a", "b"]
    assert trace.gpus == 64


@pytest.mark.parametrize("field", sorted({*jsonl.FIELDS, *jsonl.GROUP_FIELDS}))
def test_every_field_of_our_format_is_described(field: str) -> None:
    assert re.search(rf"^\|[^|\n]*`{field}`", PAGE, re.MULTILINE)


def test_the_table_of_shapes_is_what_shape_does() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) workers? of (\d+) \|", PAGE, re.MULTILINE)

    assert len(rows) == 4
    for gpus, workers, each in rows:
        (group,) = shape(int(gpus), 8).groups
        assert (group.workers, group.each.gpu_milli) == (int(workers), int(each) * GPU)


def test_every_filter_named_on_the_page_exists() -> None:
    for key in ("id", "user", "name", "queue", "cluster", "outcome", "gpus", "workers", "run"):
        assert f"`{key}`" in PAGE
        parse_filter(f"{key}=1")
