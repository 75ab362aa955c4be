"""The table of job states: complete, and every state leads to an end."""

from __future__ import annotations

import itertools

import pytest

from noljima.model.lifecycle import TRANSITIONS, ImpossibleTransitionError, State, change, diagram

ENDS = {State.SUCCEEDED, State.FAILED, State.CANCELLED}


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_ends_are_the_states_that_nothing_leaves() -> None:
    assert {state for state in State if not TRANSITIONS[state]} == ENDS


@pytest.mark.parametrize("start", list(State))
def test_every_state_leads_to_an_end(start: State) -> None:
    seen = {start}
    while len(seen) < len(grown := seen | {t for s in seen for t in TRANSITIONS[s]}):
        seen = grown

    assert seen & ENDS


@pytest.mark.parametrize("state", sorted(set(State) - {State.QUEUED}))
def test_every_state_can_be_reached(state: State) -> None:
    assert any(state in successors for successors in TRANSITIONS.values())


@pytest.mark.parametrize("state", sorted(set(State) - ENDS - {State.RUNNING, State.STARTING}))
def test_whoever_waits_or_stops_can_be_cancelled(state: State) -> None:
    assert change("j1", state, State.CANCELLED) is State.CANCELLED


@pytest.mark.parametrize(("now", "wanted"), list(itertools.product(State, State)))
def test_what_the_table_forbids_is_refused_in_words(now: State, wanted: State) -> None:
    if wanted in TRANSITIONS[now]:
        assert change("j1", now, wanted) is wanted
    else:
        with pytest.raises(ImpossibleTransitionError, match=f"j1 .* from {now} to {wanted}"):
            change("j1", now, wanted)


def test_the_diagram_draws_every_change_once() -> None:
    lines = diagram().splitlines()
    changes = sum(len(successors) for successors in TRANSITIONS.values())

    assert lines[:2] == ["stateDiagram-v2", "    [*] --> queued"]
    assert "    starting --> queued" in lines
    assert sum(line.endswith("--> [*]") for line in lines) == len(ENDS)
    assert len(lines) == len(set(lines)) == 2 + changes + len(ENDS)


def test_the_diagram_is_the_same_every_time() -> None:
    assert diagram() == diagram()
