"""An engine on a pool, spoken to in short: for examples that read like the story they tell."""

from __future__ import annotations

from typing import assert_never

from noljima.engine import Engine
from noljima.model.commands import Command, Evict, Refuse, Start, Stop
from noljima.model.events import (
    Cancelled,
    Event,
    Evicted,
    Finished,
    Held,
    NodeLost,
    NodeSeen,
    Outcome,
    Released,
    Started,
    StartFailed,
    Submitted,
    Ticked,
)
from noljima.model.job import Job
from noljima.model.lifecycle import State
from noljima.model.node import Node
from noljima.model.resources import GPU, JobId, NodeId, Resources, gang_of
from noljima.placement.pool import Pool
from noljima.policy.presets import policy_of
from noljima.policy.state import Policy
from noljima.policy.ticket import Ticket
from noljima.prediction.source import Source
from noljima.prediction.sources import source_of


def job(name: str, gpus: float = 1.0, **fields: object) -> Job:
    """Build a job of one worker; evictable and with a limit of 100 s unless told otherwise."""
    given: dict[str, object] = {
        "id": JobId(name),
        "gang": gang_of(1, Resources(gpu_milli=int(gpus * GPU))),
        "limit_s": 100.0,
        "evictable": True,
    }
    return Job(**(given | fields))  # type: ignore[arg-type]  # each field is checked when built


class Conversation:
    """Tells an engine what happens, checks its books, and says its answers in words.

    A job that is told to start is up at once. Times only go forward, with `at`.
    """

    def __init__(
        self, policy: Policy | str = "fair", gpus: int = 4, source: Source | str = "limit"
    ) -> None:
        policy = policy_of(policy) if isinstance(policy, str) else policy
        source = source_of(source) if isinstance(source, str) else source
        self.engine = Engine(policy, source, Pool())
        self.now_s = 0.0
        self.tell(NodeSeen(at_s=0.0, node=Node(id=NodeId("pool"), gpus=gpus)))

    def tell(self, *events: Event) -> list[str]:
        """Hand over a batch as it is; return what is to be done."""
        commands = self.engine.handle(*events)
        self.engine.validate()
        return [in_words(command) for command in commands]

    def at(self, at_s: float) -> Conversation:
        """Let the time pass up to this moment; what it brings by itself is done."""
        while self.now_s < self.engine.wake_s < at_s:
            self.now_s = self.engine.wake_s
            self.tell(Ticked(at_s=self.now_s))
        self.now_s = at_s
        return self

    def submit(self, *jobs: Job, oracle_s: float | None = None) -> list[str]:
        """Submit jobs in one moment; those that are told to start come up."""
        events = [Submitted(at_s=self.now_s, job=job, oracle_s=oracle_s) for job in jobs]
        return self._tell_and_start(*events)

    def finish(self, *names: str, outcome: Outcome = Outcome.SUCCEEDED) -> list[str]:
        """Let running jobs end in one moment."""
        events = [Finished(at_s=self.now_s, job=JobId(name), outcome=outcome) for name in names]
        return self._tell_and_start(*events)

    def evicted(self, name: str, saved_s: float = 0.0) -> list[str]:
        """Let a job have gone."""
        return self._tell_and_start(Evicted(at_s=self.now_s, job=JobId(name), saved_s=saved_s))

    def start_failed(self, name: str) -> list[str]:
        """Let a job not come up."""
        return self.tell(StartFailed(at_s=self.now_s, job=JobId(name), reason="no image"))

    def cancel(self, name: str) -> list[str]:
        """Cancel a job."""
        return self._tell_and_start(Cancelled(at_s=self.now_s, job=JobId(name)))

    def hold(self, name: str) -> list[str]:
        """Hold a waiting job."""
        return self._tell_and_start(Held(at_s=self.now_s, job=JobId(name)))

    def release(self, name: str) -> list[str]:
        """Release a held job."""
        return self._tell_and_start(Released(at_s=self.now_s, job=JobId(name)))

    def tick(self) -> list[str]:
        """Wake the engine."""
        return self._tell_and_start(Ticked(at_s=self.now_s))

    def see(self, name: str, gpus: int, *, drained: bool = False) -> list[str]:
        """Let a node join or change."""
        node = Node(id=NodeId(name), gpus=gpus, drained=drained)
        return self._tell_and_start(NodeSeen(at_s=self.now_s, node=node))

    def lose(self, name: str, *others: Event) -> list[str]:
        """Let a node be lost, with what else is told in the same batch."""
        return self._tell_and_start(NodeLost(at_s=self.now_s, node=NodeId(name)), *others)

    def ticket(self, name: str) -> Ticket:
        """Return what the engine knows of a job that has not ended."""
        return self.engine.tickets[JobId(name)]

    def state(self, name: str) -> State | None:
        """Return the state of a job; None where it has ended."""
        ticket = self.engine.tickets.get(JobId(name))
        return None if ticket is None else ticket.state

    @property
    def gpus_free(self) -> float:
        """What nobody holds."""
        return self.engine.state.space.gpu_milli_free / GPU

    def _tell_and_start(self, *events: Event) -> list[str]:
        commands = self.engine.handle(*events)
        self.engine.validate()
        starts = [command for command in commands if isinstance(command, Start)]
        up = [Started(at_s=self.now_s, job=c.job, attempt=c.attempt) for c in starts]
        answers = [in_words(command) for command in commands]
        return answers + (self.tell(*up) if up else [])


def in_words(command: Command) -> str:
    """Say a command as one would tell it."""
    match command:
        case Start():
            return f"start {command.job} as guest" if command.guest else f"start {command.job}"
        case Evict():
            return f"evict {command.job} for {command.to_start}"
        case Stop():
            return f"stop {command.job}"
        case Refuse():
            return f"refuse {command.job}: {command.reason}"
        case _:
            assert_never(command)
