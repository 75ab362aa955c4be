"""The pages name nothing that is not there, and leave out nothing that is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from noljima import cli
from noljima.cli.settings import read_settings
from noljima.config import QueueSettings, Settings
from noljima.policy import presets
from noljima.prediction import sources

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> Iterator[str]:
    """Give the anchors of a page's headings, as forges make them."""
    for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", text_of(page)), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        yield words.replace(" ", "-")


def options() -> set[str]:
    """Return every option of every command."""
    found = {"--help", "--version"}
    for name in cli.COMMANDS:
        command = cli.main.get_command(click.Context(cli.main), name)
        assert command is not None
        for parameter in command.params:
            found.update(parameter.opts, parameter.secondary_opts)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", text_of(page))):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_option_on_a_page_exists(page: Path) -> None:
    theirs = {"--hypothesis-profile", "--user-data-dir"}
    theirs |= {"--quick", "--only", "--ablate", "--fit"}  # of `python -m bench`
    theirs |= {"--gres", "--export", "--me", "--start"}  # of Slurm
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text_of(page)))

    assert named - options() - theirs == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_policy_and_source_on_a_page_exists(page: Path) -> None:
    for policy in re.findall(r"--policy ([a-z-]+)", text_of(page)):
        assert policy in presets.NAMES or policy == "lifo"
    for source in re.findall(r"--estimates ([a-z-]+(?::[\d.]+)?)", text_of(page)):
        sources.source_of(source)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_and_file_on_a_page_exists(page: Path) -> None:
    text = text_of(page)
    for path in re.findall(r"`((?:src|tests|docs|bench)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"`((?:policy|placement|engine|runtime|cli|report)/[\w/]+\.py)`", text):
        assert (ROOT / "src" / "noljima" / path).exists(), path


def test_every_policy_has_its_row_its_section_and_its_measured_row() -> None:
    text = text_of(ROOT / "docs" / "policies.md")
    for policy in presets.NAMES:
        assert f"| [`{policy}`](#{policy}) |" in text
        assert f"\n### {policy}\n" in text
        assert f"\n| `{policy}` |" in text
    assert set(re.findall(r"^\| \[`([a-z-]+)`\]", text, re.MULTILINE)) == set(presets.NAMES)


def test_every_source_of_estimates_has_its_row() -> None:
    text = text_of(ROOT / "docs" / "policies.md")
    for source in sources.NAMES:
        assert f"\n| `{source}` |" in text


def test_every_command_has_its_row() -> None:
    text = text_of(ROOT / "docs" / "operating.md")
    for command in cli.COMMANDS:
        assert f"| `noljima {command}` |" in text


def test_every_page_is_in_the_index() -> None:
    index = text_of(ROOT / "docs" / "README.md")
    for page in (ROOT / "docs").rglob("*.md"):
        if page.name != "README.md":
            assert f"]({page.relative_to(ROOT / 'docs').as_posix()})" in index


def test_the_settings_on_the_page_can_be_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", text_of(ROOT / "docs" / "policies.md"), re.DOTALL)
    path = tmp_path / "site.toml"
    path.write_text(example, encoding="utf-8")
    settings = read_settings(path)

    assert [queue.name for queue in settings.queues] == ["research", "vision", "speech"]
    assert settings.queues[1].quota_gpus == 32


def test_every_setting_is_on_the_page() -> None:
    text = text_of(ROOT / "docs" / "policies.md")
    queue_keys = [f"queues.{field.name}" for field in msgspec.structs.fields(QueueSettings)]
    site_keys = [field.name for field in msgspec.structs.fields(Settings) if field.name != "queues"]
    for key in (*site_keys, *queue_keys):
        assert f"\n| `{key}` |" in text


def test_every_dependency_is_on_its_page() -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    page = text_of(ROOT / "docs" / "dependencies.md")
    for requirement in project["dependencies"]:
        name, _, lowest = requirement.partition(">=")
        row = re.search(rf"^\| {name} \| [\d.]+ \| ([\d.]+) \|", page, re.MULTILINE)
        assert row is not None, name
        assert row[1].startswith(lowest), name
    for requirement in project["optional-dependencies"]["dev"]:
        assert f"\n| {requirement.partition('>=')[0]} |" in page, requirement


def test_the_changelog_keeps_its_form() -> None:
    text = text_of(ROOT / "CHANGELOG.md")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

    assert "\n## [Unreleased]\n" in text
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds
    assert text.index("## [Unreleased]") == text.index("## ")
