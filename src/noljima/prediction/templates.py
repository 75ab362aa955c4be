"""Job names with what changes from run to run taken out, so that repeated work is recognised."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# In this order: an earlier pattern may hold what a later one looks for.
_PLACEHOLDERS: Final = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (
        re.compile(r"\b\d{4}[-_]?\d{2}[-_]?\d{2}(?:[t_-]?\d{2}[:_-]?\d{2}(?:[:_-]?\d{2})?)?\b"),
        "<date>",
    ),
    # A hash has both letters and digits; `deadbeef` alone may be a word.
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b"), "<hash>"),
    (re.compile(r"(?:[\w.~-]*/)+"), ""),
    (re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"), "<n>"),
)


@lru_cache(maxsize=65_536)
def template_of(name: str) -> str:
    """Replace ids, dates, hashes and numbers by placeholders, and paths by their last part."""
    text = name.strip().lower()
    for pattern, placeholder in _PLACEHOLDERS:
        text = pattern.sub(placeholder, text)
    return text
