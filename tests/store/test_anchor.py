"""The anchor says how far the journal must reach, whatever a crash does to it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.store.anchor import Anchor, create_anchor, read_anchor
from noljima.store.chain import Head
from noljima.store.faults import Fault, StateError

HEADS = [Head(number, bytes([number]) * 32) for number in range(1, 9)]


def anchored(path: Path, *heads: Head) -> Path:
    create_anchor(path, "a-state", heads[0])
    with closing(Anchor(path, read_anchor(path))) as anchor:
        for head in heads[1:]:
            anchor.set(head)
    return path


def test_the_last_head_is_read(tmp_path: Path) -> None:
    for count in range(1, len(HEADS) + 1):
        found = read_anchor(anchored(tmp_path / "anchor", *HEADS[:count]))

        assert found.head == HEADS[count - 1]
        assert found.state == "a-state"
        assert found.words == ""


def test_people_can_read_it(tmp_path: Path) -> None:
    words = anchored(tmp_path / "anchor", *HEADS[:2]).read_bytes().split(b"\0")[0].decode()

    assert words.startswith("noljima-anchor 1 a-state 1 0101")


@given(cut=st.integers(0, 255), slot=st.integers(0, 1))
def test_a_torn_slot_leaves_the_other(
    tmp_path_factory: pytest.TempPathFactory, cut: int, slot: int
) -> None:
    path = anchored(tmp_path_factory.mktemp("anchor") / "anchor", *HEADS[:4])
    content = bytearray(path.read_bytes())
    at = slot * 4096
    content[at + cut : at + 256] = b"\xee" * (256 - cut)
    path.write_bytes(content)

    found = read_anchor(path)

    # The fourth head is in the second slot.
    assert found.head == (HEADS[2] if slot else HEADS[3])
    assert f"slot {slot} of the anchor was spoiled" in found.words


def test_a_turned_bit_is_never_believed(tmp_path: Path) -> None:
    path = anchored(tmp_path / "anchor", *HEADS[:4])
    content = path.read_bytes()
    for at in (*range(0, 256, 3), *range(4096, 4096 + 256, 3)):
        for bit in (1, 128):
            spoiled = bytearray(content)
            spoiled[at] ^= bit
            path.write_bytes(spoiled)

            found = read_anchor(path)

            assert found.head in (HEADS[2], HEADS[3])
            assert found.head == HEADS[3] or found.words


@pytest.mark.parametrize("content", [b"", b"\0" * 8192, b"nonsense" * 2000])
def test_a_spoiled_anchor_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "anchor"
    path.write_bytes(content)

    with pytest.raises(StateError, match="damaged in both of its slots") as caught:
        read_anchor(path)

    assert caught.value.fault is Fault.DAMAGED


def test_a_missing_anchor_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="nobody knows where the journal ends") as caught:
        read_anchor(tmp_path / "anchor")

    assert caught.value.fault is Fault.MISSING


def test_an_anchor_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "anchor").mkdir()

    with pytest.raises(StateError, match="cannot be read"):
        read_anchor(tmp_path / "anchor")
