"""Both ends of the socket, with a real socket between them."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noljima.control.askers import Askers
from noljima.control.client import Client, ControlError, NoSchedulerError, RefusedError, socket_path
from noljima.control.messages import (
    Done,
    End,
    Hello,
    Jobs,
    LogPart,
    Logs,
    Nodes,
    Refused,
    Restore,
    Submit,
    Welcome,
    Why,
)
from noljima.control.server import Limits
from noljima.testing.parrot import SECONDS, Running

Serve = Callable[..., Running]


def connected(path: Path) -> socket.socket:
    """Connect without saying anything."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(SECONDS)
    connection.connect(str(path))
    return connection


def all_of(connection: socket.socket) -> bytes:
    """Read until the server hangs up."""
    found = b""
    try:
        while chunk := connection.recv(1 << 16):
            found += chunk
    except ConnectionResetError:
        pass  # It hung up over what it had not read.
    return found


def refusal(connection: socket.socket) -> Refused:
    """Read the refusal that a server hangs up with."""
    return msgspec.json.decode(all_of(connection), type=Refused)


def test_who_asks_is_known_from_the_kernel(serve: Serve) -> None:
    running = serve()
    welcome = Client(running.path).ask(Hello())

    assert isinstance(welcome, Welcome)
    (asker, question) = running.host.asked[0]
    assert (asker.uid, asker.gid) == (os.geteuid(), os.getegid())
    assert asker.operator
    assert question == Hello()


def test_a_group_makes_operators_of_its_members_and_of_nobody_else() -> None:
    names = {1001: "ada", 1002: "kim"}
    askers = Askers("no-such-group-here", names=lambda uid: names[uid])

    assert not askers.of(1001, 1001).operator
    # The group root has the number 0 on every machine.
    by_gid = Askers("root", names=lambda uid: names[uid])
    assert by_gid.of(1001, 0).operator
    assert not by_gid.of(1002, 1002).operator
    assert Askers("", names=lambda _: "root").of(0, 0).operator


def test_a_refusal_is_an_exception_with_its_kind(serve: Serve) -> None:
    with pytest.raises(RefusedError, match="job 7 is somebody else's") as caught:
        Client(serve().path).ask(End(jobs=("7",)))

    assert caught.value.why is Why.FORBIDDEN


def test_a_fault_of_the_host_is_told_and_ends_nothing(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    client = Client(serve().path)
    with pytest.raises(RefusedError, match="has a fault: FileNotFoundError: the machine") as caught:
        client.ask(Nodes())

    assert caught.value.why is Why.FAULT
    assert "Traceback" in capfd.readouterr().err
    assert isinstance(client.ask(Hello()), Welcome)


def test_a_stream_gives_answers_as_they_come_and_ends_with_the_asker(serve: Serve) -> None:
    running = serve()
    parts = Client(running.path).stream(Logs(job="7", follow=True))
    found = [next(parts), next(parts)]

    assert [part.content for part in found if isinstance(part, LogPart)] == [b"first", b"second"]
    assert running.host.streaming == 1
    parts.close()  # type: ignore[attr-defined]  # it is a generator
    waited_until(lambda: running.host.streaming == 0)
    assert len(list(Client(running.path).stream(Logs(job="7")))) == 2


def waited_until(happened: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    end_s = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end_s
        time.sleep(0.001)


def test_a_path_longer_than_an_address_will_do(serve: Serve) -> None:
    running = serve(name=f"{'long' * 30}/control")

    assert len(str(running.path)) > 107
    assert isinstance(Client(running.path).ask(Hello()), Welcome)


def test_nobody_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoSchedulerError, match=f"noljima up --state {tmp_path}"):
        Client(socket_path(tmp_path)).ask(Hello())


def test_a_socket_that_a_dead_scheduler_left_is_nobody(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(tmp_path / "control"))
    left.close()

    with pytest.raises(NoSchedulerError, match="no scheduler is running"):
        Client(socket_path(tmp_path)).ask(Hello())


def test_a_server_takes_the_place_of_a_dead_one(serve: Serve) -> None:
    first = serve()
    path = first.path
    first.close()
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(path))
    left.close()

    assert isinstance(Client(serve().path).ask(Hello()), Welcome)


