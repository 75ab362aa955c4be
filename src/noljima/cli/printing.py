"""What `-o` chooses: a table, a wide one, JSON, YAML, or names alone for the next command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import click
import msgspec

from noljima.cli.asking import stream
from noljima.control.messages import Scene, Watch

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A", bound=msgspec.Struct)
CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"


class Form(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def form_option(command: Callable[P, R]) -> Callable[P, R]:
    """Add the option that chooses the form."""
    option = click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice([form.value for form in Form]),
        default=Form.TABLE.value,
        help="A table, one that is not cut, JSON, YAML, or names alone, one a line.",
    )
    return option(command)


def watch_option(command: Callable[P, R]) -> Callable[P, R]:
    """Add the option that repeats the answer whenever something changes."""
    option = click.option("--watch", is_flag=True, help="Again at each change, until Ctrl-C.")
    return option(command)


def show(answer: A, form: str, write: Callable[[A], str], names: Sequence[str]) -> None:
    """Print an answer in the form that was asked for."""
    if form == Form.NAME:
        for name in names:
            click.echo(name)
    elif form in {Form.JSON, Form.YAML}:
        click.echo(as_data(answer, form), nl=form == Form.JSON)
    else:
        # Colours are decided on already.
        click.echo(write(answer), color=True)


def as_data(answer: object, form: str) -> str:
    """Write an answer for programs, every field of it, the empty ones too."""
    found = plain(answer)
    if form == Form.JSON:
        return msgspec.json.encode(found).decode()
    import yaml  # noqa: PLC0415 - 17 ms, only for YAML

    return str(yaml.safe_dump(found, sort_keys=False, allow_unicode=True))


def plain(value: object) -> object:
    """Turn nouns into tables, lists and words."""
    if isinstance(value, msgspec.Struct):
        return {key: plain(each) for key, each in msgspec.structs.asdict(value).items()}
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, StrEnum):
        return value.value
    return value


def repeated(at: Path | None, *, watch: bool) -> Iterator[None]:
    """Come round once, or at each change that the scheduler tells of; clear the screen between."""
    if not watch:
        yield
        return
    for _ in stream(at, Watch(), Scene):
        if sys.stdout.isatty():
            click.echo(CLEAR, nl=False, color=True)
        yield
