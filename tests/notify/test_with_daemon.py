"""Notices of a real scheduler with real jobs: what is chosen arrives, signed, once."""

from __future__ import annotations

import asyncio
import base64
import getpass
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from noljima.control.client import RefusedError
from noljima.notify.signing import verify
from noljima.testing.postbox import Receiver
from noljima.testing.premises import Premises, premises

KEY = bytes(range(32))


@contextmanager
def receiving(*answers: int) -> Iterator[Receiver]:
    """Listen in a thread of its own."""
    receiver, loop = Receiver(*answers), asyncio.new_event_loop()
    listening = threading.Event()

    async def listen() -> None:
        async with receiver:
            listening.set()
            await over.wait()

    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(listen()))
    thread.start()
    assert listening.wait(10.0)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def settings(given: Premises, receiver: Receiver) -> str:
    """Write settings with one channel, which is whoever runs this test's own."""
    path = given.root / "site.toml"
    path.write_text(
        f'[[channels]]\nname = "mine"\nwebhook = "{receiver.url}"\n'
        f'secret = "whsec_{base64.b64encode(KEY).decode()}"\nusers = ["{getpass.getuser()}"]\n'
    )
    path.chmod(0o600)
    return str(path)


@pytest.mark.slow  # the pause before the second attempt is 15 s
def test_what_its_owner_has_chosen_is_told_also_after_a_kill_and_nothing_else() -> None:
    with premises() as given, receiving(503) as receiver:
        config = settings(given, receiver)
        given.up("--config", config)
        (row,) = given.submit(given.shell("exit 3", notify=("failed",)))
        given.until(lambda: len(receiver.received) == 1)
        # Refused once: it is tried again, by the next scheduler.
        given.kill()
        given.up("--config", config)
        given.until(lambda: len(receiver.received) == 2)
        (other,) = given.submit(given.shell("exit 0", notify=("all",)))
        given.until(lambda: len(receiver.received) == 5)

    for received in receiver.received:
        moment = float(received.headers["webhook-timestamp"])
        verify([KEY], received.headers, received.body, moment)
    told = [json.loads(received.body) for received in receiver.received]
    assert [(each["data"]["job"], each["type"]) for each in told] == [
        (row.job, "job.failed"),
        (row.job, "job.failed"),
        (other.job, "job.accepted"),
        (other.job, "job.started"),
        (other.job, "job.finished"),
    ]
    assert told[0] == told[1]
    ids = [received.headers["webhook-id"] for received in receiver.received]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_a_wish_for_what_nobody_tells_is_refused() -> None:
    with premises() as given:
        given.up()
        with pytest.raises(RefusedError, match=r"notify: 'faild' is none of accepted, started,"):
            given.submit(given.shell("exit 0", notify=("faild",)))