def test_a_scheduler_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "control"))
        listening.listen()
        client = Client(socket_path(tmp_path), answer_s=0.05)
        with pytest.raises(NoSchedulerError, match=r"does not answer within 0.05 s"):
            client.ask(Hello())


@pytest.mark.parametrize(
    "said", [b"{}", b'{"type":"Boo"}', b'{"type":"Done","words":[1]}', b"\xff"]
)
def test_an_answer_that_is_none_is_told_of(tmp_path: Path, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "control"))
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said + b"\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ControlError, match="does not understand"):
            Client(socket_path(tmp_path)).ask(Hello())
        thread.join()


# --- Those who mean no good, or hang ---


def test_a_question_that_is_too_long_is_refused_and_not_kept(serve: Serve) -> None:
    running = serve(Limits(line_bytes=100_000))
    with connected(running.path) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b"x" * 1_000_000)
        said = all_of(connection)

    assert said == b"" or b"longer than 100,000 bytes" in said
    assert isinstance(Client(running.path).ask(Hello()), Welcome)


def test_a_question_that_does_not_come_is_not_waited_for(serve: Serve) -> None:
    running = serve(Limits(question_s=0.05))
    with connected(running.path) as connection:
        connection.sendall(b'{"type":')

        assert refusal(connection).words == "the question was not there within 0.05 s"


def test_an_answer_that_is_not_taken_is_not_kept(serve: Serve) -> None:
    running = serve(Limits(taken_s=0.05, connections_each=1))
    with connected(running.path) as connection:
        connection.sendall(msgspec.json.encode(Jobs()) + b"\n")

        # It holds the only connection until the server gives it up.
        waited_until(lambda: welcomed(running.path))


def welcomed(path: Path) -> bool:
    """Say whether another one is let in."""
    try:
        return isinstance(Client(path).ask(Hello()), Welcome)
    except RefusedError as refused:
        if refused.why is not Why.BUSY:
            raise
        return False


def test_a_user_with_too_many_connections_is_told_so(serve: Serve) -> None:
    running = serve(Limits(connections_each=3))
    holding = [connected(running.path) for _ in range(3)]
    waited_until(lambda: not welcomed(running.path))
    for connection in holding:
        connection.close()

    waited_until(lambda: welcomed(running.path))


def test_sixty_that_hang_keep_nobody_waiting(serve: Serve) -> None:
    running = serve(Limits(connections=1000, connections_each=1000))
    hanging = [connected(running.path) for _ in range(60)]
    for connection in hanging[:30]:
        connection.sendall(b'{"type":"Jo')
    for connection in hanging[30:]:
        connection.sendall(msgspec.json.encode(Jobs()) + b"\n")  # 8 MB each, never taken

    assert isinstance(Client(running.path).ask(Hello()), Welcome)
    for connection in hanging:
        connection.close()


def test_who_asks_much_is_made_to_wait_and_who_hands_in_is_not(serve: Serve) -> None:
    resting = Limits(at_once_each=1, rest=1e9, rest_s_max=0.3)
    client = Client(serve(resting).path)
    client.ask(Hello())
    began_s = time.monotonic()
    client.ask(Submit(submissions=()))
    handed_in_s = time.monotonic() - began_s
    client.ask(Hello())
    asked_s = time.monotonic() - began_s

    assert handed_in_s < asked_s
    assert asked_s > 0.2


@settings(max_examples=30)
@given(said=st.binary(max_size=300).filter(lambda said: b"\n" not in said))
def test_nonsense_is_refused_in_words(said: bytes) -> None:
    # One server for all examples: hypothesis and a fixture for each test do not go together.
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="noljima-") as folder:
        running = Running(Path(folder) / "control", Limits(), Askers())
        try:
            with connected(running.path) as connection:
                connection.sendall(said + b"\n")

                assert refusal(connection).why is Why.BAD
        finally:
            running.close()


def test_what_is_unknown_in_a_question_is_named(serve: Serve) -> None:
    with connected(serve().path) as connection:
        connection.sendall(b'{"type":"Drain","gpus":[1],"resaon":"hot"}\n')

        assert "resaon" in refusal(connection).words


def test_a_question_without_special_meaning_is_done(serve: Serve) -> None:
    assert Client(serve().path).ask(Restore(gpus=(1,))) == Done()
