"""Whatever comes in: a noun or a refusal in words, never another exception."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.submission import amounts, arrays, dependencies, directives, files, texts
from noljima.submission.drafts import Draft, Surroundings, finished
from noljima.submission.keys import KEYS
from noljima.submission.nouns import Submission

HERE = Surroundings("/w", {"HOME": "/home/kim"})
LETTERS = st.text(st.characters(), max_size=40)
LIKE = st.text(st.sampled_from("0123456789.:-,%kmgtshdw?ok aft\n\x00\u202e"), max_size=24)
WORDS = LETTERS | LIKE
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
TREES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(WORDS, below, max_size=4),
    max_leaves=12,
)
TABLES = st.dictionaries(st.sampled_from([*KEYS, "gpuss"]), TREES, max_size=6)
READERS: list[Callable[[str, object], object]] = [
    amounts.gpu_milli,
    amounts.cpu_milli,
    amounts.memory_mib,
    amounts.seconds,
    amounts.flag,
    amounts.log_bytes,
    arrays.read,
    dependencies.read,
    texts.command,
    texts.job,
    texts.name,
    lambda field, raw: texts.folder(field, raw, "/w"),
    lambda field, raw: texts.variables(field, raw, {}),
    lambda field, raw: amounts.count(field, raw, low=0, high=9),
    lambda field, raw: amounts.choice(field, raw, ("a", "b")),
    lambda field, raw: texts.script(field, raw, high=100),
]


def words_of(error: InvalidFieldError, field: str = "") -> None:
    words = str(error)
    assert words.startswith(field)
    assert words.isprintable()
    assert len(words) > 8


@pytest.mark.parametrize("reader", READERS)
@given(raw=TREES)
def test_every_reader_returns_or_refuses_in_words(
    reader: Callable[[str, object], object], raw: object
) -> None:
    try:
        found = reader("field", raw)
    except InvalidFieldError as error:
        words_of(error, "field")
    else:
        assert found is not None


@given(table=TABLES)
@example(table={"command": ["ls"], "gpus": 1e30})
def test_a_json_tree_as_yaml_is_a_job_or_refused(table: dict[str, object]) -> None:
    raw = json.dumps(table).encode()
    try:
        said = finished(files.read("job.yaml", raw, HERE), HERE)
    except InvalidFieldError as error:
        words_of(error)
    else:
        assert isinstance(said, Submission)


@given(raw=st.binary(max_size=200))
def test_bytes_are_a_job_or_refused(raw: bytes) -> None:
    for name in ("job.yaml", "job.toml"):
        try:
            finished(files.read(name, raw, HERE), HERE)
        except InvalidFieldError as error:
            words_of(error)


@given(text=st.text(st.sampled_from("abg:1 -[]{},&*!|>'\"#%@`?\n\t<=\\"), max_size=80))
def test_what_looks_like_a_file_is_a_job_or_refused(text: str) -> None:
    for name in ("job.yaml", "job.toml"):
        try:
            finished(files.read(name, text.encode(), HERE), HERE)
        except InvalidFieldError as error:
            words_of(error)


@given(lines=st.lists(WORDS, max_size=4))
def test_directives_are_read_or_refused(lines: list[str]) -> None:
    script = "#!/bin/sh\n" + "\n".join(f"#NOLJIMA {line}" for line in lines)
    try:
        found = directives.read("x.sh", script, HERE)
    except InvalidFieldError as error:
        words_of(error)
    else:
        assert isinstance(found.draft, Draft)


@given(words=st.lists(WORDS, min_size=1, max_size=5))
def test_a_list_of_words_arrives_unchanged_or_is_refused(words: list[str]) -> None:
    try:
        found = texts.command("command", words)
    except InvalidFieldError as error:
        words_of(error)
        assert not words[0] or any("\0" in word or not _is_text(word) for word in words)
    else:
        assert list(found) == words


def _is_text(word: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in word)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 1_000_000,
        b"{a: " * 200_000,
        b"- " * 500_000,
        b"a: [" + b"1, " * 500_000 + b"]",
        b"a: '" + b"x" * 2_000_000,
        b"? " * 300_000,
        b"a: |\n" + b" x\n" * 500_000,
        b"!" * 1_000_000,
        b"#\n" * 1_000_000,
        b"a:\n" * 600_000,
    ],
    ids=lambda raw: repr(raw[:6]),
)
def test_a_file_that_is_made_to_take_long_is_refused_within_seconds(raw: bytes) -> None:
    began_s = time.process_time()
    with pytest.raises(InvalidFieldError):
        finished(files.read("job.yaml", raw, HERE), HERE)

    # Minutes is what this is to keep out; a slow machine may take some seconds.
    assert time.process_time() - began_s < 30
