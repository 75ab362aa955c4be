"""The parts of the page that are there without a script: facts, the table of figures, meanings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noljima.report.catalogue import FIGURES, Figure, Value, best, written
from noljima.report.page.template import Markup, escaped

_NAMES = ("policy", "estimates")


def facts(groups: Mapping[str, Mapping[str, str]]) -> Markup:
    """Return a definition list for each group that has any facts."""
    lists = []
    for heading, told in groups.items():
        if told:
            rows = "".join(
                f"<div><dt>{escaped(name)}</dt><dd>{escaped(str(value))}</dd></div>"
                for name, value in told.items()
            )
            lists.append(f"<section><h2>{escaped(heading)}</h2><dl>{rows}</dl></section>")
    return Markup("".join(lists))


def summary(names: Sequence[str], runs: Sequence[Mapping[str, Value]]) -> Markup:
    """Return the table of figures, a line a figure, the best of each marked."""
    head = "".join(
        f'<th scope="col"><span class="swatch" data-run="{place}"></span>{escaped(name)}'
        f"<small>{escaped(str(run.get('estimates') or ''))}</small></th>"
        for place, (name, run) in enumerate(zip(names, runs, strict=True))
    )
    lines = "".join(_line(figure, runs) for figure in _known(runs) if figure.key not in _NAMES)
    return Markup(
        '<table class="figures"><thead><tr><th scope="col">Figure</th>'
        f"{head}</tr></thead><tbody>{lines}</tbody></table>"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """Return a table whose first column names the lines."""
    names = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    lines = "".join(
        f'<tr><th scope="row">{escaped(first)}</th>'
        + "".join(f"<td>{escaped(words)}</td>" for words in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return Markup(
        f'<table class="figures"><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>'
    )


def definitions(runs: Sequence[Mapping[str, Value]]) -> Markup:
    """Return what each figure of the table means."""
    rows = "".join(
        f"<div><dt>{escaped(figure.label)}</dt><dd>{escaped(figure.definition)}</dd></div>"
        for figure in _known(runs)
    )
    return Markup(f"<dl>{rows}</dl>")


def _known(runs: Sequence[Mapping[str, Value]]) -> list[Figure]:
    """Return the figures that any run knows."""
    return [figure for figure in FIGURES if any(run.get(figure.key) is not None for run in runs)]


def _line(figure: Figure, runs: Sequence[Mapping[str, Value]]) -> str:
    values = [run.get(figure.key) for run in runs]
    cells = "".join(map(_cell, (written(figure, value) for value in values), best(figure, values)))
    title = escaped(figure.definition)
    return f'<tr><th scope="row" title="{title}">{escaped(figure.label)}</th>{cells}</tr>'


def _cell(words: str, top: bool) -> str:  # noqa: FBT001 - mapped over cells and marks
    if top:
        return f'<td class="best">{escaped(words)}<span class="hidden"> (best)</span></td>'
    return f"<td>{escaped(words)}</td>"
