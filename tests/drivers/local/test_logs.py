"""Logs: a beginning and an end within a size, and readers who know what is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.drivers.local import logs
from noljima.drivers.local.shim.logs import Log


def written(folder: Path, chunks: list[bytes], bytes_max: int) -> Log:
    """Write chunks through a pipe, as a worker does."""
    source, sink = os.pipe()
    log = Log(str(folder), 3, source, bytes_max)
    for chunk in chunks:
        for at in range(0, len(chunk), 50_000):
            os.write(sink, chunk[at : at + 50_000])
            log.drain()
    os.close(sink)
    assert not log.take()
    log.close()
    return log


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=400), max_size=20),
    bytes_max=st.integers(1024, 3000),
)
def test_what_is_kept_is_the_beginning_and_the_end(
    chunks: list[bytes], bytes_max: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    whole = b"".join(chunks)
    log = written(folder, chunks, bytes_max)
    kept = logs.parts(folder, 3)

    assert log.written == logs.length(folder, 3) == len(whole)
    assert sum(part.end - part.start for part in kept) <= bytes_max
    for part in kept:
        assert part.path.read_bytes() == whole[part.start : part.end]
    if whole:
        assert kept[0].start == 0
        assert kept[0].end >= min(len(whole), bytes_max // 4)
        # Of the end there is at least the older of the two files that it is in.
        assert kept[-1].end - kept[-2 if len(kept) > 2 else -1].start >= min(
            len(whole) - kept[0].end, (bytes_max - bytes_max // 4) // 2 - 1
        )


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=400), max_size=20),
    size=st.integers(1, 700),
)
def test_reading_on_gives_everything_that_is_kept_once(
    chunks: list[bytes], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    whole = b"".join(chunks)
    written(folder, chunks, 1024)
    at, seen = 0, 0
    while piece := logs.read(folder, 3, at, size).text and logs.read(folder, 3, at, size):
        assert piece.start >= at
        assert piece.text == whole[piece.start : piece.end]
        seen += len(piece.text)
        at = piece.end

    assert at == len(whole)
    assert seen == sum(part.end - part.start for part in logs.parts(folder))


def test_a_reader_sees_the_gap(tmp_path: Path) -> None:
    written(tmp_path, [b"a" * 5000], 1024)
    head = logs.read(tmp_path, 3)
    after = logs.read(tmp_path, 3, head.end)

    assert (head.start, head.end) == (0, 256)
    assert after.start > head.end
    assert logs.read(tmp_path, 3, 5000).text == b""


def test_other_files_are_no_logs(tmp_path: Path) -> None:
    for name in ("worker-0.log", "worker-x.0.log", "worker-0.0.log.old", "exit.json"):
        (tmp_path / name).write_text("x")

    assert logs.parts(tmp_path) == []
    assert logs.parts(tmp_path / "missing") == []
    assert logs.length(tmp_path, 0) == 0


def test_what_the_disk_does_not_take_is_counted(tmp_path: Path) -> None:
    """And what comes after it stands at its right place."""
    (tmp_path / "worker-3.0.log").mkdir()
    source, sink = os.pipe()
    log = Log(str(tmp_path), 3, source, 1024)
    os.write(sink, b"lost")
    log.drain()
    (tmp_path / "worker-3.0.log").rmdir()
    os.write(sink, b"kept")
    log.drain()
    os.close(sink)
    log.close()

    assert (log.written, log.lost) == (8, 4)
    assert logs.read(tmp_path, 3) == (4, b"kept")
