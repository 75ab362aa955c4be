"""Filling the page: text is escaped, markup is marked as such, and nothing is filled twice.

Three kinds of thing go into the page: text by strangers (a title, a job's name), markup and
scripts that come with the package, and data. They are kept apart by type. A template engine would
bring loops and inheritance that one page does not need, and escaping rules for HTML alone.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from typing import NewType

Markup = NewType("Markup", str)
"""HTML that may go into a page as it is."""

_PLACE = re.compile(r"\{\{ ([a-z_]+) \}\}")
_SCRIPT_END = re.compile(r"</script|<!--", re.IGNORECASE)


class TemplateError(ValueError):
    """A template and its filling do not fit together."""


def escaped(text: str) -> Markup:
    """Turn any text into HTML that shows it, in element content and quoted attributes alike."""
    # A file name can hold bytes that are no text; they would not go into a UTF-8 file either.
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return Markup(html.escape(clean, quote=True))


def fill(template: str, values: Mapping[str, Markup]) -> str:
    """Put each value at its place, once; places and values have to match exactly."""
    places = set(_PLACE.findall(template))
    if places != set(values):
        odd = ", ".join(sorted(places ^ set(values)))
        raise TemplateError(f"these are either not in the template or have no value: {odd}")
    # One pass: a value that looks like a place is not filled again.
    return _PLACE.sub(lambda place: values[place[1]], template)


def as_json(data: object) -> Markup:
    """Write data for a script element that holds JSON: no text in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.encode("utf-8", "replace").decode("utf-8")
    for sign in "<>&\u2028\u2029":
        # These stand only inside strings, where JSON reads the escape as the same sign.
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def script(source: str) -> Markup:
    """Take a script of ours as markup; refuse one that would end its element early."""
    if _SCRIPT_END.search(source):
        raise TemplateError("a script holds '</script' or '<!--'")
    return Markup(source)


def digest(source: str) -> str:
    """Return the hash by which a content security policy knows a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
