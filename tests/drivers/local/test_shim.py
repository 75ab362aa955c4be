"""The shim by itself: started as a program, with no scheduler anywhere."""
# ruff: noqa: S603 - the programs that are started are our own

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from noljima.drivers.local import shim
from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim.orders import Graces, Orders, Worker, decoded, encoded
from noljima.testing.workshop import Workshop

SHIM = Path(shim.__file__).parent


def prepared(workshop: Workshop, argv: list[str], paths: list[str], **fields: Any) -> Path:  # noqa: ANN401 - whatever orders have
    """Write orders for as many workers as there are PATHs."""
    folder = workshop.state / "runs" / "job" / "1"
    (folder / "job").mkdir(parents=True)
    orders = Orders(
        job="job",
        attempt=1,
        token="t",  # noqa: S106 - no secret
        argv=argv,
        folder="/",
        environment={"STATE": str(workshop.state)},
        workers=[Worker("worker", rank, {"PATH": path}) for rank, path in enumerate(paths)],
        identity=None,
        graces=Graces(stop_s=0.1, peer_s=0.0, leftover_s=0.0),
        **fields,
    )
    files.write(str(folder / files.ORDERS), encoded(orders))
    return folder


def run(folder: Path) -> int:
    """Run a shim to its end."""
    return subprocess.run([sys.executable, "-I", "-S", SHIM, folder], check=False).returncode


def ending(folder: Path) -> dict[str, Any]:
    found = files.load(str(folder / files.EXIT))
    assert found is not None
    return found


def test_it_runs_as_a_module_and_by_its_path(workshop: Workshop) -> None:
    folder = prepared(workshop, ["true"], ["/bin:/usr/bin"])
    module = [sys.executable, "-m", "noljima.drivers.local.shim", str(folder)]

    assert subprocess.run(module, check=False).returncode == 0
    assert ending(folder)["codes"] == [0]
    assert run(folder) == 3  # It has been run.
    assert subprocess.run(module[:-1], check=False, stderr=subprocess.PIPE).returncode == 2


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_one_worker_that_cannot_begin_lets_none(workshop: Workshop, bad: int) -> None:
    paths = ["/no/such/path" if rank == bad else "/bin:/usr/bin" for rank in range(3)]
    folder = prepared(workshop, ["sleep", "1000"], paths)

    assert run(folder) == 0
    words = f"worker {bad} cannot run sleep: No such file or directory"
    assert (ending(folder)["outcome"], ending(folder)["reason"]) == ("start-failed", words)
    assert workshop.alive() == []


def test_the_limit_is_kept_without_a_scheduler(workshop: Workshop) -> None:
    folder = prepared(workshop, ["sleep", "1000"], ["/bin:/usr/bin"], limit_s=0.05)

    assert run(folder) == 0
    assert ending(folder)["outcome"] == "limit"


def test_it_claims_an_attempt_once_however_many_try(workshop: Workshop) -> None:
    folder = prepared(workshop, ["sh", "-c", "echo $$; echo x >> $STATE/ran"], ["/bin:/usr/bin"])
    argv = [sys.executable, "-I", "-S", str(SHIM), str(folder)]
    racing = [subprocess.Popen(argv) for _ in range(6)]

    assert sorted(process.wait() for process in racing) == [0, 3, 3, 3, 3, 3]
    assert (workshop.state / "ran").read_text() == "x\n"


def test_orders_that_are_none_are_not_carried_out(workshop: Workshop) -> None:
    folder = prepared(workshop, ["true"], ["/bin"])
    (folder / files.ORDERS).write_text("{")

    assert run(folder) == 2
    assert not (folder / files.CLAIM).exists()


def test_a_fault_of_its_own_ends_the_job_and_says_so(workshop: Workshop) -> None:
    """A folder stands where the first log has to go: that no log is kept is no such fault."""
    folder = prepared(workshop, ["sleep", "1000"], ["/bin:/usr/bin"])
    (folder / "request.json").write_text('{"kind": "evict", "reason": []}')
    (folder / "job").rmdir()

    assert run(folder) == 0
    assert ending(folder)["outcome"] == "evict"


