"""A scheduler that is killed, again and again: nothing is lost, run twice or half started."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence

import pytest

from noljima.control.client import NoSchedulerError
from noljima.submission.nouns import Submission
from noljima.testing.mortal import PLACES
from noljima.testing.premises import Premises, alive

QUICK = ("append.before:4", "append.after:5", "launch.before:2", "end.after:1")
ONCE = ("adopt.before", "adopt.after")
EACH = [f"{place}:{count}" for place in PLACES for count in (1, 3) if place not in ONCE]
DEADLY = [*EACH, *ONCE, "append.during:5", "append.after:6", "launch.after:2", *ONCE, "do.before:5"]
BUNDLES_MAX = 200


class Story:
    """Jobs that note each start and each end in a file, and schedulers that die meanwhile."""

    def __init__(self, premises: Premises, moments: Sequence[str]) -> None:
        self.premises = premises
        self.moments = [*moments]
        self.notes = premises.root / "notes"
        self.notes.mkdir()
        self.gangs: dict[str, int] = {}
        self.kills: list[str] = []
        self._handed = 0

    # --- Jobs ---

    def bundle(self, number: int) -> list[Submission]:
        """Describe a few jobs; every third time some of which one has to make way."""
        if number % 3 == 0:
            # The first two fill the machine, the third waits for the first, and then the fourth,
            # which has come in as a guest, has to go.
            return [
                self._job(4, 0.4, evictable=False),
                self._job(8, 0.05, evictable=False),
                self._job(2, 1.0, evictable=True),
            ]
        if number % 3 == 1:
            return [self._job(3, 0.1, evictable=False)]
        return [self._job(1, 0.05, evictable=False), self._job(1, 0.3, evictable=True)]

    def _job(self, workers: int, sleep_s: float, *, evictable: bool) -> Submission:
        self._handed += 1
        file = self.notes / str(self._handed)
        line = "$NOLJIMA_JOB_ID $NOLJIMA_ATTEMPT $NOLJIMA_WORKER $$"
        text = f'echo "{line}" >> {file}.starts; sleep {sleep_s}; echo "{line}" >> {file}.ends'
        return self.premises.shell(text, workers, evictable=evictable, name=str(self._handed))

    def hand_in(self, number: int) -> None:
        """Hand a bundle in, one by one, whatever becomes of schedulers meanwhile."""
        for submission in self.bundle(number):
            while True:
                try:
                    (row,) = self.premises.submit(submission, key=submission.name)
                except NoSchedulerError:
                    self.revive()
                else:
                    self.gangs[row.job] = row.workers
                    break

    # --- Schedulers ---

    def revive(self) -> None:
        """Bring the next scheduler up once this one is dead; it finds what ran as it was."""
        self.premises.until(self.premises.has_died)
        self.kills.append(self.moments.pop(0))
        before = self.running()
        self.premises.kill()
        self.premises.up(moment=self.moments[0] if self.moments else "")
        # Whoever noted a start and no end runs on, as the same process.
        after = self.running()
        for key, pid in before.items():
            assert key not in after or after[key] == pid

    def has_settled(self) -> bool:
        """Wait until all jobs have ended, or the scheduler has died; say whether it lives."""
        try:
            self.premises.until(lambda: self.premises.has_died() or not self.premises.rows())
        except NoSchedulerError:
            return False
        return not self.premises.has_died()

    def running(self) -> dict[tuple[str, ...], int]:
        """Return the workers that live, by job, attempt and worker."""
        found = {tuple(words[:3]): int(words[3]) for words in self.lines("starts")}
        return {key: pid for key, pid in found.items() if alive(pid)}

    def lines(self, suffix: str) -> list[list[str]]:
        return [
            line.split()
            for path in sorted(self.notes.glob(f"*.{suffix}"))
            for line in path.read_text().splitlines()
        ]

    # --- The end ---

    def check(self) -> None:
        """Look at everything that was noted."""
        ended = self.premises.until_ended(*self.gangs)
        starts, ends = self.lines("starts"), self.lines("ends")

        # 0 lost: all that were acknowledged have ended, and well.
        assert {job: ended[job].state for job in self.gangs} == dict.fromkeys(
            self.gangs, "succeeded"
        )
        # Not one more than was handed in, however often that was tried.
        assert len(ended) == len(self.gangs) == self._handed
        # 0 run twice: no worker of an attempt began, or ended, a second time.
        assert set(Counter(tuple(words[:3]) for words in starts).values()) == {1}
        assert set(Counter(tuple(words[:3]) for words in ends).values()) == {1}
        # Each ended in its last attempt. One that is told to go in the very moment of its end is
        # evicted, and runs again: that is the driver's word, and has nothing to do with kills.
        last = {job: str(row.attempt) for job, row in ended.items()}
        ran = Counter(words[0] for words in ends if words[1] == last[words[0]])
        assert ran == self.gangs
        # 0 half gangs: of each attempt that began, all workers did.
        for (job, _), count in Counter((words[0], words[1]) for words in starts).items():
            assert count == self.gangs[job]
        # A job that nobody may evict ran once.
        once = {job for job, row in ended.items() if not row.evictions}
        assert {words[1] for words in starts if words[0] in once} == {"1"}


def played(premises: Premises, moments: Sequence[str], bundles: int = 0) -> Story:
    """Hand jobs in until schedulers have died at all moments, and let the last one finish."""
    story = Story(premises, moments)
    premises.up(moment=moments[0])
    for number in range(BUNDLES_MAX):
        story.hand_in(number)
        while not story.has_settled():
            story.revive()
        if not story.moments and number + 1 >= bundles:
            break
    story.check()
    return story


def test_a_scheduler_that_is_killed_again_and_again_loses_nothing(premises: Premises) -> None:
    story = played(premises, QUICK)

    assert story.kills == [*QUICK]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_at_thirty_moments_nothing_is_lost_run_twice_or_half_started(premises: Premises) -> None:
    assert len(DEADLY) >= 30
    story = played(premises, DEADLY, bundles=25)

    assert story.kills == DEADLY
    assert len(story.gangs) >= 50


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
def test_killed_by_chance_nothing_is_lost_either(premises: Premises, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same moments in every run
    story = Story(premises, [])
    premises.up()
    for number in range(25):
        story.hand_in(number)
        time.sleep(chance.uniform(0.0, 0.4))  # a moment by chance is what is wanted here
        assert premises.process is not None
        premises.process.kill()
        story.moments = ["by chance"]
        story.revive()
    assert story.has_settled()
    story.check()

    assert len(story.gangs) >= 50


def test_a_second_scheduler_on_the_same_state_is_refused(premises: Premises) -> None:
    premises.up()
    first, premises.process = premises.process, None
    premises.up(wait=False)
    second, premises.process = premises.process, first
    assert second is not None

    assert second.wait(30) == 2
    assert "is in use by process" in premises.log.read_text()
    assert premises.is_up()
