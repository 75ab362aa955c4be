"""Webhooks over real connections of this machine, to receivers that do what they should not."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

import pytest

from noljima.notify.address import address_of
from noljima.notify.channel import ChannelError
from noljima.notify.kinds import Kind
from noljima.notify.message import Message
from noljima.notify.secret import Secret
from noljima.notify.settings import Route
from noljima.notify.signing import verify
from noljima.notify.webhook import Webhook
from noljima.testing.postbox import DRIP, ENDLESS, HANG, Receiver

KEY = bytes(range(32))
HERE = Path(__file__).parent
MESSAGE = Message(what=Kind.FAILED, job="17", user="kim", at_s=60.0, why="exit code 3")


def hook(url: str, context: ssl.SSLContext | None = None, timeout_s: float = 5.0) -> Webhook:
    address = address_of("webhook", Secret(url))
    return Webhook("hook", Route(), address, [KEY], timeout_s=timeout_s, context=context)


async def sent(receiver: Receiver, timeout_s: float = 5.0) -> str:
    """Send once; return what went wrong."""
    try:
        async with asyncio.timeout(timeout_s):
            await hook(receiver.url).send(MESSAGE, "17/failed/1", 1000.0)
    except ChannelError as error:
        return str(error)
    except TimeoutError:
        return "too late"
    return ""


def answered(*answers: int | bytes, timeout_s: float = 5.0) -> tuple[str, Receiver]:
    async def story() -> tuple[str, Receiver]:
        async with Receiver(*answers) as receiver:
            return await sent(receiver, timeout_s), receiver

    return asyncio.run(story())


def test_a_message_arrives_signed_and_whole() -> None:
    error, receiver = answered(204)
    (received,) = receiver.received

    assert error == ""
    verify([KEY], received.headers, received.body, 1000.0)
    assert received.headers["webhook-id"] == "17/failed/1"
    assert received.headers["content-type"] == "application/json"
    assert received.path == "/hook?token=t0ken"
    body = json.loads(received.body)
    assert (body["type"], body["timestamp"]) == ("job.failed", "1970-01-01T00:01:00+00:00")
    assert body["data"]["notice"] == "17/failed/1"
    assert body["data"]["subject"] == "Job 17 has failed"
    assert {key: body["data"][key] for key in ("job", "user", "why", "at_s")} == {
        "job": "17",
        "user": "kim",
        "why": "exit code 3",
        "at_s": 60.0,
    }


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (500, "answered 500"),
        (429, "answered 429"),
        (404, "answered 404"),
        (301, "answered 301, and redirects are not followed"),
        (307, "answered 307, and redirects are not followed"),
        (b"", "broke off: no answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "does not answer in HTTP"),
        (b"H" * 100_000, "does not answer in HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "does not answer in HTTP"),
        (b"HTTP/1.1 100 Continue\r\n" + b"X: y\r\n" * 9000, "does not answer in HTTP"),
    ],
)
def test_what_is_no_good_answer_is_a_failure_in_words(answer: int | bytes, words: str) -> None:
    error, receiver = answered(answer)

    assert error == f"127.0.0.1:{receiver.port} {words}"
    assert len(receiver.received) == receiver.connections == 1


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n", ENDLESS]
)
def test_a_good_answer_is_good_whatever_comes_before_and_behind_it(answer: bytes) -> None:
    assert answered(answer)[0] == ""


@pytest.mark.parametrize("answer", [HANG, DRIP])
def test_who_hangs_or_dribbles_is_left_in_time(answer: bytes) -> None:
    assert answered(answer, timeout_s=0.2)[0] == "too late"


def test_nobody_there_is_a_failure_in_words() -> None:
    async def story() -> str:
        async with Receiver() as receiver:
            pass
        return await sent(receiver)

    assert "cannot be reached: " in asyncio.run(story())


def test_only_certificates_that_are_good_are_believed() -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(HERE / "certificate.pem", HERE / "certificate.key")
    ours = ssl.create_default_context(cafile=HERE / "certificate.pem")

    async def story() -> list[int]:
        async with Receiver(context=server) as receiver:
            url = receiver.url
            with pytest.raises(ChannelError, match=r"^the certificate of .* is not good"):
                await hook(url).send(MESSAGE, "k", 0.0)
            refused = len(receiver.received)
            await hook(url, ours).send(MESSAGE, "k", 0.0)
            return [refused, len(receiver.received)]

    assert asyncio.run(story()) == [0, 1]
