"""A history keeps no more than it has to, whatever happens to the jobs: checked by other books."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from noljima.model.job import Job
from noljima.model.resources import GPU, JobId, Resources, gang_of
from noljima.prediction.history import History
from noljima.prediction.parts import EXPERTS, Parts
from noljima.prediction.rings import SIZE

KEYS_A_SHAPE = 15
"""Eleven by the template of a name, and those of the very name."""


class Books(RuleBasedStateMachine):
    """Submits, starts, stops, ends and forgets jobs, saves and loads, and counts for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History(Parts(experts=EXPERTS))
        self.now_s = 0.0
        self.number = 0
        self.waiting: dict[JobId, Job] = {}
        self.running: dict[JobId, Job] = {}
        self.shapes: set[tuple[object, ...]] = set()
        self.ended = 0

    @rule(
        user=st.sampled_from(["kim", "lee"]),
        name=st.sampled_from(["", "train", "run-1", "run-2"]),
        gpus=st.integers(0, 2),
        limit_s=st.sampled_from([None, 600.0, 3600]),
    )
    def submit(self, user: str, name: str, gpus: int, limit_s: float | None) -> None:
        self.number += 1
        gang = gang_of(1, Resources(gpu_milli=gpus * GPU))
        job = Job(id=JobId(f"j{self.number}"), gang=gang, user=user, name=name, limit_s=limit_s)
        self.history.predict(job, None)
        self.waiting[job.id] = job
        self.shapes.add((user, name, gpus, limit_s))

    @rule(pause_s=st.floats(0.0, 1e5))
    def wait(self, pause_s: float) -> None:
        self.now_s += pause_s
        self.history.advance(self.now_s)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def start(self, data: Any) -> None:  # noqa: ANN401 - hypothesis' own
        job = self._one(data, self.waiting)
        self.history.started(job)
        self.running[job.id] = self.waiting.pop(job.id)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def evict(self, data: Any) -> None:  # noqa: ANN401 - hypothesis' own
        job = self._one(data, self.running)
        self.history.stopped(job)
        self.waiting[job.id] = self.running.pop(job.id)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), run_s=st.floats(0.0, 1e6))
    def end(self, data: Any, run_s: float) -> None:  # noqa: ANN401 - hypothesis' own
        job = self._one(data, self.running)
        self.history.stopped(job)
        self.history.learn(job, run_s)
        del self.running[job.id]
        self.ended += 1

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:  # noqa: ANN401 - hypothesis' own
        job = self._one(data, self.waiting)
        self.history.forget(job)
        del self.waiting[job.id]

    @rule()
    def save_and_load(self) -> None:
        data = self.history.save()
        self.history = History.load(data)

        assert self.history.save() == data

    @invariant()
    def it_remembers_the_jobs_that_have_not_ended_and_no_other(self) -> None:
        running = [job for group in self.history._running.values() for job in group]

        assert set(self.history._pending) == {*self.waiting, *self.running}
        assert sorted(running) == sorted(self.running)
        assert all(self.history._running.values())

    @invariant()
    def a_key_holds_as_many_runs_as_a_ring_has_place_for(self) -> None:
        rings = self.history._rings

        assert len(rings) <= KEYS_A_SHAPE * len(self.shapes)
        assert rings.log_s.shape[1] == SIZE
        assert max(rings.seen) <= self.ended
        assert len(self.history._rows) <= len(self.shapes)

    def _one(self, data: Any, jobs: dict[JobId, Job]) -> Job:  # noqa: ANN401 - hypothesis' own
        chosen: Job = data.draw(st.sampled_from(list(jobs.values())))
        return chosen


TestBooks = Books.TestCase
