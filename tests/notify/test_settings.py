"""Channels as an operator writes them: read, refused in words, and never shown."""

from __future__ import annotations

import base64
import importlib.util
import pickle
from pathlib import Path

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.notify.kinds import SITE_KINDS, Kind
from noljima.notify.message import Message
from noljima.notify.opening import open_channels
from noljima.notify.settings import Route, channels_of, read_channels
from noljima.service.settings import read_file, settings_of

# What apprise imports for PGP, wherever it is loaded first.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")

KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
HOOK = {"name": "hook", "webhook": "https://example.org/T0KEN", "secret": KEY}
FILE = """
site_kinds = ["failed", "ended"]

[[channels]]
name = "operators"
url = "json://user:passw0rd@127.0.0.1:9/"
kinds = ["failed", "ended", "promise-missed"]

[[channels]]
name = "kim"
webhook = "https://example.org:8443/T0KEN?k=v"
secret_file = "kim.secret"
users = ["kim"]
timeout_s = 3
"""


def written(folder: Path, text: str = FILE, mode: int = 0o600) -> Path:
    for name, content in {"channels.toml": text, "kim.secret": KEY + "\n"}.items():
        (folder / name).write_text(content)
        (folder / name).chmod(mode)
    return folder / "channels.toml"


def message(what: Kind, user: str = "kim", wanted: tuple[str, ...] = ()) -> Message:
    return Message(what=what, job="1", at_s=0.0, user=user, wanted=wanted)


def test_a_file_of_channels_is_read_and_nothing_in_it_is_shown(tmp_path: Path) -> None:
    operators, kim = read_channels(written(tmp_path))
    opened = open_channels((operators, kim))

    assert (operators.name, operators.timeout_s, kim.name, kim.timeout_s) == (
        ("operators", 10.0, "kim", 3.0)
    )
    assert operators.route.kinds == {Kind.FAILED, Kind.ENDED, Kind.PROMISE_MISSED}
    assert kim.route.site_kinds == {Kind.FAILED, Kind.ENDED}
    assert kim.webhook is not None
    assert kim.webhook.path.reveal() == "/T0KEN?k=v"
    assert str(kim.webhook) == "example.org:8443"
    shown = f"{operators!r} {kim!r} {kim} {opened!r} {[vars(each) for each in opened[1:]]!r}"
    for hidden in ("passw0rd", "T0KEN", KEY, KEY[6:]):
        assert hidden not in shown
    with pytest.raises(TypeError, match="a secret is not written down"):
        pickle.dumps(kim.keys[0])


def test_the_site_s_channels_hear_of_everybody_and_people_of_what_they_want() -> None:
    site = Route(kinds=frozenset({Kind.FAILED}))
    kim = Route(users=frozenset({"kim"}))

    assert site.takes(message(Kind.FAILED, "lee", ("none",)))
    assert not site.takes(message(Kind.ENDED, "lee", ("all",)))
    assert not kim.takes(message(Kind.FAILED, "lee"))
    assert [kind for kind in Kind if kim.takes(message(kind))] == [
        kind for kind in Kind if kind in SITE_KINDS
    ]
    assert all(kim.takes(message(kind, wanted=("all",))) for kind in Kind)
    assert not any(kim.takes(message(kind, wanted=("none",))) for kind in Kind)
    assert kim.takes(message(Kind.STARTED, wanted=("started",)))
    assert kim.takes(message(Kind.FAILED, wanted=("of-another-version",)))
    assert not kim.takes(message(Kind.STARTED, wanted=("of-another-version",)))


