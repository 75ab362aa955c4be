"""What strangers wrote never becomes markup or script."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.report.page import template
from noljima.report.page.template import Markup, TemplateError

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ data }} & \u2028 &lt;",
    "\ud800 half a character",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_json_cannot_end_its_element_and_reads_back(text: str) -> None:
    written = template.as_json({text: [text]})
    clean = text.encode("utf-8", "replace").decode()

    assert not set("<>&\u2028") & set(written)
    assert json.loads(written) == {clean: [clean]}


@given(text=st.text())
def test_any_text_in_json_is_without_markup(text: str) -> None:
    written = template.as_json(text)

    assert "<" not in written
    assert ">" not in written
    assert json.loads(written) == text


@given(text=st.text())
def test_escaped_text_is_shown_as_it_was(text: str) -> None:
    shown = template.escaped(text)

    assert not set("<>\"'") & set(shown)
    assert html.unescape(shown) == html.unescape(html.escape(text))


def test_a_value_that_looks_like_a_place_is_not_filled_again() -> None:
    filled = template.fill("{{ one }}{{ two }}", {"one": Markup("{{ two }}"), "two": Markup("2")})

    assert filled == "{{ two }}2"


def test_places_and_values_have_to_match() -> None:
    with pytest.raises(TemplateError, match="other, title"):
        template.fill("<p>{{ title }}</p>", {"other": Markup("")})


def test_data_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        template.as_json(float("nan"))


@pytest.mark.parametrize("source", ["a = '</SCRIPT>'", "a <!--b"])
def test_a_script_that_would_end_its_element_is_refused(source: str) -> None:
    with pytest.raises(TemplateError, match="a script holds"):
        template.script(source)
