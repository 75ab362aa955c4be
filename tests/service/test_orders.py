"""What people ask of a running scheduler, with real processes, a real socket and a real state."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

import pytest

from noljima.control.client import RefusedError
from noljima.control.messages import (
    Bars,
    Compared,
    Detail,
    Done,
    Drain,
    End,
    Gantt,
    Hello,
    Hold,
    JobRow,
    Jobs,
    LogPart,
    Logs,
    NodeRows,
    Nodes,
    Planned,
    Release,
    Restore,
    Scene,
    Show,
    Submit,
    Watch,
    Welcome,
    WhatIf,
    Why,
)
from noljima.model.job import Priority
from noljima.submission.nouns import After, When
from noljima.testing.premises import Premises

REFUSED = {
    "best": "is not one of fair",
    "pod-by-pod": "by halves",
    "srtf": "wants true run times",
    "tiresias": "cannot be evicted",
}


def done(premises: Premises, question: End | Hold | Release | Drain | Restore) -> Done:
    return premises.ask(question, Done)


def blocked(premises: Premises) -> str:
    """Occupy the whole machine until it is ended."""
    (row,) = premises.submit(premises.shell("sleep 1000", 8, evictable=False))
    premises.until_state(row.job, "running")
    return row.job


def test_a_job_runs_and_leaves_what_it_wrote_and_how_it_ended(premises: Premises) -> None:
    premises.up()
    (row,) = premises.submit(
        premises.shell("echo hello from $NOLJIMA_JOB_ID; exit 3", name="greet")
    )
    ended = premises.until_ended(row.job)[row.job]
    detail = premises.ask(Show(job=row.job), Detail)
    parts = list(premises.client.stream(Logs(job=row.job)))

    assert (ended.state, ended.exit_codes, ended.words) == (
        "failed",
        (3,),
        "it ended with exit code 3",
    )
    assert (ended.name, ended.gpus, ended.attempt) == ("greet", (0,), 1)
    assert detail.command[:2] == ("/bin/sh", "-c")
    assert detail.folder == str(premises.root)
    assert b"".join(p.content for p in parts if isinstance(p, LogPart)) == b"hello from 1\n"


def test_output_is_followed_as_it_comes_and_ends_with_the_job(premises: Premises) -> None:
    premises.up()
    (row,) = premises.submit(premises.shell("echo one; read x < go; echo two"))
    fifo = premises.root / "go"
    os.mkfifo(fifo)
    stream = premises.client.stream(Logs(job=row.job, follow=True))
    first = next(stream)
    with fifo.open("w") as go:
        go.write("now\n")
    rest = list(stream)

    assert isinstance(first, LogPart)
    assert first.content == b"one\n"
    assert b"".join(p.content for p in rest if isinstance(p, LogPart)) == b"two\n"


def test_a_job_waits_for_others_and_is_given_up_when_that_is_in_vain(premises: Premises) -> None:
    premises.up()
    go = premises.root / "go"
    os.mkfifo(go)
    (first,) = premises.submit(premises.shell("read x < go; exit 1"))
    after = {
        when: premises.submit(premises.shell("true", after=(After(job=first.job, when=when),)))[
            0
        ].job
        for when in When
    }
    waiting = premises.rows()
    with go.open("w") as opened:
        opened.write("now\n")
    ended = premises.until_ended(*after.values())

    assert {waiting[job].code for job in after.values()} == {"Dependency"}
    assert waiting[after[When.OK]].reason == f"it waits for job {first.job} to succeed"
    assert waiting[after[When.OK]].after == (first.job,)
    assert ended[after[When.ANY]].state == ended[after[When.NOT_OK]].state == "succeeded"
    assert ended[after[When.OK]].state == "cancelled"
    assert "which has failed" in ended[after[When.OK]].words
    # What has ended already is looked at when somebody wants to wait for it.
    with pytest.raises(RefusedError, match="has failed already"):
        premises.submit(premises.shell("true", after=(After(job=first.job),)))
    with pytest.raises(RefusedError, match="there is no job 99") as caught:
        premises.submit(premises.shell("true", after=(After(job="99"),)))
    assert caught.value.why is Why.UNKNOWN


def test_of_an_array_only_so_many_run_at_a_time_and_others_may_wait_for_it(
    premises: Premises,
) -> None:
    premises.up()
    # Each puts a file there at its start and takes it away at its end: never more than two.
    text = (
        "touch up-$NOLJIMA_ARRAY_INDEX; sleep 0.1; ls up-* | wc -l >> seen;"
        " rm up-$NOLJIMA_ARRAY_INDEX; echo $NOLJIMA_ARRAY_INDEX >> indices"
    )
    array = premises.shell(text, array=(0, 1, 2, 5, 7), array_at_most=2)
    rows = premises.submit(array)
    (last,) = premises.submit(premises.shell("cp indices copy", after=(After(job="1"),)))
    premises.until_ended(last.job)

    assert [row.job for row in rows] == ["1_0", "1_1", "1_2", "1_5", "1_7"]
    assert [row.code for row in rows[2:]] == ["Limit"] * 3
    assert {int(n) for n in (premises.root / "seen").read_text().split()} <= {1, 2}
    copied = (premises.root / "copy").read_text().split()
    assert sorted(copied) == ["0", "1", "2", "5", "7"]


def test_held_jobs_are_passed_over_until_they_are_released_also_by_the_next_scheduler(
    premises: Premises,
) -> None:
    premises.up()
    blocker = blocked(premises)
    (held, waiting) = premises.submit(
        premises.shell("true", held=True), premises.shell("true", evictable=False)
    )
    answer = done(premises, Hold(jobs=(waiting.job, blocker, "99")))
    premises.kill()
    premises.up()
    rows = premises.rows()
    done(premises, End(jobs=(blocker,)))
    premises.until_ended(blocker)
    released = done(premises, Release(jobs=(held.job, waiting.job)))
    ended = premises.until_ended(held.job, waiting.job)

    assert answer.words == (f"job {waiting.job} is held",)
    assert answer.refused == (
        "there is no job 99",
        f"job {blocker} is running; only jobs that wait can be held",
    )
    assert rows[held.job].state == rows[waiting.job].state == "held"
    assert len(released.words) == 2
    assert ended[held.job].state == ended[waiting.job].state == "succeeded"


def test_the_same_key_is_the_same_submission_also_for_the_next_scheduler(
    premises: Premises,
) -> None:
    premises.up()
    job = premises.shell("true", name="once")
    (first,) = premises.submit(job, key="k")
    premises.kill()
    premises.up()
    (second,) = premises.submit(job, key="k")

    assert first.job == second.job
    assert set(premises.states()) == {first.job}
    with pytest.raises(RefusedError, match="key k was used for something else"):
        premises.submit(premises.shell("false"), key="k")


def test_jobs_are_ended_waiting_or_running_and_at_once_where_that_is_wanted(
    premises: Premises,
) -> None:
    premises.up()
    stubborn = premises.shell("trap '' TERM; echo up; sleep 1000", 8, stop_grace_s=1000.0)
    (running,) = premises.submit(stubborn)
    premises.until_state(running.job, "running")
    (waiting,) = premises.submit(premises.shell("true", evictable=False))
    first = done(premises, End(jobs=(waiting.job,)))
    began_s = time.monotonic()
    second = done(premises, End(jobs=(running.job,), kill=True))
    ended = premises.until_ended(running.job, waiting.job)

    assert first.words == (f"job {waiting.job} is cancelled",)
    assert second.words == (f"job {running.job} is being killed",)
    assert time.monotonic() - began_s < 30.0
    assert {row.state for row in ended.values()} == {"cancelled"}
    assert done(premises, End(jobs=("1",))).refused == ("job 1 has ended: cancelled",)


def test_a_dry_run_says_what_would_be_and_leaves_nothing(premises: Premises) -> None:
    premises.up()
    fits = premises.shell("true", 2, name="fits")
    planned = premises.ask(Submit(submissions=(fits,), dry_run=True), Planned)
    blocked(premises)
    would = premises.ask(
        Submit(submissions=(premises.shell("true", 4),), dry_run=True), Planned
    ).plans[0]

    assert (planned.plans[0].now, planned.plans[0].gpus) == (True, (0, 1))
    assert not would.now
    assert would.reason.startswith("Resources: ")
    assert would.about_s is not None
    # The next name is the next name: nothing was taken.
    assert premises.submit(fits)[0].job == "2"


def test_what_if_compares_with_how_it_is(premises: Premises) -> None:
    premises.up()
    blocker = blocked(premises)
    (waiting,) = premises.submit(premises.shell("true", 4, evictable=False))
    fewer = premises.ask(WhatIf(drain=(0, 1, 2, 3, 4)), Compared)
    other = premises.ask(WhatIf(policy="easy"), Compared)

    assert blocker
    (shift,) = fewer.shifts
    assert (shift.job, shift.would_s) == (waiting.job, None)
    assert shift.start_s is not None
    assert other.change == "policy easy"
    with pytest.raises(RefusedError, match="changes nothing"):
        premises.client.ask(WhatIf())
    for policy, words in REFUSED.items():
        with pytest.raises(RefusedError, match=words) as caught:
            premises.client.ask(WhatIf(policy=policy))
        assert caught.value.why is Why.BAD


def test_a_drained_gpu_takes_nothing_new_also_after_a_restart(premises: Premises) -> None:
    premises.up()
    drained = done(premises, Drain(gpus=(0, 9), reason="too hot"))
    premises.down()
    premises.up()
    (row,) = premises.submit(premises.shell("sleep 1000"))
    running = premises.until_state(row.job, "running")
    (node,) = premises.ask(Nodes(), NodeRows).rows
    done(premises, Restore(gpus=(0,)))
    (restored,) = premises.ask(Nodes(), NodeRows).rows

    assert drained.words == ("GPU 0 takes nothing new",)
    assert drained.refused == ("there is no GPU 9",)
    assert node.gpus[0].out == "too hot"
    assert running.gpus == (1,)
    assert node.gpus[1].jobs == (row.job,)
    assert restored.gpus[0].out == ""


def test_everything_is_shown_again_at_each_change(premises: Premises) -> None:
    premises.up()
    scenes = premises.client.stream(Watch(every_s=0.2))
    first = next(scenes)
    blocker = blocked(premises)
    until = time.monotonic() + 30.0
    scene = next(scenes)
    while not any(row.state == "running" for row in _jobs(scene)):
        assert time.monotonic() < until
        scene = next(scenes)
    bars = premises.ask(Gantt(), Bars).bars

    assert _jobs(first) == ()
    assert [row.job for row in _jobs(scene)] == [blocker]
    assert {(bar.job, bar.kind) for bar in bars} == {(blocker, "runs")}
    assert sorted(bar.gpu for bar in bars if bar.gpu is not None) == [*range(8)]


def _jobs(scene: object) -> tuple[JobRow, ...]:
    assert isinstance(scene, Scene)
    return scene.jobs


def test_what_cannot_be_run_is_refused_in_words_and_leaves_nothing(premises: Premises) -> None:
    premises.up()
    shell = premises.shell
    bad = {
        "environment: '1' is no name of a variable": shell("true", environment={"1": "x"}),
        "script: 'true' does not begin with #!": shell("x", script="true"),
    }
    for words, submission in bad.items():
        with pytest.raises(RefusedError, match=words) as caught:
            premises.submit(shell("true"), submission)
        assert caught.value.why is Why.BAD

    assert premises.states() == {}


# --- Others ---


def asked_as(uid: int, ask: Callable[[], object]) -> str:
    """Ask as another user, in a process of one's own; return what came of it as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        try:
            said = repr(ask())
        except Exception as error:  # noqa: BLE001 - it is what is asked about
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        return told.read()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
NOBODY = 65_534


