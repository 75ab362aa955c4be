"""`noljima generate` writes what it was asked for, and refuses the rest in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from noljima.workload.reader import read_trace

Run = Callable[..., Result]


def test_a_trace_of_the_asked_size_and_load_is_written(noljima: Run, tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    result = noljima(
        "generate", "--gpus", 32, "--load", 1.2, "--jobs-per-day", 300, "--users", 5, "-o", path
    )
    trace = read_trace(path)

    assert result.exit_code == 0
    assert result.stdout == f"{path}: {len(trace.jobs)} jobs, load 1.20\n"
    assert 200 < len(trace.jobs) < 400
    assert trace.load(32) == pytest.approx(1.2, abs=0.01)
    assert len({job.job.user for job in trace.jobs}) <= 5


def test_the_same_seed_gives_the_same_file(noljima: Run, tmp_path: Path) -> None:
    options = ("--days", 0.2, "--jobs-per-day", 100)
    for name, seed in (("a.jsonl", 7), ("b.jsonl", 7), ("c.jsonl", 8)):
        noljima("generate", *options, "--seed", seed, "-o", tmp_path / name)
    one, other, third = (p.read_bytes() for p in sorted(tmp_path.iterdir()))

    assert one == other != third


def test_sizes_are_those_of_the_mix_and_gangs_fit_the_nodes(noljima: Run, tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    noljima("generate", "--mix", "1:1,4:1", "--gpus-per-node", 2, "--jobs-per-day", 99, "-o", path)
    gangs = {job.job.gang for job in read_trace(path).jobs}

    assert {gang.gpu_milli for gang in gangs} == {1000, 4000}
    assert {gang.workers for gang in gangs} == {1, 2}


def test_no_job_fails_where_none_is_to(noljima: Run, tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    noljima("generate", "--failures", 0, "--jobs-per-day", 99, "--load", 0.3, "-o", path)

    assert "failed" not in {job.outcome for job in read_trace(path).jobs}


def test_a_name_that_ends_in_gz_is_packed(noljima: Run, tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl.gz"
    noljima("generate", "--days", 0.2, "--jobs-per-day", 99, "-o", path)

    assert path.read_bytes().startswith(b"\x1f\x8b")
    assert read_trace(path).jobs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--mix", "1:half"), "--mix: '1:half' is not like 1:0.5,8:0.5"),
        (("--mix", ""), "--mix: '' is not like 1:0.5,8:0.5"),
        (("--mix", "1:1,1:2"), "--mix: size 1 is there twice"),
        (("--mix", "1:nan"), "mix weight of 1: nan"),
        (("--mix", "99:1"), "mix size: 99 is outside 1 to 64"),
        (("--days", "nan"), "days: nan"),
        (("--days", "0"), "days: 0.0"),
        (("--load", "-1"), "load: -1.0"),
        (("--load", "9", "--jobs-per-day", "2"), "load: 9.0 cannot be reached"),
        (("--users", "0"), "users: 0 is outside"),
        (("--failures", "2"), "'2' is no number from 0 to 1"),
        (("--seed", "-1"), "Invalid value for '--seed'"),
        (("--seed", str(2**64)), "seed: "),
        (("--gpus", "0"), "Invalid value for '--gpus'"),
        (("--gpus-per-node", "65"), "Invalid value for '--gpus-per-node'"),
        (("--jobs-per-day", "1e9"), "jobs_per_day: 1000000000.0 is outside"),
    ],
)
def test_what_cannot_be_generated_is_refused_in_a_sentence(
    noljima: Run, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    result = noljima("generate", "-o", tmp_path / "x.jsonl", *options)

    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "-", "a/b/"])
def test_a_name_that_is_no_file_is_refused(noljima: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        result = noljima("generate", "-o", name)

    assert result.exit_code == 2
    assert result.stderr.startswith("noljima: --output: ")
