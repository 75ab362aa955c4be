"""Health under any history: an onlooker keeps its own books of who ran, was seen and was ended.

Jobs begin, train, sleep, spin, are paused, lose metrics and come back; samplers die, clocks jump.
Whatever happens, what was promised of ends holds, and another monitor that is told the same says
the same.
"""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from noljima.config import HealthSettings
from noljima.health import Monitor
from noljima.health.facts import (
    METRICS,
    Erred,
    Fact,
    Faulted,
    Over,
    Pause,
    Paused,
    Progressed,
    Resumed,
    Sampled,
    Saved,
    Swept,
    Trouble,
)
from noljima.health.findings import (
    ENDS,
    EVIDENCE_MAX,
    WORDS_MAX,
    Act,
    Doubt,
    Finding,
    Kind,
    Requeue,
    Rung,
    Verdict,
)
from noljima.model.resources import JobId, NodeId
from noljima.testing.hangs import modes
from noljima.testing.hangs.ward import Ward

MODES = (
    modes.TRAIN,
    modes.LIGHT,
    modes.PREPARE,
    modes.SAVE,
    modes.CPU_ONLY,
    modes.SPIN,
    modes.SLEEP,
    modes.CHATTER,
    modes.FROZEN,
    modes.GONE,
)
HOUR_S = 3600.0


class Books:
    """What an onlooker knows of one job."""

    def __init__(self, user: str, at_s: float, *, watched: bool) -> None:
        self.user = user
        self.watched = watched
        self.paused: Pause | None = None
        self.began_s = at_s
        self.steady_s = at_s
        """Since when it has run and been looked at without a gap."""
        self.stepped_s = at_s
        self.going = False
        self.checkpoint = False
        self.told = Rung.OK


