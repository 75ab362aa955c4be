"""apprise, the real one, speaking to a server of this machine; hanging, refused and quiet."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.notify.apprising import Apprised
from noljima.notify.channel import ChannelError
from noljima.notify.kinds import Kind
from noljima.notify.message import Message
from noljima.notify.secret import Secret
from noljima.notify.settings import Route, channels_of
from noljima.testing.postbox import HANG, Receiver

# What apprise imports for mail.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")

MESSAGE = Message(what=Kind.FAILED, job="17", name="<b>", user="kim", at_s=60.0)


def channel(url: str) -> Apprised:
    return Apprised("ops", Route(), Secret(url), timeout_s=5.0)


def url_of(receiver: Receiver) -> str:
    return f"json://kim:passw0rd@127.0.0.1:{receiver.port}/?rto=60"


def test_a_message_goes_where_apprise_sends_it() -> None:
    async def story() -> Receiver:
        async with Receiver() as receiver:
            await channel(url_of(receiver)).send(MESSAGE, "k", 0.0)
            return receiver

    (received,) = asyncio.run(story()).received
    body = json.loads(received.body)
    assert body["title"] == "Job 17 (<b>) has failed"
    assert "Job 17 (<b>) of kim has failed" in body["message"]
    assert body["type"] == "failure"


def test_a_refusal_is_told_with_its_status_and_without_the_address(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story() -> str:
        async with Receiver(401) as receiver:
            with pytest.raises(ChannelError) as refusal:
                await channel(url_of(receiver)).send(MESSAGE, "k", 0.0)
            return str(refusal.value)

    with caplog.at_level(logging.DEBUG):
        error = asyncio.run(story())

    assert error == "the service has not taken the message: it answered 401"
    assert "passw0rd" not in caplog.text + "".join(capfd.readouterr())


def test_a_service_that_hangs_holds_up_one_thread_and_nobody() -> None:
    async def story() -> tuple[list[str], list[str]]:
        errors = []
        async with Receiver(HANG, HANG) as receiver:
            hanging = channel(url_of(receiver))
            before = set(threading.enumerate())
            for timeout_s in (0.3, 0.3):
                try:
                    async with asyncio.timeout(timeout_s):
                        await hanging.send(MESSAGE, "k", 0.0)
                except (ChannelError, TimeoutError) as error:
                    errors.append(str(error))
            more = [thread.name for thread in set(threading.enumerate()) - before]
        thread = hanging._thread
        assert thread is not None
        # Its server is gone now: it ends, and the next message is sent again.
        await asyncio.to_thread(thread.join, 10.0)
        async with Receiver() as other:
            hanging._service = channel(url_of(other))._service
            await hanging.send(MESSAGE, "k", 0.0)
            assert len(other.received) == 1
        return errors, more

    errors, more = asyncio.run(story())
    assert errors == ["", "the message before has not been sent yet, and hangs"]
    assert more == ["notify ops"]


@pytest.mark.parametrize("url", ["nothing", "no-such-service://T0KEN", "slack://T0KEN"])
def test_an_address_that_apprise_does_not_know_is_refused_unseen(
    url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidFieldError) as refusal:
        channel(url)

    assert str(refusal.value) == (
        "channels.ops.url: (hidden) is no address that apprise understands"
    )
    assert "T0KEN" not in caplog.text + "".join(capfd.readouterr())


def test_apprise_is_loaded_only_where_a_channel_needs_it() -> None:
    check = (
        "import sys; from noljima.notify import opening, pump, settings;"
        "sys.exit('apprise' in sys.modules or 'requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0  # noqa: S603 - our own
    (read,) = channels_of({"channels": [{"name": "a", "url": "json://localhost"}]}, Path("/"))
    assert read.service is not None
