"""Whatever cannot be simulated ends in exit code 2 and one sentence, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
Size = tuple[object, ...]

POLICIES = ("--policy", "fair", "--policy", "easy")


@pytest.fixture
def refused(noljima: Run, day: Path) -> Callable[..., str]:
    """Run on the day and return the one sentence of the refusal."""

    def run(
        *options: object, trace: object = day, size: tuple[object, ...] = ("--nodes", 2)
    ) -> str:
        result = noljima("simulate", trace, *size, *options)

        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("noljima: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    return run


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((), "with one of --capacity, --nodes and --cluster"),
        (("--nodes", 2, "--capacity", 16), "--capacity and --nodes exclude each other"),
        (("--nodes", 2, "--cluster", "x"), "--nodes and --cluster exclude each other"),
        (("--capacity", 16, "--gpus-per-node", 8), "--gpus-per-node does nothing without --nodes"),
        (("--capacity", 16, "--placement", "pack"), "--placement needs nodes"),
        (("--capacity", 16, "--node-mtbf", "1h"), "--node-mtbf needs nodes"),
        (("--nodes", 0), "Invalid value for '--nodes'"),
        (("--nodes", "two"), "Invalid value for '--nodes'"),
        (("--capacity", 10**7), "Invalid value for '--capacity'"),
        (("--nodes", 2, "--gpus-per-node", 65), "Invalid value for '--gpus-per-node'"),
        (("--cluster", "missing.jsonl"), "missing.jsonl: does not exist"),
    ],
)
def test_a_cluster_that_cannot_be(refused: Callable[..., str], size: Size, words: str) -> None:
    assert words in refused(size=size)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--policy", "unfair"), "policy: 'unfair' is not one of fair, "),
        (("--policy", "fair", "--policy", "fair"), "--policy fair is given twice"),
        (("--estimates", "guess"), "estimates: 'guess' is not one of limit, "),
        (("--estimates", "true", "--estimates", "true"), "--estimates true is given twice"),
        (("--estimates", "noisy:x"), "has no number after noisy:"),
        (("--estimates", "noisy:nan"), "noisy: nan is outside 0 to 10"),
        (("--placement", "nowhere"), "nowhere"),
        (("--seed", -1), "Invalid value for '--seed'"),
        (("--load", 0), "load factor: 0.0"),
        (("--load", "nan"), "load factor: nan"),
        (("--load", "heavy"), "Invalid value for '--load'"),
        (("--filter", "colour=red"), "filter: 'colour' is none of"),
        (("--filter", "gpus"), "filter: 'gpus' is not like"),
        (("--filter", "user=nobody"), "no job is left to run"),
        (("--from", "3x"), "time: '3x' is not a duration"),
        (("--from", "10h", "--until", "1h"), "no job is left to run"),
        (("--evictable", 1.5), "'1.5' is no number from 0 to 1"),
        (("--evictable", "nan"), "'nan' is no number from 0 to 1"),
        (("--checkpoint", "often"), "'often' is not a duration"),
        (("--checkpoint", "-5"), "'-5' is not a duration"),
        (("--restart-cost", "5m"), "--restart-cost does nothing without --checkpoint"),
        (("--grace", "none"), "'none' is not a duration"),
        (("--grace", "99999w"), "is outside 0 to 1e+10 s"),
        (("--node-mtbf", "0"), "--node-mtbf: 0 s is less than 60 s"),
        (("--node-repair", "5m"), "--node-repair does nothing without --node-mtbf"),
        (("--start-failures", 1), "'1' is no number from 0 to 0.99"),
        (("--start-failures", "nan"), "'nan' is no number from 0 to 0.99"),
        (("--early-exits", "nan"), "'nan' is no number from 0 to 1"),
        (("--schedule", "x.csv", *POLICIES), "--schedule takes one --policy"),
        (("--journal", "x.journal", *POLICIES), "--journal takes one --policy"),
    ],
)
def test_an_option_that_cannot_be(
    refused: Callable[..., str], options: tuple[object, ...], words: str
) -> None:
    assert words in refused(*options)


def test_more_faults_than_can_be(refused: Callable[..., str]) -> None:
    words = refused("--node-mtbf", "60s", "--node-repair", "0s", size=("--nodes", 200))

    assert "100,000 at most" in words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello\n", "which is none of: Standard Workload Format, "),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not a text file"),
        (b"\x1f\x8b\x08\x00nonsense", "gzip file"),
        (b'{"noljima_trace": 2}\n', "version 2"),
        (b'{"noljima_trace": 1}\n', "no job is left to run"),
        (b"; MaxProcs: 4\n", "no job is left to run"),
    ],
)
def test_a_file_that_is_no_trace(
    refused: Callable[..., str], tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "trace"
    path.write_bytes(content)

    assert words in refused(trace=path)


def test_a_trace_that_is_not_there(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "does not exist" in refused(trace=tmp_path / "missing")
    assert "is a directory" in refused(trace=tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"id": "a", "gpus": 8}\n{"id": "a", "gpus": 8}\n', "node a is there twice"),
        ('{"id": "a", "gpus": "8"}\n', "line 1: "),
        ('{"id": "a", "gpus": -1}\n', "line 1: gpus: -1 is outside"),
        ("{}\n", "line 1: "),
        ("\n", ""),
    ],
)
def test_a_file_that_is_no_cluster(
    refused: Callable[..., str], tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "nodes.jsonl"
    path.write_text(content)

    assert words in refused(size=("--cluster", path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"queues = 7\n", "Expected `array`, got `int`"),
        (b"[[queues]]\n", "missing required field `name`"),
        (b'[[queues]]\nname = "a"\nwieght = 2\n', "unknown field `wieght`"),
        (b'[[queues]]\nname = "a"\nweight = 0\n', "weight: 0"),
        (b'[[queues]]\nname = "a"\nparent = "b"\n', "queue parent: 'b' is no queue"),
        (b'[[queues]]\nname = "a"\n[[queues]]\nname = "a"\n', "is there twice"),
        (b'[[queues]]\nname = "a"\nparent = "a"\n', "is its own ancestor"),
        (b"whole_node_gpus = 0\n", "whole_node_gpus: 0 is outside"),
        (b"a = \n", "Invalid value"),
        (b"\xff\xfe", "cannot be read"),
        (b"#" * (1 << 20) + b"##", "is more than 1,048,576 bytes"),
    ],
)
def test_settings_that_cannot_be(
    refused: Callable[..., str], tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(content)

    assert words in refused("--settings", path)


def test_settings_that_are_not_there(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "No such file" in refused("--settings", tmp_path / "missing.toml")
    assert "directory" in refused("--settings", tmp_path)