REFUSED = {
    "channels.hook: 'hook' needs either url or webhook": {"name": "hook"},
    "and not both": {**HOOK, "url": "json://localhost"},
    "channels.hook.webhook: (hidden) is not https, without": {
        **HOOK,
        "webhook": "http://example.org/T0KEN",
    },
    "(hidden) is not https:// and a host": {**HOOK, "webhook": "ftp://example.org/T0KEN"},
    "(hidden) has a user name or a fragment": {**HOOK, "webhook": "https://T0KEN@example.org/"},
    "(hidden) is not 1 to 2,048 characters": {**HOOK, "webhook": "https://h/T0KEN\r\nX: y"},
    "(hidden) is not an address": {**HOOK, "webhook": "https://h:70000/T0KEN"},
    "needs either secret or secret_file": {"name": "hook", "webhook": "https://example.org"},
    "secret: (hidden) does not begin with whsec_": {**HOOK, "secret": "T0KEN"},
    "secret: (hidden) is not base64": {**HOOK, "secret": "whsec_T0KEN!"},
    "secret: (hidden) holds 3 bytes, which is outside 24 to 64": {**HOOK, "secret": "whsec_T0KE"},
    "Expected `float`, got `str` - at `$.channels[0].timeout_s`": {**HOOK, "timeout_s": "1"},
    "channels.hook.timeout_s: 1000.0 is outside 0.1 to 120 s": {**HOOK, "timeout_s": 1000.0},
    "channels.hook.kinds: 'faild' is none of": {**HOOK, "kinds": ["faild"]},
    "unknown field `secrets`": {**HOOK, "secrets": "T0KEN"},
    "a secret has to be text": {**HOOK, "secret": 7},
    "has a secret, which only a webhook needs": {"name": "a", "url": "json://h", "secret": KEY},
    "channel name: '' is not 1 to 64": {**HOOK, "name": ""},
    "secret_file: '/nowhere/at/all' cannot be read: No such file": {
        "name": "hook",
        "webhook": "https://example.org",
        "secret_file": "/nowhere/at/all",
    },
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_no_channel_can_be_is_refused_in_words_without_its_secrets(words: str) -> None:
    with pytest.raises(InvalidFieldError) as refusal:
        channels_of({"channels": [REFUSED[words]]}, Path("/"))

    assert words in str(refusal.value)
    assert "T0KE" not in str(refusal.value)


def test_two_channels_have_two_names() -> None:
    with pytest.raises(InvalidFieldError, match=r"^channel name: 'hook' is there twice"):
        channels_of({"channels": [HOOK, HOOK]}, Path("/"))


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFieldError, match="has mode 644 and holds secrets; chmod 600 it"):
        read_channels(written(tmp_path, mode=0o644))
    path = written(tmp_path)
    (tmp_path / "kim.secret").chmod(0o640)
    with pytest.raises(InvalidFieldError, match=r"channels\.kim\.secret_file: .* has mode 640"):
        read_channels(path)


def test_a_scheduler_s_own_settings_are_refused_where_others_can_read_channels_in_them(
    tmp_path: Path,
) -> None:
    assert read_file(written(tmp_path))["channels"]
    with pytest.raises(InvalidFieldError, match="has mode 644 and holds secrets; chmod 600 it"):
        read_file(written(tmp_path, mode=0o644))
    assert "channels" not in read_file(written(tmp_path, "gpus = 8", 0o644))


def test_a_scheduler_s_own_settings_show_no_secret(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "state", written(tmp_path), {})

    assert [channel.name for channel in settings.channels] == ["operators", "kim"]
    assert [channel.route.site_kinds for channel in settings.channels] == [
        {Kind.FAILED, Kind.ENDED}
    ] * 2
    assert "(hidden)" in repr(settings)
    for hidden in ("passw0rd", "T0KEN", KEY, KEY[6:]):
        assert hidden not in repr(settings)


@pytest.mark.parametrize("text", ["T0KEN = ", "\udcff", 'a = "T0KEN'])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    path = written(tmp_path)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InvalidFieldError, match="cannot be read") as refusal:
        read_channels(path)

    assert "T0KEN" not in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFieldError, match="cannot be read: No such file"):
        read_channels(tmp_path / "none.toml")


def test_without_apprise_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (channel,) = channels_of({"channels": [{"name": "a", "url": "json://T0KEN"}]}, Path("/"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    words = r"^channels\.a\.url: \(hidden\) needs apprise: pip install 'noljima\[notify\]'$"
    with pytest.raises(InvalidFieldError, match=words):
        open_channels((channel,))
