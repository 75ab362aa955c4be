"""When waiting jobs are told that they start: the one place where promises are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noljima.engine import Engine
from noljima.engine.promises import Settled
from noljima.model.events import Event, Submitted
from noljima.model.resources import JobId
from noljima.store.records import Told


class Telling:
    """Reads the engine's promises, where it makes any."""

    def __init__(self, engine: Engine, source: str) -> None:
        """Say `source` of where estimates come from."""
        self.source = source
        self._engine = engine
        self._settled = self._kept = 0
        # What a replay has settled was told when it happened.
        if engine.promises is not None:
            engine.promises.take_settled()

    def told(self, events: Sequence[Event]) -> Mapping[JobId, Told]:
        """Return what is told to the owners of the jobs that a batch has brought."""
        return {e.job.id: self._told(e.job.id) for e in events if isinstance(e, Submitted)}

    def missed(self) -> list[Settled]:
        """Return the promises that were not kept since this was asked last."""
        promises = self._engine.promises
        if promises is None:
            return []
        settled = promises.take_settled()
        missed = [each for each in settled if not each.kept]
        self._settled += len(settled)
        self._kept += len(settled) - len(missed)
        return missed

    @property
    def kept_share(self) -> float | None:
        """The share of the promises that came due since the beginning; None before the first."""
        return self._kept / self._settled if self._settled else None

    def of(self, job: JobId) -> tuple[float | None, float | None]:
        """Return when a waiting job starts in the middle case, and by when it is promised to."""
        promises = self._engine.promises
        promise = None if promises is None else promises.of(job)
        return (None, None) if promise is None else (promise.about_s, promise.told_by_s)

    def _told(self, job: JobId) -> Told:
        about_s, by_s = self.of(job)
        return Told(source=self.source, start_s=about_s, by_s=by_s)
