"""A scheduler and what is around it: a full disk, channels, Prometheus, another machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noljima.control.client import RefusedError
from noljima.control.messages import Hello, Welcome, Why
from noljima.testing.postbox import Receiver
from noljima.testing.premises import Premises


@pytest.fixture
def small(premises: Premises) -> Iterator[Premises]:
    """Give premises whose state is on a disk of 60 MB; only root can make one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    premises.state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60m,mode=711", "tmpfs", str(premises.state)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:  # noqa: S603 - our words
        pytest.skip("no disk can be mounted here")
    try:
        yield premises
    finally:
        if premises.process is not None:
            premises.kill()
        subprocess.run(["umount", "-l", str(premises.state)], check=True)  # noqa: S603, S607


def filled(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for _ in range(10_000):
            file.write(b"x" * (1 << 16))
    left = os.statvfs(path)
    assert left.f_bavail * left.f_frsize < 1 << 16


def test_on_a_full_disk_jobs_go_on_and_new_ones_are_refused_until_there_is_room(
    small: Premises,
) -> None:
    small.up("--new")
    go = small.root / "go"
    os.mkfifo(go)
    (row,) = small.submit(small.shell("read x < go; echo went on > end"))
    small.until_state(row.job, "running")
    fill = small.state / "fill"
    filled(fill)
    with pytest.raises(RefusedError, match="is full") as caught:
        small.submit(small.shell("true"))
    with go.open("w") as opened:
        opened.write("now\n")
    ended = small.until_ended(row.job)[row.job]
    warned = small.ask(Hello(), Welcome).warnings
    fill.unlink()
    (later,) = small.submit(small.shell("true"))
    small.until_ended(later.job)
    small.kill()
    small.up()

    assert caught.value.why is Why.BUSY
    assert any("is full" in words for words in warned)
    # Its end went to what was set aside, and is there after a kill.
    assert (ended.state, (small.root / "end").read_text()) == ("succeeded", "went on\n")
    assert {job: row.state for job, row in small.history().items()} == {
        row.job: "succeeded",
        later.job: "succeeded",
    }


def test_a_scheduler_killed_on_a_full_disk_comes_up_on_it_and_has_lost_nothing(
    small: Premises,
) -> None:
    small.up("--new")
    go = small.root / "go"
    os.mkfifo(go)
    running, *waiting = small.submit(
        small.shell("read x < go", gpu_milli=8000, evictable=False),
        *[small.shell("true")] * 3,
    )
    began = small.until_state(running.job, "running")
    fill = small.state / "fill"
    filled(fill)
    small.kill()
    small.up()
    found = small.rows()
    with pytest.raises(RefusedError, match="is full") as caught:
        small.submit(small.shell("true"))
    fill.unlink()
    with go.open("w") as opened:
        opened.write("now\n")
    (later,) = small.submit(small.shell("true"))
    ended = small.until_ended(*[row.job for row in (running, *waiting, later)])

    assert caught.value.why is Why.BUSY
    assert found.keys() == {row.job for row in (running, *waiting)}
    assert (found[running.job].state, found[running.job].started_s) == ("running", began.started_s)
    assert {row.state for row in ended.values()} == {"succeeded"}
    assert ended.keys() == {*found, later.job}


def test_owners_are_told_through_a_channel_once_it_is_on_the_disk(premises: Premises) -> None:
    async def story() -> list[dict[str, Any]]:
        async with Receiver() as receiver:
            secret = "whsec_" + base64.b64encode(b"x" * 32).decode()
            config = premises.root / "noljima.toml"
            config.write_text(
                f'[[channels]]\nname = "here"\nwebhook = "{receiver.url}"\nsecret = "{secret}"\n'
            )
            config.chmod(0o600)
            await asyncio.to_thread(premises.up, "--config", str(config))
            job = premises.shell("exit 3", name="told", evictable=False, notify=("all",))
            await asyncio.to_thread(premises.submit, job)
            async with asyncio.timeout(30.0):
                while len(receiver.received) < 3:  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0.02)
            return [json.loads(each.body) for each in receiver.received]

    told = asyncio.run(story())

    assert [(each["type"], each["data"]["notice"]) for each in told] == [
        ("job.accepted", "1/accepted/1"),
        ("job.started", "1/started/1"),
        ("job.failed", "1/failed/1"),
    ]
    assert told[2]["data"]["why"] == "it ended with exit code 3"


def test_settings_with_a_channel_that_cannot_be_are_refused_before_anything_is_touched(
    premises: Premises,
) -> None:
    config = premises.root / "noljima.toml"
    config.write_text('[[channels]]\nname = "here"\n')
    config.chmod(0o600)
    premises.up("--config", str(config), wait=False)
    assert premises.process is not None
    refused = premises.process.wait(30)
    premises.process = None

    assert refused == 2
    assert "needs either url or webhook" in premises.log.read_text()
    assert not premises.state.exists()


def test_metrics_are_served_to_this_machine(premises: Premises) -> None:
    premises.up("--metrics-port", "0")
    (short,) = premises.submit(premises.shell("true"))
    premises.until_ended(short.job)
    (row,) = premises.submit(premises.shell("sleep 1000", 3, evictable=False))
    premises.until_state(row.job, "running")
    premises.until(lambda: "metrics at" in premises.log.read_text())
    found = re.search(r"http://127\.0\.0\.1:\d+/metrics", premises.log.read_text())
    assert found is not None
    with urllib.request.urlopen(found[0], timeout=10) as answer:  # noqa: S310 - our own
        text = answer.read().decode()

    assert "\nnoljima_gpus 8\n" in text
    assert "\nnoljima_gpus_running 3\n" in text
    assert '\nnoljima_jobs{queue="",state="running"} 1\n' in text
    # Of all that has happened, decided, promised and foreseen so far.
    assert re.search(r"^noljima_decision_seconds_count [1-9]", text, re.MULTILINE)
    assert re.search(r"^noljima_outbox_pending \d+$", text, re.MULTILINE)
    assert '\nnoljima_estimate_coverage_ratio{quantile="0.95"} 1\n' in text


def test_with_fewer_gpus_what_runs_goes_on_and_what_no_longer_fits_is_told_so(
    premises: Premises,
) -> None:
    premises.up()
    (runs, wide) = premises.submit(
        premises.shell("sleep 1000", 6, evictable=False),
        premises.shell("true", 8, evictable=False),
    )
    before = premises.until_state(runs.job, "running")
    premises.down()
    premises.gpus = 4
    premises.up()
    after = premises.rows()

    assert (after[runs.job].state, after[runs.job].started_s) == ("running", before.started_s)
    assert after[wide.job].state == "infeasible"
    assert "needs 8 workers of 1 GPU; 4 fit" in after[wide.job].reason


def test_the_state_and_what_is_in_it_are_not_for_others(premises: Premises) -> None:
    premises.up()
    premises.submit(premises.shell("true"))
    open_to_others = [
        path.name
        for path in Path(premises.state).iterdir()
        if path.stat().st_mode & 0o077 and path.name not in {"control", "runs"}
    ]

    assert open_to_others == []
    if os.geteuid() == 0:
        assert premises.state.stat().st_mode & 0o777 == 0o711
