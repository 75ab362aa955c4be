"""A recorded run decides the same again, and the first word that differs is shown with its line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from noljima import app, cli
from noljima.app import EngineSpec
from noljima.drivers.sim import Simulation
from noljima.drivers.sim.faults import Faults, NodeFault
from noljima.engine import Engine
from noljima.engine.validate import BrokenInvariantError
from noljima.model.commands import Command
from noljima.model.events import Event, Evicted
from noljima.model.node import Node
from noljima.model.resources import JobId
from noljima.policy import presets
from noljima.runtime.loop import run
from noljima.runtime.replay import Digest
from noljima.store.journal import JournalWriter, read_journal
from noljima.testing.draws import Evictable, Shape, draw
from noljima.testing.rehearsal import complete

SHAPE = Shape(gpus_max=8, evictable=Evictable.SOME, grace_s=2, start_failures_share=0.1)


def record(path: Path, spec: EngineSpec, nodes: Sequence[Node] | None = None) -> str:
    """Record a small simulated run; return the digest of its decisions."""
    scenario, digest = draw(10, SHAPE), Digest()
    nodes = app.pool_nodes(scenario.gpus) if nodes is None else nodes
    faults = Faults((NodeFault(nodes[0].id, 60.0, 30.0),), scenario.faults.start_failures)
    world = Simulation(nodes, scenario.jobs, grace_s=scenario.grace_s, faults=faults)
    with JournalWriter(path, msgspec.to_builtins(spec)) as journal:
        complete(run(app.build_engine(spec), world, journal, [digest]))
    return digest.hexdigest()


def replay(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, ["replay", *map(str, arguments)])


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "day.journal"
    record(path, EngineSpec(policy="fair", estimates="last-two"))
    return path


def change(path: Path, old: str, new: str, *, after: int = 0) -> int:
    """Change the first `old` in the lines after this one, and return its line."""
    lines = path.read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines, 1) if n > after and old in line)
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    path.write_text("".join(lines))
    return number


@pytest.mark.parametrize("policy", presets.NAMES)
def test_a_run_of_every_policy_replays_to_the_same_decisions(tmp_path: Path, policy: str) -> None:
    path = tmp_path / "run.journal.gz"
    digest = record(path, EngineSpec(policy=policy, estimates="noisy:0.5", seed=3))
    result = replay(path)

    assert result.exit_code == 0, result.output
    assert f"digest    sha256:{digest}" in result.output
    assert "result    equal: every decision is as recorded" in result.output


@pytest.mark.parametrize("policy", ["fair", "easy"])
def test_a_run_on_nodes_replays_to_the_same_placements(tmp_path: Path, policy: str) -> None:
    path = tmp_path / "run.journal"
    record(path, EngineSpec(policy=policy, space=app.GRID), app.equal_nodes(3, 4))
    result = replay(path, "--validate")

    assert result.exit_code == 0, result.output
    assert "grid (pack)" in result.output


def test_one_command_that_was_tampered_with_is_shown_with_its_line(recorded: Path) -> None:
    line = change(recorded, '"type":"Start","job":"j', '"type":"Start","job":"x', after=4)
    result = replay(recorded)

    assert result.exit_code == 1
    assert f"result    DIFFERENT at line {line}, at " in result.output
    assert '-{"type":"Start","job":"x' in result.output
    assert '+{"type":"Start","job":"j' in result.output


def test_a_command_that_is_missing_is_a_difference(recorded: Path) -> None:
    text = recorded.read_text()
    at = text.index('"commands":[{') + len('"commands":[')
    recorded.write_text(text[:at] + text[text.index("]}\n", at) :])
    result = replay(recorded, "--json", "-")
    found = json.loads(result.output)

    assert result.exit_code == 1
    assert found["equal"] is False
    assert found["replayed"]["difference"]["recorded"] == []
    assert found["replayed"]["difference"]["line"] == text[:at].count("\n") + 1


def test_events_that_the_engine_breaks_on_are_told(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(engine: Engine, *events: Event) -> list[Command]:
        raise KeyError(len(events), engine.state.now_s)

    monkeypatch.setattr(Engine, "handle", break_down)
    result = replay(recorded)

    assert result.exit_code == 1
    assert "DIFFERENT at line 2" in result.output
    assert "the engine breaks on them: 'KeyError: (1, 0.0)'" in result.output


def test_an_invariant_that_breaks_is_told_with_its_line(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(engine: Engine) -> None:
        if engine.state.now_s > 30.0:
            raise BrokenInvariantError("T8 whole gangs", "1 of 2 workers", JobId("j001"))

    monkeypatch.setattr(Engine, "validate", broken)
    result = replay(recorded, "--validate")

    assert result.exit_code == 1
    assert "BrokenInvariantError: T8 whole gangs: job j001: 1 of 2 workers" in result.output


def test_a_replay_stops_where_it_is_told_to(recorded: Path) -> None:
    whole = json.loads(replay(recorded, "--json", "-").output)["replayed"]
    half = json.loads(replay(recorded, "--until", "1m", "--json", "-").output)["replayed"]

    assert 0 < half["batches"] < whole["batches"]
    assert half["last_s"] <= 60.0 < whole["last_s"]


def test_a_waiting_job_is_explained_with_all_that_has_happened_to_it(recorded: Path) -> None:
    events = [event for batch in read_journal(recorded)[1] for event in batch.events]
    evicted = next(event for event in events if isinstance(event, Evicted))
    result = replay(recorded, "--until", evicted.at_s, "--explain", evicted.job)
    told = result.output[result.output.index(f"job       {evicted.job}: ") :].splitlines()

    assert result.exit_code == 0
    assert '{"type":"Submitted",' in told[1]
    assert '{"type":"Start",' in result.output
    assert told[-1].startswith(f'  {evicted.at_s:.15g} s  {{"type":"Evicted",')


def test_a_job_that_is_not_there_is_told(recorded: Path) -> None:
    result = replay(recorded, "--explain", "nobody")

    assert result.exit_code == 0
    assert "there is no job nobody" in result.output


def test_the_result_is_written_as_json(recorded: Path, tmp_path: Path) -> None:
    result = replay(recorded, "--json", tmp_path / "result.json", "--explain", "j000")
    written = json.loads((tmp_path / "result.json").read_text())

    assert "result    equal" in result.output
    assert written["equal"] is True
    assert written["engine"]["policy"] == "fair"
    assert written["replayed"]["difference"] is None
    assert written["tale"]["history"][0][1].startswith('{"type":"Submitted",')


def test_a_torn_end_is_told_and_the_rest_is_replayed(recorded: Path) -> None:
    content = recorded.read_bytes()
    recorded.write_bytes(content[:-3])
    result = replay(recorded)

    assert result.exit_code == 0
    last = content.count(b"\n")
    assert f"line {last} is torn: it has no end; what comes before it" in result.output


def test_another_version_s_journal_is_replayed_with_a_note(recorded: Path) -> None:
    change(recorded, '"noljima":"', '"noljima":"9.')
    result = replay(recorded)

    assert result.exit_code == 0
    assert "note      recorded by version '9." in result.output


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"format":"noljima-journal"', '"format":"other"', "is of format 'other'"),
        ('"version":1', '"version":2', "is of version 2"),
        ('"policy":"fair"', '"policy":"unfair"', "policy: 'unfair' is not one of"),
        ('"policy":"fair"', '"policy":7', "names an engine that cannot be"),
        ('"policy":"fair"', '"policy":"fair","speed":7', "with an unknown field .speed"),
        ('"at_s":', '"ta_s":', "line 2: is no batch"),
    ],
)
def test_a_journal_that_cannot_be_used_is_told_in_one_sentence(
    recorded: Path, old: str, new: str, words: str
) -> None:
    change(recorded, old, new)
    result = replay(recorded)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_journal_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = replay(tmp_path / "missing.journal")

    assert result.exit_code == 2
    assert "missing.journal: cannot be read" in result.stderr


def test_help_shows_examples_and_exit_codes() -> None:
    result = replay("--help")

    assert result.exit_code == 0
    assert "noljima replay day.journal.gz --until 12h --explain j42" in result.output
    assert "Exit code: 0" in result.output
