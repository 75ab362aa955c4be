"""Keeps the engine's state in quiet moments, and clears away what nobody looks at any more."""

from __future__ import annotations

import asyncio
from typing import Final

from noljima.model.resources import JobId
from noljima.service import naming, shelves
from noljima.service.admission import read_key
from noljima.service.office import Office
from noljima.store.faults import StateError
from noljima.store.reading import Question
from noljima.store.writes import DropItem, DropNotices

LOOK_S: Final = 5.0
"""It looks so often; when nothing has happened since the last time, the moment is quiet."""
BATCHES: Final = 200
"""Fewer batches than this are replayed in no time."""
BATCHES_MAX: Final = 20_000
"""After so many the engine is kept also where it is never quiet."""
_SWEEP_S: Final = 3600.0
_PAGE: Final = 500
_DAY_S: Final = 86_400.0


class Keeping:
    """Sees to the state while nothing else wants it."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._kept_at = office.ledger.batches
        self._swept_s = 0.0

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            batches = self._office.ledger.batches
            await asyncio.sleep(LOOK_S)
            if self._is_due(batches):
                await self._keep()
            if self._office.now_s - self._swept_s > _SWEEP_S:
                self._swept_s = self._office.now_s
                await self._sweep()

    def _is_due(self, before: int) -> bool:
        ledger = self._office.ledger
        since = ledger.batches - self._kept_at
        quiet = ledger.batches == before
        return not ledger.full and (since >= BATCHES_MAX or (quiet and since >= BATCHES))

    async def _keep(self) -> None:
        at = self._office.ledger.batches
        refusal = await self._office.state.save_engine(self._office.engine)
        if not refusal:
            self._kept_at = at

    async def _sweep(self) -> None:
        """Remove the folders of jobs that ended long ago, with what was kept beside them."""
        office = self._office
        before_s = office.now_s - office.settings.keep_days * _DAY_S
        last: int | None = None
        while True:
            page = office.reader.records(Question(before=last, limit=_PAGE))
            for _, record in page:
                if record.ended_s is not None and record.ended_s < before_s:
                    await self._forget(JobId(record.job))
            await asyncio.sleep(0)
            if len(page) < _PAGE:
                break
            last = page[-1].number
        keys = office.reader.items(shelves.KEYS)
        old = [key for key, body in keys.items() if read_key(body).at_s < before_s]
        try:
            await office.state.write(
                DropNotices(before_s), *(DropItem(shelves.KEYS, key) for key in old)
            )
        except StateError:
            return  # On a full disk; there is another hour.

    async def _forget(self, job: JobId) -> None:
        office = self._office
        if not office.driver.folders.attempts(job):
            return
        await asyncio.to_thread(office.driver.folders.remove, job)
        try:
            await office.state.write(DropItem(shelves.PASTS, job))
            base = naming.base_of(job)
            if base not in office.ledger.handed and naming.index_of(job) is None:
                await office.state.write(DropItem(shelves.SPECS, base))
        except StateError:
            return  # On a full disk nothing is written that nobody waits for.
