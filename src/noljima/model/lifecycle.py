"""Every state of a job, and every change of state that may happen.

"Reserved" is not a state: whether the plan keeps GPUs for a waiting job is worked out from the
plan when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a job stands, as its owner sees it."""

    QUEUED = "queued"
    HELD = "held"
    INFEASIBLE = "infeasible"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.HELD, State.INFEASIBLE, State.STARTING, State.CANCELLED}),
    State.HELD: frozenset({State.QUEUED, State.CANCELLED}),
    # A node that joins can make it feasible again.
    State.INFEASIBLE: frozenset({State.QUEUED, State.CANCELLED}),
    # A gang that does not come up whole in time goes back to its old place in the queue.
    State.STARTING: frozenset({State.RUNNING, State.QUEUED, State.STOPPING, State.FAILED}),
    # Straight back to the queue: its node was lost, there is nothing left to stop.
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.STOPPING, State.QUEUED}),
    # Evicted jobs go back to the queue; a job may also end by itself before the stop reaches it.
    State.STOPPING: frozenset({State.QUEUED, State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


class ImpossibleTransitionError(Exception):
    """A job was asked to change state in a way that the table forbids."""

    def __init__(self, job: str, now: State, wanted: State) -> None:
        super().__init__(f"job {job} cannot go from {now} to {wanted}")


def change(job: str, now: State, wanted: State) -> State:
    """Return `wanted` where the table allows it; staying put is not a change."""
    if wanted not in TRANSITIONS[now]:
        raise ImpossibleTransitionError(job, now, wanted)
    return wanted


def diagram() -> str:
    """Draw the table as a Mermaid state diagram; `docs/states.md` holds what this returns."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.QUEUED}"]
    for state, successors in TRANSITIONS.items():
        lines += [f"    {state} --> {wanted}" for wanted in State if wanted in successors]
        if not successors:
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines)
