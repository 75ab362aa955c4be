"""`#NOLJIMA --gpus 2 --limit 4h`: what a script says of itself, with the command line's options."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from noljima.model.bounds import InvalidFieldError
from noljima.submission.drafts import Draft, Surroundings
from noljima.submission.keys import KEYS, Key
from noljima.submission.nearest import meant

MARK: Final = "#NOLJIMA"
WORDS_MAX: Final = 1024


class Directives(NamedTuple):
    """What a script says, and what its author should know of it."""

    draft: Draft
    notices: tuple[str, ...]


def _spellings() -> Iterator[tuple[str, tuple[Key, bool]]]:
    for key in KEYS.values():
        yield from ((flag, (key, True)) for flag in key.flags)
        if key.off:
            yield key.off, (key, False)


_KEYS: Final[Mapping[str, tuple[Key, bool]]] = dict(_spellings())


def read(name: str, script: str, around: Surroundings) -> Directives:
    """Read the directives at a script's head; below its first command none count."""
    given: dict[str, object] = {}
    notices: list[str] = []
    head = True
    for number, line in enumerate(script.split("\n"), 1):
        head = head and (not line.strip() or line.startswith("#"))
        if not _is_directive(line):
            continue
        if not head:
            notices.append(
                f"{name}, line {number}: {MARK} stands below the first command and is not read"
            )
            continue
        where = f"{name}, line {number}"
        try:
            _take(line[len(MARK) :], given)
        except InvalidFieldError as error:
            raise InvalidFieldError(f"{where}: {error.field}", error.value, error.limit) from None
    return Directives(draft_from(given, around, where=name), tuple(notices))


def draft_from(given: Mapping[str, object], around: Surroundings, *, where: str = "") -> Draft:
    """Read options, by the names of their keys; an error names the option as it is spelt."""
    said: dict[str, object] = {}
    for name, raw in given.items():
        key = KEYS[name]
        try:
            said[name] = key.read(spelling(key), raw, around)
        except InvalidFieldError as error:
            field = f"{where}: {error.field}" if where else error.field
            raise InvalidFieldError(field, error.value, error.limit) from None
    return Draft(**said)  # type: ignore[arg-type]  # each was read by its key


def spelling(key: Key) -> str:
    """Name the option that says a key."""
    long = [flag for flag in key.flags if flag.startswith("--")]
    return long[0] if long else key.off or key.name


def _is_directive(line: str) -> bool:
    return line == MARK or line.startswith((f"{MARK} ", f"{MARK}\t"))


def _take(line: str, given: dict[str, object]) -> None:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise InvalidFieldError(MARK, line, f"cannot be split: {str(error).lower()}") from None
    if len(words) > WORDS_MAX:
        raise InvalidFieldError(MARK, len(words), f"words are more than {WORDS_MAX:,}")
    rest = iter(words)
    for word in rest:
        key, says, value = _option(word)
        if key.metavar:
            value = _value(word, value, rest)
        elif value is not None:
            raise InvalidFieldError(word, value, "is given to an option that takes none")
        _put(key, says if value is None else value, given)


def _option(word: str) -> tuple[Key, bool, str | None]:
    """Take an option apart: --gpus=2, --gpus, -g2 or -g."""
    flag, mark, value = word.partition("=")
    found: str | None = value if mark else None
    if word.startswith("-") and not word.startswith("--") and len(word) > 2:
        flag, found = word[:2], word[2:]
    if flag not in _KEYS:
        if not word.startswith("-"):
            raise InvalidFieldError(MARK, word, "is no option: options begin with --")
        raise InvalidFieldError(MARK, flag, f"is no option; {meant(flag, _long())}")
    key, says = _KEYS[flag]
    return key, says, found


def _long() -> Sequence[str]:
    return [flag for flag in _KEYS if flag.startswith("--")]


def _value(word: str, value: str | None, rest: Iterator[str]) -> str:
    if value is None:
        value = next(rest, None)
    if value is None:
        raise InvalidFieldError(word, "", "needs a value behind it")
    return value


def _put(key: Key, value: object, given: dict[str, object]) -> None:
    if key.many:
        before = given.setdefault(key.name, [])
        assert isinstance(before, list)
        before.append(value)
        return
    if key.name in given:
        raise InvalidFieldError(spelling(key), value, "is given twice")
    given[key.name] = value
