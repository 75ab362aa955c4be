"""`noljima gantt`: which job was, is and is to be on which GPU, as text, SVG or a page."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import click

from noljima.cli import lanes
from noljima.cli.asking import BAD, CODES, answered, ask, at_option, end
from noljima.cli.columns import terminal_width
from noljima.cli.printing import Form, form_option, repeated, show, watch_option
from noljima.cli.spans import span
from noljima.control.messages import Bars, Gantt

EPILOG: Final = f"""\
A bar is filled with = where a job runs, ~ where it runs as a guest, . where it has ended and :
where it is expected; the line | is now. Bars below the GPUs wait, and have none yet.

{CODES}
Examples:

\b
    noljima gantt --back 30m --ahead 4h
    noljima gantt --html timeline.html
"""
_WIDTH: Final = 100


@click.command(epilog=EPILOG)
@click.option("--back", type=span, default="1h", metavar="TIME", help="From so long ago; 1h.")
@click.option("--ahead", type=span, default="1h", metavar="TIME", help="Until then; 1h.")
@click.option("--width", type=click.IntRange(40, 1000), help="Columns; the terminal's, or 100.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Draw into a file.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Draw into a page of its own."
)
@form_option
@watch_option
@at_option
@answered
def gantt(*, back: float, ahead: float, form: str, at: Path | None, **given: object) -> None:
    """Draw a timeline of the GPUs: past, present, and what is expected."""
    if back + ahead < 60:
        end("gantt: --back and --ahead are less than 1 min together", BAD)
    question = Gantt(back_s=back, ahead_s=ahead)
    svg, html = given["svg"], given["html"]
    if isinstance(svg, Path) or isinstance(html, Path):
        _draw(ask(at, question, Bars), question, svg, html)
        return
    width = given["width"] or terminal_width() or _WIDTH
    assert isinstance(width, int)
    for _ in repeated(at, watch=bool(given["watch"])):
        answer = ask(at, question, Bars)
        names = list(dict.fromkeys(bar.job for bar in answer.bars))
        write = partial(lanes.text, question=question, width=width)
        show(answer, Form(form), write, names)


def _draw(answer: Bars, question: Gantt, svg: object, html: object) -> None:
    from noljima.cli import drawing  # noqa: PLC0415 - only where something is drawn
    from noljima.report.atomic import write_text  # noqa: PLC0415

    drawn = drawing.svg(answer, question)
    if isinstance(svg, Path):
        write_text(svg, drawn)
    if isinstance(html, Path):
        write_text(html, drawing.page(drawn))
