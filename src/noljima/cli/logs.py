"""`noljima logs`: what a job has written, as it is in a pipe, and harmless on a terminal."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from noljima.cli.asking import CODES, answered, ask, at_option, job_name, jobs_argument, stream
from noljima.cli.columns import harmless
from noljima.cli.spans import size_bytes
from noljima.control.messages import Detail, LogPart, Logs, Show

EPILOG: Final = f"""\
{CODES}
Examples:

\b
  The end of it, and what comes:
    noljima logs 812 --follow --tail 64K
\b
  One worker of a gang, as it was written:
    noljima logs 812 --worker 3 --raw > worker-3.log
"""
# Colours and styles are welcome, and so is a bar that redraws its line.
_STYLE: Final = re.compile(r"(\x1b\[[0-9;]{0,32}m|\r\n|\r|\n|\t)")

_OPEN_STYLE: Final = re.compile(r"\x1b(?:\[[0-9;]{0,32})?$")


@click.command(epilog=EPILOG)
@jobs_argument(one=True)
@click.option("-f", "--follow", is_flag=True, help="Go on as it writes more, until it ends.")
@click.option("-w", "--worker", type=click.IntRange(0), metavar="N", help="Only this worker.")
@click.option("--attempt", type=click.IntRange(0), default=0, help="Of this run; 0 is the last.")
@click.option(
    "--tail", "tail_bytes", type=size_bytes, metavar="SIZE", help="Only the end, as in 64K."
)
@click.option("--raw", is_flag=True, help="As it was written, on a terminal too.")
@at_option
@answered
def logs(*, job: str, raw: bool, at: Path | None, **given: object) -> None:
    """Print what a job has written: of a gang each line with its worker in front."""
    name = job_name(job)
    question = msgspec.convert({"type": "Logs", "job": name, **given}, Logs)
    gang = question.worker is None and ask(at, Show(job=name), Detail).row.workers > 1
    parts = stream(at, question, LogPart)
    pieces = _by_line(parts) if gang else _as_it_comes(parts)
    for piece in pieces if raw or not sys.stdout.isatty() else safe(pieces):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def safe(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Leave colours, tabs and line ends, and make everything else that a terminal obeys seen.

    Pieces end anywhere: in the middle of a letter, or of a colour, which then wait for the rest.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for piece in pieces:
        text = rest + decoder.decode(piece)
        open_end = _OPEN_STYLE.search(text)
        rest = open_end[0] if open_end else ""
        yield _seen(text[: len(text) - len(rest)])
    yield _seen(rest + decoder.decode(b"", final=True))


def _seen(text: str) -> bytes:
    parts = enumerate(_STYLE.split(text))
    return "".join(part if place % 2 else harmless(part) for place, part in parts).encode()


def _as_it_comes(parts: Iterator[LogPart]) -> Iterator[bytes]:
    for part in parts:
        yield from _skipped(part, "")
        yield part.content


def _by_line(parts: Iterator[LogPart]) -> Iterator[bytes]:
    """Put each worker's number before its lines; a line goes out when it is whole."""
    open_lines: dict[int, bytes] = {}
    for part in parts:
        front = f"[{part.worker}] "
        yield from _skipped(part, front)
        *whole, rest = (open_lines.get(part.worker, b"") + part.content).split(b"\n")
        open_lines[part.worker] = rest
        for line in whole:
            yield front.encode() + line + b"\n"
    for worker, rest in open_lines.items():
        if rest:
            yield f"[{worker}] ".encode() + rest + b"\n"


def _skipped(part: LogPart, front: str) -> Iterator[bytes]:
    if part.skipped:
        yield f"{front}... {part.skipped:,} bytes are not kept ...\n".encode()
