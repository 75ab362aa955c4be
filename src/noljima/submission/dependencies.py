"""Jobs that have to end before: `ok:12,any:13`, and `afterok:12:13` as Slurm writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from noljima.model.bounds import InvalidFieldError
from noljima.submission import texts
from noljima.submission.nearest import meant
from noljima.submission.nouns import AFTER_MAX, After, When

_WHENS: Final[Mapping[str, When]] = {
    "ok": When.OK,
    "notok": When.NOT_OK,
    "any": When.ANY,
    "afterok": When.OK,
    "afternotok": When.NOT_OK,
    "afterany": When.ANY,
}
_WORDS_MAX: Final = 16_384


def read(field: str, raw: object) -> tuple[After, ...]:
    """Read what a job waits for: all of it has to come true."""
    if type(raw) is int:
        raw = str(raw)
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, Sequence) or isinstance(parts, bytes):
        raise InvalidFieldError(field, raw, "is no dependency such as ok:12,any:13")
    if isinstance(raw, str) and len(raw) > _WORDS_MAX:
        raise InvalidFieldError(field, raw, f"is longer than {_WORDS_MAX:,} characters")
    found = [each for part in parts[: AFTER_MAX + 1] for each in _of(field, part)]
    if len(found) > AFTER_MAX:
        raise InvalidFieldError(field, raw, f"names more than {AFTER_MAX} jobs")
    names = [each.job for each in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidFieldError(field, name, "is named twice")
    return tuple(found)


def _of(field: str, raw: object) -> list[After]:
    if type(raw) is int:
        return [After(job=texts.job(field, raw))]
    if not isinstance(raw, str):
        raise InvalidFieldError(field, raw, "is no dependency such as ok:12")
    part = raw.strip()
    if "?" in part:
        limit = "has a ?: all of the jobs have to end, one of several cannot be asked for"
        raise InvalidFieldError(field, raw, limit)
    if ":" not in part:
        return [After(job=texts.job(field, part))]
    kind, *jobs = part.split(":")
    if kind not in _WHENS:
        raise InvalidFieldError(field, raw, f"begins with {kind!r}; {meant(kind, _WHENS)}")
    return [After(job=texts.job(field, job), when=_WHENS[kind]) for job in jobs]
