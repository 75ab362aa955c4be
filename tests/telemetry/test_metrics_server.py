"""The metrics over real connections, to clients that are slow, rude or many."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from noljima.telemetry import metrics_server
from noljima.telemetry.metrics import Figures
from noljima.telemetry.metrics_server import CLIENTS_MAX, MetricsServer, Patience
from noljima.testing.workshop import until

T = TypeVar("T")
SHORT = Patience(ask_s=0.2, answer_s=0.3)


def served(
    story: Callable[[MetricsServer, int], Awaitable[T]],
    figures: Callable[[], Figures] = Figures,
    ill: str = "",
    patience: Patience = SHORT,
) -> tuple[T, list[str]]:
    """Serve while a story goes on; return what came of it, and the warnings."""
    warnings: list[str] = []

    async def main() -> T:
        server = MetricsServer(figures, lambda: ill, warn=warnings.append, patience=patience)
        async with server, asyncio.timeout(20.0):
            return await story(server, await server.open(port=0))

    return asyncio.run(main()), warnings


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()


def answer_to(request: bytes, figures: Callable[[], Figures] = Figures, ill: str = "") -> bytes:
    return served(lambda _, port: asked(port, request), figures, ill)[0]


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def test_prometheus_can_fetch_and_read_it() -> None:
    def fetched(port: int) -> tuple[str, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
            return response.headers["Content-Type"], response.read().decode()

    async def story(_: MetricsServer, port: int) -> tuple[str, str]:
        return await asyncio.to_thread(fetched, port)

    (kind, text), _ = served(story, lambda: Figures(gpus=8))

    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    names = {family.name for family in text_string_to_metric_families(text)}
    assert names == {"noljima_build_info", "noljima_gpus"}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/metrics?a=b"), b"200 OK"),
        (get("/healthz"), b"200 OK"),
        (get("/"), b"404 Not Found"),
        (get("/metrics/"), b"404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"HEAD /healthz HTTP/1.0\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\n\r\n", b"400 Bad Request"),
        (b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 4000 + b"\r\n", b"400 Bad Request"),
    ],
)
def test_it_answers_two_questions_and_refuses_all_others(request_: bytes, status: bytes) -> None:
    answer = answer_to(request_)
    # What sends more than is read may lose the answer with the connection; never more than that.
    assert answer.startswith(b"HTTP/1.1 " + status) or (len(request_) > 9999 and answer == b"reset")


def test_health_is_told_in_words() -> None:
    assert answer_to(get("/healthz")).endswith(b"\r\n\r\nok\n")
    ill = answer_to(get("/healthz"), ill="the state is closed")
    assert ill.startswith(b"HTTP/1.1 503 ")
    assert ill.endswith(b"\r\n\r\nthe state is closed\n")


def test_figures_that_cannot_be_made_are_told_of_once_and_harm_nothing() -> None:
    def broken() -> Figures:
        raise ZeroDivisionError("k3pt")

    async def story(_: MetricsServer, port: int) -> list[bytes]:
        return [await asked(port, get(path)) for path in ("/metrics", "/metrics", "/healthz")]

    answers, warnings = served(story, broken)

    assert [answer[9:12] for answer in answers] == [b"500", b"500", b"200"]
    assert b"k3pt" not in answers[0]
    assert warnings == ["the metrics cannot be made: ZeroDivisionError: k3pt"]


def test_it_is_on_loopback_unless_somebody_says_otherwise() -> None:
    async def story(server: MetricsServer, port: int) -> str:  # noqa: ARG001 - the address only
        assert server._server is not None
        return str(server._server.sockets[0].getsockname()[0])

    assert served(story)[0] == "127.0.0.1"


def test_who_asks_slowly_is_left_and_others_are_served_meanwhile() -> None:
    async def story(_: MetricsServer, port: int) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metr")
        other = await asked(port, get("/healthz"))
        try:
            slow = await reader.read()
        except ConnectionResetError:
            slow = b""
        writer.close()
        return slow, other

    (slow, other), _ = served(story)
    assert slow == b""
    assert other.startswith(b"HTTP/1.1 200 OK")


def test_who_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "render", lambda _: b"x" * (1 << 26))

    async def story(server: MetricsServer, port: int) -> int:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(get("/metrics"))
        await until(lambda: bool(server._clients))
        (client,) = server._clients
        await asyncio.wait([client])
        writer.transport.abort()
        return len(server._clients)

    assert served(story)[0] == 0


def test_no_more_than_a_few_are_talked_to_at_once() -> None:
    async def story(server: MetricsServer, port: int) -> tuple[bytes, bytes]:  # noqa: ARG001 - the port only
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS_MAX)]
        beyond = await asked(port, get("/healthz"))
        for _, writer in held:
            writer.close()
        await asyncio.gather(*(reader.read() for reader, _ in held))
        return beyond, await asked(port, get("/healthz"))

    (beyond, after), _ = served(story, patience=Patience(ask_s=10.0, answer_s=10.0))
    assert beyond in {b"", b"reset"}
    assert after.startswith(b"HTTP/1.1 200 OK")
