"""Jobs on this machine, from their start to their end: whole gangs, exit codes, limits, stops."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys

import pytest
from msgspec.structs import replace

from noljima.drivers.local import logs
from noljima.drivers.local.driver import ProcessDriver
from noljima.drivers.local.spec import GpuView
from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import (
    Event,
    Evicted,
    Finished,
    NodeSeen,
    Outcome,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.job import Job
from noljima.model.placements import Assignment, Placement
from noljima.model.resources import JobId, NodeId, Resources, gang_of
from noljima.testing.workshop import Workshop, until


def during(workshop: Workshop, start: Start, *then: Command) -> Event:
    """Start a job, and once it runs do the rest; return its end."""

    async def story() -> Event:
        async with workshop.driver() as driver:
            await driver.do(0.0, [start])
            await workshop.until(driver, Started)
            await ready(workshop, start)
            await driver.do(0.0, then)
            return await workshop.end(driver)

    return asyncio.run(story())


async def ready(workshop: Workshop, start: Start) -> None:
    """Wait until a job's first worker has written something: until then it may not listen yet."""
    folder = workshop.folder(start.job, start.attempt)
    await until(lambda: logs.length(folder, 0) > 0)


def test_a_job_that_ends_well_has_succeeded(any_workshop: Workshop) -> None:
    event = any_workshop.run(any_workshop.shell("echo done"))

    assert isinstance(event, Finished)
    assert (event.job, event.attempt, event.outcome) == ("job", 1, Outcome.SUCCEEDED)
    assert any_workshop.log() == "done\n"
    assert any_workshop.ending().codes == (0,)


def test_it_is_told_of_in_order(workshop: Workshop) -> None:
    async def story() -> list[Event]:
        events: list[Event] = []
        async with workshop.driver() as driver:
            await driver.do(0.0, [workshop.shell("exit 0")])
            while not events or not isinstance(events[-1], Finished):
                events += await driver.wait(None)
        return events

    events = asyncio.run(story())

    assert [type(event) for event in events] == [NodeSeen, Started, Finished]
    assert sorted(events, key=lambda event: event.at_s) == events


@pytest.mark.parametrize(
    ("text", "code"), [("exit 3", 3), ("kill -9 $$", -9), ("exit 255", 255), ("kill -11 $$", -11)]
)
def test_a_job_that_ends_otherwise_has_failed(workshop: Workshop, text: str, code: int) -> None:
    event = workshop.run(workshop.shell(text))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.FAILED
    assert workshop.ending().codes == (code,)
    assert workshop.ending().reason.startswith("worker 0 ")


def test_no_core_is_dumped_and_nothing_is_inherited(workshop: Workshop) -> None:
    leak, kept = os.pipe()
    os.set_inheritable(kept, True)  # noqa: FBT003 - as it is called
    text = "ulimit -c; ls /proc/self/fd | wc -l; umask;"
    text += "grep -E 'Sig(Blk|Ign)|NoNewPrivs' /proc/self/status"
    try:
        workshop.run(workshop.shell(text, umask=0o027))
    finally:
        os.close(leak)
        os.close(kept)

    core, files, umask, *status = workshop.log().split("\n")
    assert core == "0"
    assert int(files) == 4  # Three, and the folder that `ls` reads.
    assert umask == "0027"
    blocked, ignored, no_new_privileges = (line.split()[1] for line in status if line)
    # Signals 32 and 33 are the C library's own: it lets nobody change what it has inherited.
    assert int(blocked, 16) == int(ignored, 16) & ~(0b11 << 31) == 0
    assert no_new_privileges == "1"


def test_the_first_worker_that_fails_ends_the_others(any_workshop: Workshop) -> None:
    text = 'test "$RANK" = 1 && exit 7; exec sleep 1000'
    event = any_workshop.run(any_workshop.shell(text, workers=3))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.FAILED
    assert any_workshop.ending().codes == (-15, 7, -15)
    assert any_workshop.ending().reason == "worker 1 ended with code 7"


def test_the_others_may_end_by_themselves_first(workshop: Workshop) -> None:
    text = 'test "$RANK" = 1 && exit 7; sleep 0.2; echo saved; exit 8'
    workshop.run(workshop.shell(text, workers=2, peer_grace_s=20.0))

    assert workshop.ending().codes == (8, 7)
    assert workshop.log(0) == "saved\n"


