"""Jobs that are kept back: nobody goes too early, nobody is forgotten, nobody goes twice."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from noljima.model.reasons import Code
from noljima.model.resources import JobId, Resources, gang_of
from noljima.service.handed import Handed
from noljima.service.waits import Turn, Waits
from noljima.submission.nouns import After, Submission, When


def handed(base: str, **fields: object) -> Handed:
    given = {"gang": gang_of(1, Resources()), "folder": "/", "argv": ("true",)}
    submission = Submission(**(given | fields))  # type: ignore[arg-type]  # checked as it is made
    return Handed(base=base, user="kim", uid=0, gid=0, submission=submission)


def nobody(name: str) -> bool | None:
    raise AssertionError(name)


def test_a_job_that_waits_for_nothing_goes_at_once() -> None:
    assert Waits().take(handed("1"), nobody) == [Turn(JobId("1"))]


def test_one_that_waits_for_two_goes_with_the_second() -> None:
    waits = Waits()
    after = (After(job="1"), After(job="2", when=When.ANY))
    waits.take(handed("1"), nobody)
    waits.take(handed("2"), nobody)

    assert waits.take(handed("3", after=after), lambda _: None) == []
    assert waits.why(JobId("3")) == (
        Code.DEPENDENCY,
        "it waits for job 1 to succeed, and for 1 more",
    )
    assert waits.ended(JobId("1"), well=True) == []
    assert waits.after(JobId("3")) == ("2",)
    assert waits.ended(JobId("2"), well=False) == [Turn(JobId("3"))]
    assert waits.why(JobId("3")) is None


def test_one_that_is_held_and_waits_goes_when_both_are_over_in_either_order() -> None:
    for hold_first in (True, False):
        waits = Waits()
        waits.take(handed("2", after=(After(job="1"),)), lambda _: None, held=[JobId("2")])
        steps = [
            lambda waits=waits: waits.release(JobId("2")),
            lambda waits=waits: waits.ended(JobId("1"), well=True),
        ]
        turns = [step() for step in (steps if hold_first else reversed(steps))]

        assert turns == [[], [Turn(JobId("2"))]]


def test_who_waits_for_an_array_waits_for_all_of_it() -> None:
    waits = Waits()
    waits.take(handed("1", array=(0, 1)), nobody)
    waits.take(handed("2", after=(After(job="1"),)), lambda _: None)
    waits.take(handed("3", after=(After(job="1", when=When.NOT_OK),)), lambda _: None)

    assert waits.ended(JobId("1_0"), well=False) == []
    (vain, goes) = waits.ended(JobId("1_1"), well=True)
    assert (vain.job, "job 1 had succeeded, which has failed" in vain.words) == ("2", True)
    assert goes == Turn(JobId("3"))


def test_a_held_job_of_an_array_leaves_its_turn_to_another() -> None:
    waits = Waits()
    jobs = [JobId(f"1_{index}") for index in range(4)]

    assert waits.take(handed("1", array=(0, 1, 2, 3), array_at_most=1), nobody) == [Turn(jobs[0])]
    assert waits.why(jobs[1]) == (
        Code.LIMIT,
        "at most 1 jobs of array 1 run at a time, and 1 wait or run",
    )
    assert waits.hold(jobs[0]) == [Turn(jobs[1])]
    assert waits.release(jobs[0]) == []
    assert waits.ended(jobs[1], well=True) == [Turn(jobs[0])]


def test_a_job_of_an_array_that_is_held_in_its_line_does_not_go() -> None:
    waits = Waits()
    jobs = [JobId(f"1_{index}") for index in range(3)]
    waits.take(handed("1", array=(0, 1, 2), array_at_most=1), nobody)

    assert waits.hold(jobs[1]) == []
    assert waits.ended(jobs[0], well=True) == [Turn(jobs[2])]
    assert waits.release(jobs[1]) == []
    assert waits.ended(jobs[2], well=True) == [Turn(jobs[1])]


def test_after_a_restart_who_went_has_gone_and_who_waited_waits() -> None:
    waits = Waits()
    jobs = [JobId(f"1_{index}") for index in range(4)]
    turns = waits.take(
        handed("1", array=(0, 1, 2, 3), array_at_most=2),
        nobody,
        going=[jobs[1]],
        ended=[(jobs[0], True)],
    )

    assert turns == [Turn(jobs[2])]
    assert waits.ended(jobs[1], well=True) == [Turn(jobs[3])]


class Line(RuleBasedStateMachine):
    """Hand in, hold, release and end jobs; keep the books a second time, by rule alone."""

    names = Bundle("names")

    @initialize()
    def begin(self) -> None:
        self.waits = Waits()
        self.number = 0
        self.after: dict[str, list[After]] = {}
        self.array: dict[str, tuple[str, int]] = {}
        self.held: set[str] = set()
        self.going: set[str] = set()
        self.over: dict[str, bool] = {}
        self.members: dict[str, list[str]] = {}

    @rule(
        target=names,
        size=st.integers(1, 4),
        at_most=st.integers(1, 3),
        wanted=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(When)), max_size=2),
        held=st.booleans(),
    )
    def hand_in(
        self, size: int, at_most: int, wanted: list[tuple[int, When]], *, held: bool
    ) -> str:
        self.number += 1
        base = str(self.number)
        known = list(self.members)
        after = [After(job=known[n % len(known)], when=when) for n, when in wanted if known]
        if any(self.is_vain(each) for each in after):
            return base  # The door refuses it.
        fields: dict[str, object] = {"after": tuple(after), "held": held}
        if size > 1:
            fields |= {"array": tuple(range(size)), "array_at_most": at_most}
        job = handed(base, **fields)
        self.members[base] = [*job.jobs()]
        for name in job.jobs():
            self.after[name] = after
            self.array[name] = (base, at_most if size > 1 else 1_000)
            if held:
                self.held.add(name)
        self.take(self.waits.take(job, self.fate, held=job.jobs() if held else ()))
        return base

    @rule(base=names, number=st.integers(0, 3))
    def hold(self, base: str, number: int) -> None:
        for name in self.chosen(base, number):
            self.held.add(name)
            self.going.discard(name)
            self.take(self.waits.hold(JobId(name)))

    @rule(base=names, number=st.integers(0, 3))
    def release(self, base: str, number: int) -> None:
        for name in self.chosen(base, number):
            if name in self.held:
                self.held.discard(name)
                self.take(self.waits.release(JobId(name)))

    @rule(base=names, number=st.integers(0, 3), well=st.booleans())
    def end(self, base: str, number: int, *, well: bool) -> None:
        for name in self.chosen(base, number):
            self.finish(name, well=well and name in self.going)

    # --- The second books ---

    def chosen(self, base: str, number: int) -> list[str]:
        names = [name for name in self.members.get(base, []) if name not in self.over]
        return names[number : number + 1]

    def finish(self, name: str, *, well: bool) -> None:
        self.going.discard(name)
        self.held.discard(name)
        self.over[name] = well
        self.take(self.waits.ended(JobId(name), well=well))

    def take(self, turns: Sequence[Turn]) -> None:
        vain = [turn.job for turn in turns if turn.words]
        for turn in turns:
            if not turn.words:
                assert turn.job not in self.going, "let go twice"
                self.going.add(turn.job)
        for job in vain:
            if job not in self.over:
                assert any(self.is_vain(each) for each in self.after[job])
                self.finish(job, well=False)

    def fate(self, base: str) -> bool | None:
        names = self.members[base]
        if any(name not in self.over for name in names):
            return None
        return all(self.over[name] for name in names)

    def is_vain(self, after: After) -> bool:
        well = self.fate(after.job)
        return well is not None and after.when is not When.ANY and (after.when is When.OK) != well

    @invariant()
    def who_may_go_has_gone_and_nobody_else(self) -> None:
        for base, names in self.members.items():
            left = [name for name in names if name not in self.over]
            ready = [
                name
                for name in left
                if name not in self.held
                and all(self.fate(each.job) is not None for each in self.after[name])
            ]
            going = [name for name in left if name in self.going]
            at_most = self.array[names[0]][1]

            assert set(going) <= set(ready), base
            assert len(going) == min(at_most, len(ready)), base
            for name in left:
                assert (self.waits.why(JobId(name)) is None) == (name in self.going)


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
