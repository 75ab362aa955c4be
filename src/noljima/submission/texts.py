"""Names, paths, arguments and variables as people hand them in.

What stands in a table or a log may not move a cursor or turn a line around; what a program gets
has to be something that a program can be given.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError

ARGUMENT_MAX: Final = 128 * 1024 - 1
"""Bytes: the most that Linux lets a program have in one argument or one variable."""
PATH_MAX: Final = 4095
VARIABLES_MAX: Final = 1024
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}", re.ASCII)
# Marks that turn the direction of what follows them, or are not seen at all.
_TURNING: Final = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# Of a job or an array; how they are numbered is the scheduler's business.
_JOB: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}", re.ASCII)
# With `punctuation_chars` a lexer gives these as words of their own where a shell would obey them.
_OPERATORS: Final = frozenset(";|&<>()")


def name(field: str, raw: object, *, low: int = 0, high: int = bounds.TEXT_MAX) -> str:
    """Read a name that is shown in tables."""
    found = bounds.text(field, raw, low=low, high=high)
    if _TURNING.search(found):
        raise InvalidFieldError(field, raw, "has a mark that cannot be seen")
    return found


def job(field: str, raw: object) -> str:
    """Read the name of a job, as the scheduler gives them; a number will do."""
    words = str(raw) if type(raw) is int and raw >= 0 else raw
    if not isinstance(words, str) or not _JOB.fullmatch(words):
        raise InvalidFieldError(field, raw, "is no job such as 812 or 812_3")
    return words


def folder(field: str, raw: object, base: str) -> str:
    """Read a folder; one that is not absolute is below `base`."""
    words = bounds.text(field, raw, low=1, high=PATH_MAX)
    passable(field, words)
    if ".." in words.split("/"):
        raise InvalidFieldError(field, raw, "has a '..': write where it leads")
    if words.startswith("~"):
        raise InvalidFieldError(field, raw, "begins with ~, which only a shell knows")
    joined = posixpath.normpath(posixpath.join(base, words))
    if not joined.startswith("/"):
        raise InvalidFieldError(field, joined, "is not an absolute path")
    return joined


def command(field: str, raw: object) -> tuple[str, ...]:
    """Read a command: a list of words, or a text that is split as a shell splits it.

    Nothing in it is expanded, and what only a shell could obey is refused in a text. In a list
    every word arrives as it stands there, whatever it looks like.
    """
    words = _split(field, raw) if isinstance(raw, str) else raw
    if not isinstance(words, Sequence) or isinstance(words, bytes):
        raise InvalidFieldError(field, raw, "is neither a list of words nor a text")
    if not words:
        raise InvalidFieldError(field, raw, "is empty: say what to run")
    found = tuple(_argument(field, place, word) for place, word in enumerate(words, 1))
    if not found[0]:
        raise InvalidFieldError(field, list(found[:4]), "names no program")
    return found


def script(field: str, raw: object, *, high: int) -> str:
    """Read the text of a script, which says in its first line what runs it."""
    if not isinstance(raw, str):
        raise InvalidFieldError(field, raw, "is not text")
    if not raw.startswith("#!"):
        raise InvalidFieldError(field, raw[:20], "does not begin with #! and a program")
    if "\r\n" in raw[:1000]:
        raise InvalidFieldError(field, raw[:20], "has Windows line ends: no kernel can run it")
    passable(field, raw, high=high)
    return raw


def variable(field: str, raw: object) -> str:
    """Read the name of an environment variable."""
    if not isinstance(raw, str) or not _VARIABLE.fullmatch(raw):
        raise InvalidFieldError(
            field, raw, "is no name of a variable, such as LR or OMP_NUM_THREADS"
        )
    return raw


def variables(field: str, raw: object, own: Mapping[str, str]) -> dict[str, str]:
    """Read variables: a table of values, or a list of `NAME=value` and of names to be passed on."""
    if isinstance(raw, Mapping):
        pairs = [(variable(field, key), _value(f"{field}.{key}", raw[key])) for key in raw]
    elif isinstance(raw, Sequence) and not isinstance(raw, str | bytes):
        pairs = [_pair(field, each, own) for each in raw]
    else:
        raise InvalidFieldError(field, raw, "is neither a table nor a list of NAME=value")
    bounds.whole(f"{field}: number of variables", len(pairs), low=0, high=VARIABLES_MAX)
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise InvalidFieldError(field, twice, "is given twice")
    return found


def passable(field: str, words: str, *, high: int = ARGUMENT_MAX) -> str:
    """Return what a program can be given; refuse what the kernel would."""
    if "\0" in words:
        raise InvalidFieldError(field, words[:20], "has a NUL character")
    try:
        size = len(words.encode())
    except UnicodeEncodeError:
        raise InvalidFieldError(field, words[:20], "is not UTF-8 text") from None
    if size > high:
        raise InvalidFieldError(field, words[:20], f"is longer than {high:,} bytes")
    return words


def _split(field: str, raw: str) -> list[str]:
    passable(field, raw)
    lexer = shlex.shlex(raw, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise InvalidFieldError(field, raw, f"cannot be split: {str(error).lower()}") from None
    obeyed = [word for word in words if word and set(word) <= _OPERATORS]
    # A quoted operator is a word like any other, and a lexer no longer tells the two apart.
    if obeyed and not _is_quoted(raw, obeyed):
        limit = f"has {obeyed[0]}, which only a shell obeys: write a script, or a list of words"
        raise InvalidFieldError(field, raw, limit)
    return shlex.split(raw)


def _is_quoted(raw: str, obeyed: Sequence[str]) -> bool:
    bare = re.sub(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.", "", raw, flags=re.DOTALL)
    return not any(word in bare for word in obeyed)


def _argument(field: str, place: int, word: object) -> str:
    if type(word) is int:
        word = str(word)
    if not isinstance(word, str):
        raise InvalidFieldError(f"{field}: word {place}", word, "is not text: write it in quotes")
    return passable(f"{field}: word {place}", word)


def _value(field: str, raw: object) -> str:
    if type(raw) is int:
        raw = str(raw)
    if not isinstance(raw, str):
        raise InvalidFieldError(field, raw, "is not text: write it in quotes")
    return passable(field, raw)


def _pair(field: str, raw: object, own: Mapping[str, str]) -> tuple[str, str]:
    if not isinstance(raw, str):
        raise InvalidFieldError(field, raw, "is neither NAME=value nor a name")
    key, mark, value = raw.partition("=")
    variable(field, key)
    if mark:
        return key, passable(f"{field} {key}", value)
    if key not in own:
        raise InvalidFieldError(field, key, "is not set here: write NAME=value")
    return key, passable(f"{field} {key}", own[key])