@needs_root
def test_others_see_the_queue_and_change_only_what_is_theirs(premises: Premises) -> None:
    premises.up()
    blocker = blocked(premises)
    client, shell = premises.client, premises.shell
    mine = shell("id -u", folder="/", evictable=False)

    welcome = asked_as(NOBODY, lambda: client.ask(Hello()))
    handed = asked_as(NOBODY, lambda: client.ask(Submit(submissions=(mine,))))
    seen = asked_as(NOBODY, lambda: client.ask(Jobs()))
    stopped = asked_as(NOBODY, lambda: client.ask(End(jobs=(blocker,))))
    read = asked_as(NOBODY, lambda: list(client.stream(Logs(job=blocker))))
    drained = asked_as(NOBODY, lambda: client.ask(Drain(gpus=(0,))))
    many = shell("true", array=tuple(range(10_000)), array_at_most=1)
    large = shell("true", log_bytes=1 << 31)
    urgent = shell("true", priority=Priority.URGENT)
    refused = [
        asked_as(NOBODY, partial(client.ask, Submit(submissions=given)))
        for given in ((many, many, many), (large,), (urgent,))
    ]
    done(premises, End(jobs=(blocker,)))
    premises.until_ended("2")
    output = asked_as(NOBODY, lambda: list(client.stream(Logs(job="2"))))

    assert "20,000 is the most" in refused[0]
    assert "the most for who is no operator" in refused[1]
    assert "'urgent' is for operators" in refused[2]
    assert "operator=False" in welcome
    assert "user='nobody'" in handed
    assert f"job='{blocker}'" in seen
    assert "job 1 is root's" in stopped
    assert "its output is not for others" in read
    assert "is for operators: root and the members of group noljima" in drained
    assert f"{NOBODY}\\n" in output


