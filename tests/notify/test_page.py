"""The page on notifications says what is so."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from noljima.notify.kinds import SITE_KINDS, Kind
from noljima.notify.message import Message
from noljima.notify.opening import open_channels
from noljima.notify.settings import _Row, read_channels
from noljima.notify.signing import signed
from noljima.notify.webhook import payload

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_the_channels_on_the_page_can_be_opened(tmp_path: Path) -> None:
    for name, text in {"channels.toml": block("toml"), "kim.secret": SECRET}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    channels = open_channels(read_channels(tmp_path / "channels.toml"))

    assert [(each.name, each.timeout_s) for each in channels] == [("operators", 10.0), ("kim", 5.0)]


def test_every_key_and_every_kind_is_on_the_page() -> None:
    for field in msgspec.structs.fields(_Row):
        assert re.search(rf"^\| .*`{field.name}`", PAGE, re.MULTILINE), field.name
    for kind in Kind:
        yes = "yes " if kind in SITE_KINDS else ""
        assert re.search(rf"^\| `{kind}` \| .* \| {yes}\|$", PAGE, re.MULTILINE), kind


def test_the_function_on_the_page_knows_our_messages_from_others() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 - our own page
    is_ours = names["is_ours"]
    headers = signed([bytes(range(24)), bytes(32)], "17/failed/1", 1000.0, b"{}")

    assert is_ours(SECRET, headers, b"{}", 1200.0)
    assert not is_ours(SECRET, headers, b"{ }", 1200.0)
    assert not is_ours(SECRET, headers, b"{}", 1301.0)
    assert not is_ours(SECRET.replace("A", "B"), headers, b"{}", 1000.0)


def test_the_webhook_on_the_page_is_one() -> None:
    shown = msgspec.json.decode(block("json"))
    message = Message(
        what=Kind.FAILED,
        job="17",
        name="train bert",
        user="kim",
        at_s=1_794_997_600.0,
        why="worker 0 ended with code 3",
        ran_s=61.0,
    )
    made = msgspec.json.decode(payload(message, "17/failed/1"))
    text = shown["data"].pop("text").removesuffix("...")

    assert made["data"].pop("text").startswith(text)
    assert made == shown
    for field in msgspec.structs.fields(Message):
        if field.name not in {"wanted", "what"}:
            assert field.name in shown["data"] or f"`{field.name}`" in PAGE, field.name
