"""Output that is anything at all: the reader never fails, keeps little, and tells sane numbers."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import STEPS_MAX
from noljima.prediction.progress.lines import LINE_BYTES_MAX
from noljima.prediction.progress.observation import Observation
from noljima.prediction.progress.reader import Reader

SAMPLES = [path.read_bytes() for path in sorted((Path(__file__).parent / "samples").glob("*.log"))]
COUNTS = st.one_of(st.integers(0, 30), st.integers(0, 10**20), st.sampled_from(["1.2k", "?", "3G"]))
LABELS = st.sampled_from(
    ["", "Epoch 1", "Epoch 0/3", "Epochs", "train", "val", "x", "Loading", "Epoch 7/2", "y|z"]
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Draw a line that looks like progress, more or less."""
    label, step, total = draw(LABELS), draw(COUNTS), draw(COUNTS)
    line = draw(
        st.sampled_from(
            [
                f"{label}:  1%|## | {step}/{total} [00:01<00:02, 1.5it/s]",
                f"{label} ━━━╸━━━ {step}/{total} 0:00:01 • 0:00:02 3it/s",
                f"{step}/{total} [==>...] - ETA: 3s",
                f"{step}/Unknown - 0s 2ms/step",
                f"{step}it [00:05, 2it/s]",
                f"Epoch {step}/{total}",
                f"{{'loss': 0.1, 'epoch': {step}}}",
                f"Num Epochs = {total}",
            ]
        )
    )
    return line.encode() + draw(st.sampled_from([b"\n", b"\r", b"\x1b[A", b"\x08\x08", b""]))


OUTPUTS = st.lists(
    st.one_of(lines(), st.binary(max_size=40), st.sampled_from(SAMPLES)), max_size=20
)


def checked(observation: Observation) -> None:
    place = observation.place()
    assert 0.0 <= observation.step <= STEPS_MAX
    assert observation.epochs is None or observation.epochs > 0.0
    if place is not None:
        assert place[0] >= 0.0
        assert place[1] is None or place[1] >= 0.0
    assert observation.fraction is None or observation.fraction >= 0.0


@given(chunks=st.lists(st.one_of(st.binary(max_size=300), st.text(max_size=100)), max_size=10))
def test_arbitrary_bytes_and_text_never_raise(chunks: list[bytes | str]) -> None:
    reader = Reader()
    for chunk in chunks:
        for observation in reader.feed(chunk):
            checked(observation)


@given(chunks=OUTPUTS)
def test_output_like_progress_never_raises_and_numbers_are_sane(chunks: list[bytes]) -> None:
    reader = Reader()
    for chunk in chunks:
        for observation in reader.feed(chunk):
            checked(observation)


@given(output=st.sampled_from(SAMPLES), flips=st.lists(st.tuples(st.integers(0), st.binary())))
def test_damaged_samples_never_raise(output: bytes, flips: list[tuple[int, bytes]]) -> None:
    damaged = bytearray(output)
    for where, junk in flips:
        first = where % len(damaged)
        damaged[first : first + len(junk)] = junk
    for observation in Reader().feed(bytes(damaged)):
        checked(observation)


def kept_bytes(root: object) -> int:
    """Count the bytes of an object and of everything that it holds, classes aside."""
    seen: set[int] = set()
    todo, size = [root], 0
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type):
            continue
        seen.add(id(one))
        size += sys.getsizeof(one)
        if isinstance(one, dict):
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, tuple | list):
            todo += one
        elif hasattr(one, "__dict__"):
            todo += vars(one).values()
        elif hasattr(one, "__struct_fields__"):
            todo += [getattr(one, name) for name in one.__struct_fields__]
    return size


@given(chunks=OUTPUTS, junk=st.binary(min_size=1, max_size=3))
def test_what_is_kept_does_not_grow_with_what_was_read(chunks: list[bytes], junk: bytes) -> None:
    reader = Reader()
    for chunk in [*chunks, junk * 20_000]:
        reader.feed(chunk)

    assert kept_bytes(reader) < 4 * LINE_BYTES_MAX + 8192