def test_a_gang_runs_until_its_last_worker_has_ended(workshop: Workshop) -> None:
    text = 'test "$RANK" = 0 || sleep 0.2; echo "$RANK"'
    event = workshop.run(workshop.shell(text, workers=3))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.SUCCEEDED
    assert [workshop.log(worker) for worker in range(3)] == ["0\n", "1\n", "2\n"]


def test_all_workers_begin_at_once(workshop: Workshop) -> None:
    workshop.run(workshop.python("import time; print(time.monotonic())", workers=4))

    folder = workshop.folder()
    state = json.loads((folder / "state.json").read_bytes())
    assert len({began // 50 for _, began in state["workers"]}) <= 2


def test_a_program_that_is_not_there_fails_the_start(any_workshop: Workshop) -> None:
    event = any_workshop.run(
        any_workshop.program(["no-such-program"], workers=3, environment={"PATH": "/bin"})
    )

    assert isinstance(event, StartFailed)
    assert "cannot run no-such-program: No such file or directory" in event.reason


@pytest.mark.parametrize(
    ("program", "folder", "words"),
    [
        ("/bin/true", "/no/such/folder", "cannot go to the folder /no/such/folder"),
        ("/etc/passwd", "/", "cannot run /etc/passwd: Permission denied"),
        ("/tmp", "/", "cannot run /tmp: Permission denied"),  # noqa: S108 - only a folder
        ("true", "/", "cannot run true: No such file or directory"),
    ],
)
def test_a_start_that_fails_says_why(
    workshop: Workshop, program: str, folder: str, words: str
) -> None:
    start = workshop.program([program], folder=folder, environment={"PATH": "/no/such/path"})
    event = workshop.run(start)

    assert isinstance(event, StartFailed)
    assert words in event.reason


def test_a_start_that_keeps_failing_is_a_failure(workshop: Workshop) -> None:
    events = [
        workshop.run(workshop.program(["no-such-program"], attempt=attempt))
        for attempt in (1, 2, 3)
    ]

    assert [type(event).__name__ for event in events] == ["StartFailed", "StartFailed", "Finished"]
    assert workshop.ending().outcome == "start-failed"


def test_a_job_that_nobody_knows_is_not_started(workshop: Workshop) -> None:
    start = workshop.shell("echo")
    workshop.specs.clear()
    event = workshop.run(start)

    assert isinstance(event, StartFailed)


def test_a_gang_with_too_few_places_is_not_started(workshop: Workshop) -> None:
    start = workshop.shell("echo", workers=2)
    workshop.shell("echo", workers=3)
    event = workshop.run(start)

    assert isinstance(event, StartFailed)
    assert event.reason == "2 places for a gang of 3 workers"


def test_a_job_whose_place_is_on_another_node_is_not_started(workshop: Workshop) -> None:
    start = workshop.shell("echo")
    elsewhere = Placement((Assignment(NodeId("there"), (0,)),))
    event = workshop.run(replace(start, placement=elsewhere))

    assert isinstance(event, StartFailed)
    assert event.reason == "its place is on node there, and this is node here"


def test_the_limit_ends_a_job(any_workshop: Workshop) -> None:
    event = any_workshop.run(any_workshop.shell("sleep 1000", limit_s=0.1))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.LIMIT
    assert any_workshop.ending().reason == "it has run for its limit of 0.1 s"


def test_the_limit_holds_for_a_job_that_does_not_listen(workshop: Workshop) -> None:
    text = "trap '' TERM USR1; sleep 1000; sleep 1000"
    event = workshop.run(workshop.shell(text, limit_s=0.1, stop_grace_s=0.1))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.LIMIT
    assert workshop.ending().codes == (-9,)
    assert workshop.ending().ran_s < 5.0


def test_a_stop_lets_a_job_tidy_up(any_workshop: Workshop) -> None:
    text = "trap 'echo tidy; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    event = during(any_workshop, any_workshop.shell(text), Stop(JobId("job")))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.CANCELLED
    assert any_workshop.log() == "up\ntidy\n"


def test_what_listens_is_told_first_and_the_rest_after_it(workshop: Workshop) -> None:
    """A shell that knows nothing of signals must not be gone before the program below it."""
    listens = "trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    start = workshop.shell(f'/bin/sh -c "{listens}"; echo after')
    during(workshop, start, Stop(JobId("job")))

    assert workshop.log().startswith("up\nsaved\n")


def test_a_stop_before_the_beginning_is_an_end_without_one(workshop: Workshop) -> None:
    async def story() -> Event:
        async with workshop.driver() as driver:
            await driver.do(0.0, [workshop.shell("sleep 1000"), Stop(JobId("job"))])
            return await workshop.end(driver)

    event = asyncio.run(story())

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.CANCELLED


EVICT = Evict(JobId("job"), JobId("other"))
SAVES = (
    "trap 'touch \"$NOLJIMA_CHECKPOINT\"; echo saved' USR1; echo up; while :; do sleep 0.01; done"
)


def test_an_eviction_asks_for_a_checkpoint_and_reports_it(any_workshop: Workshop) -> None:
    event = during(any_workshop, any_workshop.shell(SAVES), EVICT)

    assert isinstance(event, Evicted)
    assert any_workshop.log() == "up\nsaved\n"
    assert 0.0 < event.saved_s <= any_workshop.ending().ran_s


def test_what_never_says_that_it_saved_has_saved_nothing(workshop: Workshop) -> None:
    text = "trap 'echo asked' USR1; echo up; while :; do sleep 0.01; done"
    start = workshop.shell(text, checkpoint_grace_s=0.1)
    event = during(workshop, start, EVICT)

    assert isinstance(event, Evicted)
    assert event.saved_s == 0.0
    assert workshop.log() == "up\nasked\n"


def test_what_does_not_listen_for_the_question_is_not_ended_by_it(workshop: Workshop) -> None:
    text = "trap 'echo told; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    event = during(workshop, workshop.shell(text, checkpoint_grace_s=1000.0), EVICT)

    assert isinstance(event, Evicted)
    assert workshop.log() == "up\ntold\n"


def test_a_checkpoint_in_the_progress_file_counts(workshop: Workshop) -> None:
    text = """
import json, os, signal, sys, time
def save(*_):
    with open(os.environ["NOLJIMA_PROGRESS"], "a") as file:
        file.write(json.dumps({"step": 3, "checkpoint_at_s": time.time()}) + "\\n")
signal.signal(signal.SIGUSR1, save)
print("up", flush=True)
while True:
    time.sleep(0.01)
"""
    event = during(workshop, workshop.python(text), EVICT)

    assert isinstance(event, Evicted)
    assert event.saved_s > 0.0


def test_the_work_of_earlier_attempts_is_not_forgotten(workshop: Workshop) -> None:
    first = during(workshop, workshop.shell(SAVES), EVICT)
    text = "echo up; sleep 1000"
    second = during(workshop, workshop.shell(text, attempt=2, checkpoint_grace_s=0.0), EVICT)

    assert isinstance(first, Evicted)
    assert isinstance(second, Evicted)
    assert second.saved_s == first.saved_s > 0.0


def test_what_was_saved_counts_towards_the_limit(workshop: Workshop) -> None:
    saved = during(workshop, workshop.shell(SAVES), EVICT)
    assert isinstance(saved, Evicted)
    start = workshop.shell("sleep 1000", attempt=2, limit_s=saved.saved_s)
    event = workshop.run(start)

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.LIMIT
    assert workshop.ending().ran_s < 1.0


def test_an_owner_who_stops_a_job_that_is_being_evicted_is_heard(workshop: Workshop) -> None:
    text = "trap 'echo asked' USR1; echo up; while :; do sleep 0.01; done"
    start = workshop.shell(text, checkpoint_grace_s=1000.0)
    event = during(workshop, start, EVICT, Stop(JobId("job")))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.CANCELLED


def test_a_job_that_hangs_can_be_failed_with_a_reason(workshop: Workshop) -> None:
    async def story() -> Event:
        async with workshop.driver() as driver:
            await driver.do(0.0, [workshop.shell("sleep 1000")])
            await workshop.until(driver, Started)
            assert driver.end(JobId("job"), "fail", "no step for an hour, and its GPUs idle")
            assert not driver.end(JobId("other"), "fail", "not here")
            return await workshop.end(driver)

    event = asyncio.run(story())

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.FAILED
    assert workshop.ending().reason == "no step for an hour, and its GPUs idle"


def test_workers_are_told_their_places(workshop: Workshop) -> None:
    names = "CUDA_VISIBLE_DEVICES RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE MASTER_ADDR"
    text = "".join(f'echo "{name}=${name}";' for name in names.split())
    workshop.run(workshop.shell(text, workers=2))

    assert workshop.log(1).split() == [
        "CUDA_VISIBLE_DEVICES=1",
        "RANK=1",
        "WORLD_SIZE=2",
        "LOCAL_RANK=0",
        "LOCAL_WORLD_SIZE=1",
        "MASTER_ADDR=127.0.0.1",
    ]


def test_workers_can_see_all_of_their_gang(workshop: Workshop) -> None:
    text = 'echo "$CUDA_VISIBLE_DEVICES $LOCAL_RANK $LOCAL_WORLD_SIZE"'
    workshop.run(workshop.shell(text, workers=2, gpu_view=GpuView.GANG))

    assert [workshop.log(worker) for worker in range(2)] == ["0,1 0 2\n", "0,1 1 2\n"]


def test_the_port_of_a_gang_is_free_for_it_and_kept_from_others(workshop: Workshop) -> None:
    text = """
import os, socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", int(os.environ["MASTER_PORT"])))
server.listen()
print("served", os.environ["MASTER_PORT"], os.environ["TF_CONFIG"])
"""
    script = f'test "$RANK" = 0 || exit 0; exec "{sys.executable}" -I -S -c \'{text}\''
    event = workshop.run(workshop.shell(script, workers=2))

    assert isinstance(event, Finished)
    assert event.outcome is Outcome.SUCCEEDED, workshop.log()
    _, port, config = workshop.log().split(" ", 2)
    cluster = json.loads(config)["cluster"]["worker"]
    assert cluster[0] == f"127.0.0.1:{port}"
    assert len(set(cluster)) == 2


def test_a_script_is_run_as_what_it_says(workshop: Workshop) -> None:
    script = '#!/bin/sh\necho "$1 and $2"\n'
    workshop.run(workshop.program(["one", "two words"], script=script))

    assert workshop.log() == "one and two words\n"


def test_nothing_of_a_job_is_read_by_a_shell(workshop: Workshop) -> None:
    odd = ["$(touch /tmp/never)", "; exit 1", "`id`", "new\nline", "*", "'\"", "-c"]
    text = "import sys; print(sys.argv[1:])"
    workshop.run(workshop.program([sys.executable, "-I", "-S", "-c", text, *odd]))

    assert workshop.log() == f"{odd}\n"


def test_only_what_is_passed_on_is_seen(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "of the scheduler")
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("RANK", "99")
    workshop.run(workshop.shell("env", environment={"MINE": "1", "NOLJIMA_JOB_ID": "not me"}))

    seen = dict(line.partition("=")[::2] for line in workshop.log().splitlines())
    assert "SECRET_TOKEN" not in seen
    assert seen["LC_TIME"] == "C"
    assert (seen["MINE"], seen["RANK"], seen["NOLJIMA_JOB_ID"]) == ("1", "0", "job")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run jobs as others")
def test_root_runs_a_job_as_its_submitter(workshop: Workshop) -> None:
    text = 'id -u; id -g; id -G; echo "$HOME"; echo x > "$NOLJIMA_PROGRESS"; echo y > /dev/stdout'
    nobody = 65534
    event = workshop.run(workshop.shell(text, uid=nobody))

    assert isinstance(event, Finished)
    uid, gid, groups, home, out = workshop.log().splitlines()
    assert (uid, gid, groups, home, out) == ("65534", "65534", "65534", "/nonexistent", "y")
    assert (workshop.folder() / "job" / "progress").read_text() == "x\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run jobs as others")
@pytest.mark.parametrize(
    ("uid", "gid", "words"),
    [
        (None, None, "nobody said as whom"),
        (65534, 0, "user 65534 is not in group 0"),
        (54321, None, "user 54321 is not known here"),
    ],
)
def test_root_runs_no_job_as_anybody_else(
    workshop: Workshop, uid: int | None, gid: int | None, words: str
) -> None:
    event = workshop.run(workshop.shell("id", uid=uid, gid=gid))

    assert isinstance(event, StartFailed)
    assert words in event.reason


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to hide")
def test_a_submitter_sees_nothing_of_the_scheduler(workshop: Workshop) -> None:
    text = f"ls {workshop.state}; cat {workshop.folder()}/claim {workshop.folder()}/orders.json"
    text += f"; touch {workshop.folder()}/exit.json; kill -9 $PPID"
    workshop.run(workshop.shell(text, uid=65534))

    assert workshop.log().count("ermission denied") + workshop.log().count("not permitted") == 5


def test_a_name_may_be_anything(workshop: Workshop) -> None:
    names = ["../../etc", "a/b", ".", "x" * 200, "name with blanks", "작업 1", "CON", "-rf"]
    for name in names:
        event = workshop.run(workshop.shell("exit 0", name=name))
        assert isinstance(event, Finished)
        assert event.job == name
    folders = list((workshop.state / "runs").iterdir())
    assert len(folders) == len(names)
    assert {path.name for path in workshop.state.iterdir()} <= {"runs", "scheduler.lock"}


def test_a_moment_to_wait_for_comes(workshop: Workshop) -> None:
    async def story() -> tuple[Event, ...]:
        async with workshop.driver() as driver:
            await driver.wait(None)
            until_s = driver.clock.now_s() + 0.05
            (event,) = await driver.wait(until_s)
            assert event.at_s >= until_s
            return (event,)

    (event,) = asyncio.run(story())

    assert isinstance(event, Ticked)


def test_submissions_get_the_drivers_time(workshop: Workshop) -> None:
    job = Job(id=JobId("job"), gang=gang_of(1, Resources()))

    async def story() -> tuple[Event, ...]:
        async with workshop.driver() as driver:
            waiting = asyncio.create_task(workshop.until(driver, Submitted))
            driver.happened(lambda at_s: Submitted(at_s=at_s, job=job))
            return (await waiting,)

    (event,) = asyncio.run(story())

    assert isinstance(event, Submitted)
    assert event.job is job


def test_a_closed_driver_has_no_more_events(workshop: Workshop) -> None:
    async def story() -> tuple[Event, ...]:
        driver = workshop.driver()
        await driver.open()
        await driver.wait(None)
        waiting = asyncio.create_task(driver.wait(None))
        await driver.close()
        return await waiting

    assert asyncio.run(story()) == ()


def test_a_refusal_is_nothing_to_a_driver(workshop: Workshop) -> None:
    async def story(driver: ProcessDriver) -> None:
        async with driver:
            await driver.do(0.0, [Refuse(JobId("job"), "never")])
            await driver.do(0.0, [Stop(JobId("job")), EVICT])

    async def main() -> None:
        await story(workshop.driver())

    asyncio.run(main())


def test_gpus_are_seen_as_a_node(workshop: Workshop) -> None:
    async def story() -> Event:
        async with workshop.driver() as driver:
            driver.drain(3, "it has errors")
            driver.drain(3, "told twice")
            await workshop.until(driver, NodeSeen)
            seen = await workshop.until(driver, NodeSeen)
            driver.restore(3)
            assert isinstance(await workshop.until(driver, NodeSeen), NodeSeen)
            assert driver.drained == {}
            return seen

    event = asyncio.run(story())

    assert isinstance(event, NodeSeen)
    assert (event.node.id, event.node.gpus, event.node.gpus_out) == ("here", 8, (3,))
    assert event.node.cpu_milli == len(os.sched_getaffinity(0)) * 1000


def test_the_shim_itself_can_be_told_to_end(workshop: Workshop) -> None:
    """As when the machine goes down: the job saves its state and comes back."""

    async def story() -> Event:
        async with workshop.driver() as driver:
            start = workshop.shell(SAVES)
            await driver.do(0.0, [start])
            await workshop.until(driver, Started)
            await ready(workshop, start)
            (shim,) = workshop.shims()
            os.kill(shim, signal.SIGTERM)
            return await workshop.end(driver)

    event = asyncio.run(story())

    assert isinstance(event, Evicted)
    assert event.saved_s > 0.0


def test_a_long_path_does_not_matter(workshop: Workshop) -> None:
    workshop.folders = type(workshop.folders)(workshop.state / ("long" * 30) / ("path" * 30))
    workshop.state = workshop.folders.state
    event = workshop.run(workshop.shell("exit 0"))

    assert isinstance(event, Finished)
    assert len(str(workshop.state)) > socket.CMSG_SPACE(108)
