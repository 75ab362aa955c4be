"""One suite that every driver has to pass: the same stories, told by the real engine and loop.

A new driver describes itself as a `DriverUnderTest` and subclasses `DriverConformance`, a class of
pytest tests, with a fixture `subject`; docs/drivers.md shows how. What a driver cannot do it says,
with the reason; the tests of that are skipped with these words, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np
import pytest

from noljima import app
from noljima.model.commands import Evict, Start, Stop
from noljima.model.events import Finished, Outcome, Started, StartFailed
from noljima.model.job import Checkpoint
from noljima.model.node import GPUS_PER_NODE_MAX
from noljima.model.resources import JobId
from noljima.testing.conformance_stories import (
    SPEC,
    Ability,
    Does,
    DriverUnderTest,
    Part,
    Playing,
    Prepare,
    Stage,
    Story,
    Talk,
    able,
    part,
    played,
    talked,
)
from noljima.testing.rehearsal import replay

__all__ = [
    "Ability",
    "Does",
    "DriverConformance",
    "DriverUnderTest",
    "Part",
    "Playing",
    "Stage",
    "Story",
    "Talk",
    "part",
    "played",
    "talked",
]


class DriverConformance:
    """The suite; a subclass has a fixture `subject` that returns a `DriverUnderTest`."""

    def test_every_job_runs_to_the_end_that_it_comes_to(self, subject: DriverUnderTest) -> None:
        """More jobs than fit: each start is answered once, each end is what it was."""
        parts = [
            part(f"job-{n}", Does.FAIL if n % 3 else Does.SUCCEED, workers=1 + n % 4, run_s=0.05)
            for n in range(10)
        ]
        playing = played(subject, Story(parts=tuple(parts)))

        for n in range(10):
            wanted = Outcome.FAILED if n % 3 else Outcome.SUCCEEDED
            assert playing.books.end_of(f"job-{n}") is wanted
            assert playing.books.kinds(f"job-{n}") in (["Started", "Finished"], ["Finished"])

    def test_a_day_can_be_replayed_to_the_same_commands(self, subject: DriverUnderTest) -> None:
        """What a driver tells is all that the engine goes by."""
        parts = [part(f"job-{n}", Does.SUCCEED, workers=1 + n % 4, run_s=0.05) for n in range(6)]
        record = played(subject, Story(parts=tuple(parts))).record

        commands = [batch[1] for batch in record.batches]
        assert replay(app.build_engine(SPEC), record.batches) == commands

    def test_a_gang_has_all_its_workers_when_it_is_told_to_have_started(
        self, subject: DriverUnderTest
    ) -> None:
        """The whole machine for one gang, then for the next."""
        gangs = (part("one", Does.WAIT, workers=4), part("two", Does.SUCCEED, 4))
        playing = played(
            subject,
            Story(parts=gangs),
            lambda p: p.when(Started, "one", lambda: p.cancel("one")),
        )

        assert playing.books.kinds("one") == ["Started", "Finished"]
        assert playing.books.end_of("one") is Outcome.CANCELLED
        assert playing.books.end_of("two") is Outcome.SUCCEEDED

    def test_a_gang_over_several_nodes_is_whole_or_not_there(
        self, subject: DriverUnderTest
    ) -> None:
        """Two workers of two GPUs each on two nodes, and one behind them."""
        able(subject, Ability.SEVERAL_NODES)
        parts = (
            part("wide", Does.SUCCEED, 2, workers=2),
            part("next", Does.SUCCEED, 2, workers=2),
        )
        playing = played(subject, Story(parts=parts, nodes=2, gpus=2))

        starts = [start for _, start in playing.record.starts()]
        assert [len({w.node for w in s.placement.workers}) for s in starts] == [2, 2]
        assert playing.books.end_of("next") is Outcome.SUCCEEDED

    def test_a_start_that_fails_gives_everything_back_and_is_tried_again(
        self, subject: DriverUnderTest
    ) -> None:
        """The first start of the one fails; both run in the end."""
        parts = (part("late", Does.COME_UP_LATE, workers=4), part("other", Does.SUCCEED, 4))
        playing = played(subject, Story(parts=parts))

        assert playing.books.kinds("late", 1) == ["StartFailed"]
        assert playing.books.end_of("late") is Outcome.SUCCEEDED
        assert playing.books.end_of("other") is Outcome.SUCCEEDED
        (failed,) = [e for e in playing.record.events() if isinstance(e, StartFailed)]
        assert failed.reason

    def test_a_gang_that_loses_a_worker_ends_whole(self, subject: DriverUnderTest) -> None:
        """The others are not left behind, and their GPUs are free for the next."""
        able(subject, Ability.SINGLE_WORKERS)
        parts = (part("torn", Does.LOSE_A_WORKER, workers=4), part("next", Does.SUCCEED, 4))
        playing = played(subject, Story(parts=parts))

        assert playing.books.end_of("torn") is Outcome.FAILED
        assert playing.books.end_of("next") is Outcome.SUCCEEDED

    def test_a_job_is_ended_at_its_limit_and_not_before(self, subject: DriverUnderTest) -> None:
        """And told as what it is."""
        playing = played(subject, Story(parts=(part("long", Does.WAIT, limit_s=1.0),)))

        assert playing.books.end_of("long") is Outcome.LIMIT
        started, finished = playing.books.answers[JobId("long"), 1]
        assert finished.at_s - started.at_s >= 0.99

    @pytest.mark.parametrize("does", [Does.WAIT, Does.STAY])
    def test_a_running_job_that_is_cancelled_is_gone(
        self, subject: DriverUnderTest, does: Does
    ) -> None:
        """Also one that passes over whatever asks it to end."""
        playing = played(
            subject,
            Story(parts=(part("gone", does, workers=2), part("next", Does.SUCCEED, 4))),
            lambda p: p.when(Started, "gone", lambda: p.cancel("gone")),
        )

        assert playing.books.end_of("gone") is Outcome.CANCELLED
        assert playing.books.end_of("next") is Outcome.SUCCEEDED

    def test_a_job_that_is_cancelled_while_it_starts_is_gone(
        self, subject: DriverUnderTest
    ) -> None:
        """Its owner changes their mind before it was told to have started."""

        def prepare(playing: Playing) -> None:
            def change_of_mind(start: Start) -> None:
                if start.job == "gone":
                    playing.cancel("gone")

            playing.observed.on_start = change_of_mind

        parts = (part("gone", Does.WAIT, workers=4), part("next", Does.SUCCEED, 4))
        playing = played(subject, Story(parts=parts), prepare)

        assert playing.books.kinds("gone")[-1] == "Finished"
        assert playing.books.end_of("gone") is Outcome.CANCELLED
        assert playing.books.end_of("next") is Outcome.SUCCEEDED

    @pytest.mark.parametrize("does", [Does.WAIT, Does.STAY])
    def test_a_guest_makes_way_and_comes_back(self, subject: DriverUnderTest, does: Does) -> None:
        """Half is held, the whole is waited for, and a guest fills the other half meanwhile."""
        playing = played(subject, _with_guest(does), _let_the_guest_go)

        assert playing.record.evictions() == {"guest": 1}
        assert playing.books.kinds("guest", 1) == ["Started", "Evicted"]
        assert playing.books.kinds("guest", 2)[-1] == "Finished"
        assert playing.books.end_of("whole") is Outcome.SUCCEEDED

    def test_commands_that_are_given_twice_are_carried_out_once(
        self, subject: DriverUnderTest
    ) -> None:
        """Everything twice: starts, evictions and stops."""
        story = _with_guest(Does.WAIT)
        playing = played(subject, story, _let_the_guest_go, doubled=True)

        assert playing.record.evictions() == {"guest": 1}
        assert playing.books.end_of("whole") is Outcome.SUCCEEDED
        # One that was told to go at once may have been never begun.
        assert set(playing.begun.values()) <= {None, 0, 1}

    def test_commands_that_come_late_do_nothing(self, subject: DriverUnderTest) -> None:
        """To end what has ended, what never was, and what has just been told to end."""

        async def tale(talk: Talk) -> None:
            await talk.do(talk.start("early", 0), talk.start("other", 1))
            await talk.until(Finished, "early")
            await talk.until(Started, "other")
            for name in ("early", "nobody"):
                await talk.do(Evict(JobId(name), JobId("other")), Stop(JobId(name)))
            await talk.do(Stop(JobId("other")))
            await talk.do(Evict(JobId("other"), JobId("early")))
            await talk.until(Finished, "other")

        parts = (part("early", Does.SUCCEED), part("other", Does.WAIT))
        talk = talked(subject, Story(parts=parts), tale)

        assert talk.books.end_of("early") is Outcome.SUCCEEDED
        assert talk.books.end_of("other") is Outcome.CANCELLED
        assert set(talk.books.answers) == {("early", 1), ("other", 1)}

    @pytest.mark.parametrize("does", [Does.SUCCEED, Does.STAY])
    def test_a_job_that_is_evicted_while_it_starts_ends_once(
        self, subject: DriverUnderTest, does: Does
    ) -> None:
        """Both commands in one breath; the driver may come to either end."""

        async def tale(talk: Talk) -> None:
            await talk.do(talk.start("hasty", 0, 1), Evict(JobId("hasty"), JobId("other")))
            while not talk.books.ended((JobId("hasty"), 1)):
                await talk.listen()
            await talk.do(talk.start("other", 0, 1))
            await talk.until(Finished, "other")

        parts = (part("hasty", does, workers=2), part("other", Does.SUCCEED, workers=2))
        talk = talked(subject, Story(parts=parts), tale)

        assert talk.books.kinds("hasty")[-1] in {"Evicted", "Finished", "StartFailed"}
        assert talk.books.end_of("other") is Outcome.SUCCEEDED

    def test_a_driver_that_takes_over_tells_the_ends_of_what_ran_before(
        self, subject: DriverUnderTest
    ) -> None:
        """One ends by itself, one is stopped, and one was written down and never begun."""
        able(subject, Ability.ADOPTION)
        begun: dict[str, int | None] = {}

        async def tale(talk: Talk) -> None:
            await talk.do(talk.start("ends", 0), talk.start("stays", 1, 2))
            await talk.until(Started, "ends")
            await talk.until(Started, "stays")
            talk.books.commanded([talk.start("unbegun", 3)])
            await talk.restart()
            for name in ("ends", "unbegun"):
                await talk.until(Finished, name)
            await talk.do(Stop(JobId("stays")))
            await talk.until(Finished, "stays")
            begun.update({n: talk.stage.begun(JobId(n), 1) for n in ("ends", "stays", "unbegun")})

        parts = (
            part("ends", Does.SUCCEED, run_s=0.5),
            part("stays", Does.STAY, workers=2),
            part("unbegun", Does.FAIL),
        )
        talk = talked(subject, Story(parts=parts), tale)

        assert talk.books.end_of("ends") is Outcome.SUCCEEDED
        assert talk.books.end_of("stays") is Outcome.CANCELLED
        assert talk.books.end_of("unbegun") is Outcome.FAILED
        assert set(begun.values()) <= {None, 1}, begun

    def test_starts_that_make_no_sense_are_refused_and_harm_nobody(
        self, subject: DriverUnderTest
    ) -> None:
        """An unknown job, a GPU that is not there, and gangs of another size."""
        able(subject, Ability.GARBAGE)

        async def tale(talk: Talk) -> None:
            await talk.do(
                talk.start("nobody", 0),
                talk.start("beyond", GPUS_PER_NODE_MAX - 1),
                talk.start("small", 1, 2),
                talk.start("empty"),
            )
            for name in ("nobody", "beyond", "small", "empty"):
                failed = await talk.until(StartFailed, name)
                assert isinstance(failed, StartFailed)
                assert failed.reason
            await talk.do(talk.start("good", 0))
            await talk.until(Finished, "good")

        names = ("beyond", "small", "empty", "good")
        parts = tuple(part(name, Does.SUCCEED) for name in names)
        talk = talked(subject, Story(parts=parts), tale)

        assert talk.books.end_of("good") is Outcome.SUCCEEDED
        assert all(talk.books.kinds(name) == ["StartFailed"] for name in names[:-1])

    def test_a_gpu_that_is_taken_out_takes_nothing_new(self, subject: DriverUnderTest) -> None:
        """What runs on it stays, until its owner ends it."""
        able(subject, Ability.DRAIN)

        def prepare(playing: Playing) -> None:
            def drain() -> None:
                ((_, start),) = playing.record.starts()
                playing.stage.drain(start.placement.workers[0].node, 2)
                playing.cancel("all")

            playing.when(Started, "all", drain)

        parts = (
            part("all", Does.WAIT, workers=4),
            *(part(f"job-{n}", Does.SUCCEED) for n in range(5)),
        )
        playing = played(subject, Story(parts=parts), prepare)

        later = [start for _, start in playing.record.starts()[1:]]
        assert len(later) == 5
        assert 2 not in {gpu for start in later for w in start.placement.workers for gpu in w.gpus}
        assert playing.books.kinds("all") == ["Started", "Finished"]

    def test_any_mix_of_jobs_and_changes_of_mind_comes_to_its_end(
        self, subject: DriverUnderTest
    ) -> None:
        """Drawn from seeds, as many as the driver has time for."""
        for seed in range(subject.storms):
            story, wanted, prepare = _storm(seed)
            playing = played(subject, story, prepare)
            found = {name: playing.books.end_of(name) for name in wanted}
            # Who was cancelled while it was evicted is gone without having finished.
            gone = {job for job, _ in playing.books.answers if found[job] is None}
            found |= dict.fromkeys(gone, Outcome.CANCELLED)
            odd = {name: end for name, end in found.items() if end is not wanted[name]}
            assert not odd, f"seed {seed}: {odd}"


def _with_guest(does: Does) -> Story:
    """Half is held, somebody waits for the whole, and a guest takes the other half meanwhile."""
    guest = part("guest", does, workers=2, evictable=True, checkpoint=Checkpoint(interval_s=0.0))
    first, whole = part("first", Does.WAIT, workers=2), part("whole", Does.SUCCEED, workers=4)
    return Story(parts=(first, whole, guest))


def _let_the_guest_go(playing: Playing) -> None:
    """End what holds the one half once the guest is in the other, and the guest when it is back."""
    playing.when(Started, "guest", lambda: playing.cancel("first"))
    playing.when(Started, "guest", lambda: playing.cancel("guest"), attempt=2)


_COMES_TO: Final = {
    Does.SUCCEED: Outcome.SUCCEEDED,
    Does.FAIL: Outcome.FAILED,
    Does.COME_UP_LATE: Outcome.SUCCEEDED,
    Does.WAIT: Outcome.CANCELLED,
    Does.STAY: Outcome.CANCELLED,
}


def _storm(seed: int) -> tuple[Story, Mapping[JobId, Outcome], Prepare]:
    """Draw a story, what each of its jobs must come to, and what its users do meanwhile."""
    generator = np.random.Generator(np.random.PCG64(seed))
    parts: list[Part] = []
    hasty: set[str] = set()
    for number in range(int(generator.integers(2, 9))):
        does = list(_COMES_TO)[int(generator.integers(0, len(_COMES_TO)))]
        made = part(
            f"job-{number}",
            does,
            workers=int(generator.integers(1, 5)),
            run_s=float(generator.integers(0, 3)) / 10,
            evictable=bool(generator.random() < 0.5),
            checkpoint=Checkpoint(interval_s=0.0),
        )
        parts.append(made)
        if does in {Does.WAIT, Does.STAY} and generator.random() < 0.5:
            hasty.add(made.job.id)

    def prepare(playing: Playing) -> None:
        def change_of_mind(start: Start) -> None:
            if start.job in hasty and start.attempt == 1:
                playing.cancel(start.job)

        playing.observed.on_start = change_of_mind
        for each in parts:
            if each.does in {Does.WAIT, Does.STAY} and each.job.id not in hasty:
                playing.when(Started, each.job.id, partial(playing.cancel, each.job.id))

    wanted = {each.job.id: _COMES_TO[each.does] for each in parts}
    return Story(parts=tuple(parts)), wanted, prepare