class AnyHistory(RuleBasedStateMachine):
    """A ward in which anything may happen, and an onlooker."""

    @initialize(
        dry_run=st.sampled_from([False, False, False, True]),
        grace_s=st.sampled_from([0.0, 300.0]),
        users=st.lists(st.sampled_from("uvw"), min_size=2, max_size=7),
    )
    def begin(self, dry_run: bool, grace_s: float, users: list[str]) -> None:  # noqa: FBT001 - drawn
        self.settings = HealthSettings(
            dry_run=dry_run, grace_s=grace_s, cluster_end_share=0.25, doubt_suspects_min=4
        )
        self.ward = Ward(self.settings)
        self.books: dict[JobId, Books] = {}
        self.ends: list[tuple[float, str]] = []
        self.found: list[Finding] = []
        self.doubted = False
        self.serial = 0
        for user in users:
            self.start(user, 1, watched=True, reports=True, checkpoint=True, silence_s=None)
        self.run(5.0, 30.0)

    # --- What happens ---

    @rule(
        user=st.sampled_from("uvw"),
        workers=st.sampled_from([1, 2]),
        watched=st.sampled_from([True, True, True, False]),
        reports=st.sampled_from([True, True, False]),
        checkpoint=st.booleans(),
        silence_s=st.sampled_from([None, None, 60.0, 3600.0]),
    )
    def start(
        self,
        user: str,
        workers: int,
        watched: bool,  # noqa: FBT001 - drawn
        reports: bool,  # noqa: FBT001 - drawn
        checkpoint: bool,  # noqa: FBT001 - drawn
        silence_s: float | None,
    ) -> None:
        if len(self.books) >= 8:
            return
        self.serial += 1
        name = f"j{self.serial}"
        self.ward.begin(
            name,
            user=user,
            workers=workers,
            watched=watched,
            reports=reports,
            checkpoint=checkpoint,
            silence_s=silence_s,
        )
        self.books[JobId(name)] = Books(user, self.ward.at_s, watched=watched)
        self.books[JobId(name)].checkpoint = checkpoint

    @rule(
        number=st.integers(0, 7),
        each=st.lists(st.sampled_from(MODES), min_size=1, max_size=2),
        steps=st.booleans(),
    )
    def change(self, number: int, each: list[modes.Mode], steps: bool) -> None:  # noqa: FBT001 - drawn
        for name in self._one(number):
            self.ward.do(name, *each, steps=steps)

    @rule(
        numbers=st.sets(st.integers(0, 7), min_size=1, max_size=4),
        mode=st.sampled_from([modes.SLEEP, modes.SPIN, modes.FROZEN, modes.CPU_ONLY]),
        trouble=st.sampled_from([None, None, *Trouble]),
        minutes=st.sampled_from([5.0, 12.0, 25.0, 70.0]),
    )
    def get_stuck(
        self, numbers: set[int], mode: modes.Mode, trouble: Trouble | None, minutes: float
    ) -> None:
        for number in sorted(numbers):
            self.change(number, [mode], steps=False)
            if trouble is not None:
                self.err(number, trouble)
        self.run(minutes, 30.0)

    @rule(number=st.integers(0, 7), lost=st.sets(st.sampled_from(METRICS), max_size=5))
    def lose(self, number: int, lost: set[str]) -> None:
        for name in self._one(number):
            self.ward.patients[name].without = lost

    @rule(
        number=st.integers(0, 7),
        phase=st.sampled_from(["train", "train", "evaluate"]),
        loss=st.sampled_from([None, 1.0, math.nan]),
        back=st.sampled_from([0.0, 0.0, 50.0]),
    )
    def tell(self, number: int, phase: str, loss: float | None, back: float) -> None:
        for name in self._one(number):
            patient = self.ward.patients[name]
            patient.phase, patient.loss = phase, loss
            patient.step = max(patient.step - back, 0.0)

    @rule(number=st.integers(0, 7), trouble=st.sampled_from(Trouble))
    def err(self, number: int, trouble: Trouble) -> None:
        for name in self._one(number):
            self._tell(Erred(at_s=self.ward.at_s, job=name, trouble=trouble))

    @rule(number=st.integers(0, 7), why=st.sampled_from(Pause))
    def pause(self, number: int, why: Pause) -> None:
        for name in self._one(number):
            self.books[name].paused = why
            if why is Pause.STOPPING:
                self.books[name].going = True
            if why is not Pause.CHECKPOINTING:
                self.books[name].told = Rung.OK
            self._tell(Paused(at_s=self.ward.at_s, job=name, why=why))

    @rule(number=st.integers(0, 7))
    def resume(self, number: int) -> None:
        for name in self._one(number):
            books = self.books[name]
            if books.paused is not None or books.going:
                books.paused, books.going = None, False
                books.steady_s = self.ward.at_s
            self._tell(Resumed(at_s=self.ward.at_s, job=name))

    @rule(number=st.integers(0, 7))
    def save(self, number: int) -> None:
        for name in self._one(number):
            self.books[name].checkpoint = True
            self._tell(Saved(at_s=self.ward.at_s, job=name))

    @rule(number=st.integers(0, 7), xid=st.sampled_from([13, 45, 63, 79, 94, 999]))
    def break_gpu(self, number: int, xid: int) -> None:
        for name in self._one(number):
            fault = Faulted(at_s=self.ward.at_s, node=NodeId("n"), gpu=number, xid=xid, job=name)
            for finding in self._tell(fault):
                if isinstance(finding, Requeue):
                    assert not self.books[name].going
                    self.books[name].going = not self.settings.dry_run

    @rule(number=st.integers(0, 7), code=st.sampled_from([None, 0, 1]), asked=st.booleans())
    def end(self, number: int, code: int | None, asked: bool) -> None:  # noqa: FBT001 - drawn
        for name in self._one(number):
            self._tell(Over(at_s=self.ward.at_s, job=name, exit_code=code, asked=asked))
            del self.books[name], self.ward.patients[name]

    @rule(
        minutes=st.sampled_from([1.0, 5.0, 12.0, 25.0, 60.0]),
        tick_s=st.sampled_from([20.0, 30.0]),
    )
    def run(self, minutes: float, tick_s: float) -> None:
        for _ in range(max(round(minutes * 60.0 / tick_s), 1)):
            self._pass(tick_s)
            facts: list[Fact] = []
            for job, patient in self.ward.patients.items():
                facts += patient.facts(self.ward.at_s, reports=job in self.ward.reporting)
            self._tell(*facts, Swept(at_s=self.ward.at_s))

    @precondition(lambda self: self.books)
    @rule(number=st.integers(0, 7), rounds=st.integers(1, 40))
    def overlook(self, number: int, rounds: int) -> None:
        """Look at all jobs but one."""
        for name in self._one(number):
            for _ in range(rounds):
                self._pass(30.0)
                facts: list[Fact] = []
                for job, patient in self.ward.patients.items():
                    if job != name:
                        facts += patient.facts(self.ward.at_s, reports=job in self.ward.reporting)
                self._tell(*facts, Swept(at_s=self.ward.at_s, unseen=(name,)))
            if rounds * 30.0 > self.settings.gap_s_max - 30.0:
                self.books[name].steady_s = math.inf

    @rule(seconds=st.floats(61.0, 30_000.0), back=st.booleans())
    def lose_sight(self, seconds: float, back: bool) -> None:  # noqa: FBT001 - drawn
        """Let nobody look for a while, or set the clock back."""
        if back:
            self.ward.at_s = max(self.ward.at_s - seconds, 1.0)
            # Budgets are of time that passes; these books are of what the clock shows.
            self.ends = [(at_s - seconds, user) for at_s, user in self.ends]
        else:
            self.ward.pass_unseen(seconds)
        for books in self.books.values():
            books.steady_s = math.inf

    @rule(number=st.integers(0, 9))
    def tell_nonsense(self, number: int) -> None:
        """Tell of a job that is not there; it changes nothing."""
        at_s, ghost = self.ward.at_s, JobId("ghost")
        facts = (
            Sampled(at_s=at_s, job=ghost, cpu_s=1.0),
            Progressed(at_s=at_s, job=ghost, step=float(number)),
            Over(at_s=at_s, job=ghost),
        )
        assert len(self._tell(facts[number % 3])) == 1

    def teardown(self) -> None:
        """Tell another monitor the same."""
        if hasattr(self, "ward"):
            assert Monitor(self.settings).observe(*self.ward.told) == self.found

    # --- What holds ---

    def _one(self, number: int) -> list[JobId]:
        names = sorted(self.books)
        return [names[number % len(names)]] if names else []

    def _pass(self, seconds: float) -> None:
        self.ward.pass_unseen(seconds)
        for books in self.books.values():
            if books.steady_s == math.inf:
                books.steady_s = self.ward.at_s

    def _tell(self, *facts: Fact) -> list[Finding]:
        found = self.ward.tell(*facts)
        self.found += found
        for finding in found:
            if isinstance(finding, Doubt):
                self.doubted = finding.doubted
            elif isinstance(finding, Verdict):
                self._check(finding)
        return found

    def _check(self, verdict: Verdict) -> None:
        books = self.books[verdict.job]
        assert books.watched
        assert books.paused is None
        assert not books.going
        assert len(verdict.evidence) <= EVIDENCE_MAX
        assert all(len(each.words) <= WORDS_MAX for each in verdict.evidence)
        assert (verdict.rung is Rung.OK) is (not verdict.evidence)
        assert verdict.was is books.told
        books.told = verdict.rung
        if self.settings.dry_run or self.doubted:
            assert verdict.acts == ()
            assert verdict.held_back or verdict.rung is Rung.OK
        if verdict.rung is Rung.END:
            self._check_end(verdict, books)

    def _check_end(self, verdict: Verdict, books: Books) -> None:
        assert len({each.kind for each in verdict.evidence}) >= 2
        firm = {e.kind.source for e in verdict.evidence if e.kind is not Kind.OUTPUT}
        assert len(firm) >= 2
        assert not self.doubted
        assert verdict.at_s - books.steady_s >= self.settings.sight_s
        if ENDS.isdisjoint(verdict.acts):
            assert verdict.held_back
            return
        lately = [user for at_s, user in self.ends if at_s > verdict.at_s - HOUR_S]
        running = sum(each.paused is None for each in self.books.values())
        assert len(lately) < max(int(running * self.settings.cluster_end_share), 1)
        assert books.user not in lately
        assert books.checkpoint or Act.END_FAIL in verdict.acts
        books.going = True
        self.ends.append((verdict.at_s, books.user))


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(stateful_step_count=40)
