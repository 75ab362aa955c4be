"""What people want done to jobs and GPUs: ended, held, released, drained, restored."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from noljima.control.askers import Asker
from noljima.control.messages import Done, Drain, End, Hold, Release, Restore, Why
from noljima.control.server import RefusalError
from noljima.model import bounds
from noljima.model.events import Cancelled, Event, Held
from noljima.model.lifecycle import State
from noljima.model.resources import JobId
from noljima.service import shelves
from noljima.service.office import Office
from noljima.service.rights import Meant, operators_only, theirs
from noljima.store.writes import DropItem, PutItem

_WAITING = (State.QUEUED, State.HELD)
REASON_MAX = 200


class Orders:
    """Carries out what is asked for; each returns once it is on the disk."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def end(self, asker: Asker, question: End) -> Done:
        """End jobs, waiting or running."""
        office, meant = self._office, theirs(self._office, asker, question.jobs)
        idle = (*_WAITING, State.INFEASIBLE)
        waiting = {job for job in meant.jobs if office.engine.tickets[job].state in idle}
        await self._all([_cancelled(job) for job in meant.jobs])
        words: list[str] = []
        for job in meant.jobs:
            if job in waiting:
                words.append(f"job {job} is cancelled")
                continue
            if question.kill:
                office.driver.end(job, "kill", f"{asker.user} wants it gone at once")
            how = "killed" if question.kill else "stopped"
            words.append(f"job {job} is being {how}")
        return _done(words, meant)

    async def hold(self, asker: Asker, question: Hold) -> Done:
        """Let waiting jobs be passed over."""
        office, meant = self._office, theirs(self._office, asker, question.jobs)
        chosen = []
        for job in meant.jobs:
            state = office.engine.tickets[job].state
            if state not in _WAITING:
                meant.refuse(Why.BAD, f"job {job} is {state}; only jobs that wait can be held")
            else:
                chosen.append(job)
        events: list[Event] = []
        for job in chosen:
            events.append(office.driver.happened(_held(job)))
            events += office.ledger.turn(office.ledger.waits.hold(job))
        await self._written(events)
        late = [job for job in chosen if not self._is_held(job)]
        for job in late:
            await self._unheld(job)
            meant.refuse(Why.BAD, f"job {job} has begun in this very moment, and is not held")
        words = tuple(f"job {job} is held" for job in chosen if job not in late)
        return _done(words, meant)

    async def release(self, asker: Asker, question: Release) -> Done:
        """Let held jobs wait for their turn again."""
        office, meant = self._office, theirs(self._office, asker, question.jobs)
        waits, words, events = office.ledger.waits, [], []
        for job in meant.jobs:
            if not waits.is_held(job):
                meant.refuse(Why.BAD, f"job {job} is not held")
                continue
            found = office.ledger.turn(waits.release(job))
            events += found
            kept = waits.why(job)
            if kept is not None:
                await office.state.write(DropItem(shelves.HELD, job))
                words.append(f"job {job} is released; {kept[1]}")
            else:
                words.append(f"job {job} is released")
        await self._written(events)
        return _done(words, meant)

    async def drain(self, asker: Asker, question: Drain) -> Done:
        """Let GPUs take nothing new, also after a restart of the scheduler."""
        operators_only(asker, self._office, "draining GPUs")
        bounds.text("reason", question.reason, high=REASON_MAX)
        reason = question.reason or f"{asker.user} has drained it"
        chosen, refused = self._gpus(question.gpus)
        await self._office.state.write(
            *(PutItem(shelves.DRAINED, str(gpu), reason.encode()) for gpu in chosen)
        )
        for gpu in chosen:
            self._office.driver.drain(gpu, reason)
        words = tuple(f"GPU {gpu} takes nothing new" for gpu in chosen)
        return Done(words=words, refused=refused)

    async def restore(self, asker: Asker, question: Restore) -> Done:
        """Let GPUs take work again."""
        operators_only(asker, self._office, "putting GPUs back")
        chosen, refused = self._gpus(question.gpus)
        await self._office.state.write(*(DropItem(shelves.DRAINED, str(gpu)) for gpu in chosen))
        for gpu in chosen:
            self._office.driver.restore(gpu)
        words = tuple(f"GPU {gpu} takes work again" for gpu in chosen)
        return Done(words=words, refused=refused)

    # --- Parts ---

    def _gpus(self, numbers: Sequence[int]) -> tuple[list[int], tuple[str, ...]]:
        count = self._office.driver.node.gpus
        chosen = [gpu for gpu in dict.fromkeys(numbers) if 0 <= gpu < count]
        if not chosen:
            have = f"this machine has GPUs 0 to {count - 1}" if count else "this machine has none"
            raise RefusalError(Why.BAD, f"no such GPU: {have}")
        refused = [f"there is no GPU {gpu}" for gpu in numbers if not 0 <= gpu < count]
        return chosen, tuple(refused)

    def _is_held(self, job: JobId) -> bool:
        ticket = self._office.engine.tickets.get(job)
        return ticket is not None and ticket.state is State.HELD

    async def _unheld(self, job: JobId) -> None:
        """Take back a hold that came too late."""
        self._office.ledger.turn(self._office.ledger.waits.release(job))
        await self._office.state.write(DropItem(shelves.HELD, job))

    async def _all(self, makes: Sequence[Callable[[float], Event]]) -> None:
        await self._written([self._office.driver.happened(make) for make in makes])

    async def _written(self, events: Sequence[Event]) -> None:
        """Wait until events that were put in together are on the disk."""
        if events:
            await self._office.ledger.done(events[-1])


def _cancelled(job: JobId) -> Callable[[float], Event]:
    return lambda at_s: Cancelled(at_s=at_s, job=job)


def _held(job: JobId) -> Callable[[float], Event]:
    return lambda at_s: Held(at_s=at_s, job=job)


def _done(words: Sequence[str], meant: Meant) -> Done:
    return Done(words=tuple(words), refused=tuple(meant.refused), whys=tuple(meant.whys))