def test_a_full_disk_takes_the_log_and_never_the_job(workshop: Workshop) -> None:
    folder = prepared(workshop, ["printf", "hello\\nmore\\n"], ["/bin:/usr/bin"])
    (folder / "worker-0.0.log").mkdir()

    assert run(folder) == 0
    assert ending(folder)["codes"] == [0]
    assert ending(folder)["lost_log_bytes"] == ending(folder)["log_bytes"][0] == 11


def test_the_room_for_the_end_is_taken_at_the_beginning(workshop: Workshop) -> None:
    text = f"ls -s --block-size=1 $STATE/runs/job/1/{files.ROOM}"
    folder = prepared(workshop, ["sh", "-c", text], ["/bin:/usr/bin"])
    run(folder)

    taken = (folder / "worker-0.0.log").read_text().split()[0]
    assert int(taken) >= 8192
    assert (folder / files.EXIT).stat().st_size == 8192
    assert not (folder / files.ROOM).exists()


def test_killed_before_its_workers_go_none_of_them_does(workshop: Workshop) -> None:
    """The workers wait at the gate with their parent's death as their own."""
    folder = prepared(workshop, ["sh", "-c", "echo x > $STATE/ran"], ["/bin:/usr/bin"] * 2)
    text = """
import os, signal, sys
from noljima.drivers.local.shim import attempt, worker
worker.open_gate = lambda gate, workers: os.kill(os.getpid(), signal.SIGKILL)
attempt.attend(sys.argv[1])
"""
    ended = subprocess.run([sys.executable, "-c", text, folder], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert not (workshop.state / "ran").exists()


def test_it_needs_nothing_but_the_standard_library() -> None:
    allowed = sys.stdlib_module_names | {"noljima"}
    for path in SHIM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            for name in names:
                assert name.partition(".")[0] in allowed, (path.name, name)
                if name.startswith("noljima."):
                    assert name.startswith("noljima.drivers.local.shim"), (path.name, name)


def test_it_does_not_import_what_is_slow() -> None:
    text = (
        "import sys, noljima.drivers.local.shim.zygote;"
        "slow = 'asyncio', 'subprocess', 'pathlib', 'msgspec', 'logging', 'dataclasses';"
        "print([name for name in slow if name in sys.modules])"
    )
    source = str(SHIM.parents[3])
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {source!r}); {text}"],
        check=True,
        stdout=subprocess.PIPE,
    )

    assert told.stdout == b"[]\n"


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"argv": []},
        {"workers": []},
        {"group": {"kind": "v3"}},
        {"graces": {"unknown_s": 1.0}},
        {"identity": {"uid": 1}},
        {"unknown": 1},
    ],
)
def test_broken_orders_are_refused(workshop: Workshop, broken: dict[str, Any]) -> None:
    folder = prepared(workshop, ["true"], ["/bin"])
    plain = json.loads((folder / files.ORDERS).read_bytes())
    assert encoded(decoded(plain)) == (folder / files.ORDERS).read_bytes()

    with pytest.raises(ValueError, match="orders"):
        decoded({**plain, **broken} if broken else {})


def test_a_group_that_cannot_be_joined_fails_the_start(workshop: Workshop) -> None:
    if os.geteuid():
        pytest.skip("only root could join it anyway")
    folder = prepared(workshop, ["true"], ["/bin"])
    plain = json.loads((folder / files.ORDERS).read_bytes())
    plain["group"] = {"kind": "v2", "path": "/proc/no-such-group", "limits": {}, "homes": []}
    (folder / files.ORDERS).write_text(json.dumps(plain))

    assert run(folder) == 0
    assert ending(folder)["outcome"] == "start-failed"