# --- Beginnings and ends ---


def test_a_folder_without_a_state_is_not_begun_by_mistake(premises: Premises) -> None:
    premises.state.mkdir()
    premises.up(wait=False)
    assert premises.process is not None
    refused = premises.process.wait(30)
    premises.process = None
    premises.up("--new")

    assert refused == 2
    assert "holds no state" in premises.log.read_text()
    assert isinstance(premises.client.ask(Hello()), Welcome)


def test_another_policy_takes_over_what_runs_and_waits(premises: Premises) -> None:
    premises.up()
    blocker = blocked(premises)
    (waiting,) = premises.submit(premises.shell("true", 8, evictable=False))
    before = premises.rows()[blocker]
    premises.down()
    premises.up("--policy", "easy")
    welcome = premises.ask(Hello(), Welcome)
    after = premises.rows()[blocker]
    done(premises, End(jobs=(blocker,)))
    ended = premises.until_ended(blocker, waiting.job)
    premises.kill()
    premises.up()

    assert welcome.policy == premises.ask(Hello(), Welcome).policy == "easy"
    assert (after.state, after.started_s) == ("running", before.started_s)
    assert ended[waiting.job].state == "succeeded"
    assert set(premises.states()) == {blocker, waiting.job}


def test_jobs_go_on_when_the_scheduler_ends_and_are_found_again(premises: Premises) -> None:
    premises.up()
    (row,) = premises.submit(premises.shell("sleep 0.5; echo done > end"))
    before = premises.until_state(row.job, "running")
    premises.down()
    premises.up()
    after = premises.rows().get(row.job)
    ended = premises.until_ended(row.job)[row.job]

    assert after is None or after.started_s == before.started_s
    assert (ended.state, ended.attempt) == ("succeeded", 1)
    assert (premises.root / "end").exists()
    assert "goes on from the engine's state" in premises.log.read_text()


def test_a_job_that_the_machine_is_too_small_for_is_cancelled_and_not_stopped(
    premises: Premises,
) -> None:
    premises.up()
    (row,) = premises.submit(premises.shell("true", 9, evictable=False))
    premises.until_state(row.job, "infeasible")

    assert done(premises, End(jobs=(row.job,))).words == (f"job {row.job} is cancelled",)
