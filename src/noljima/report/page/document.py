"""A page as one file: styles, scripts, data and words put into a template of the package.

Everything is in the file. A content security policy in it allows exactly the package's own scripts
and no network at all, so that a hostile job name stays a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources

from noljima.report.page import template
from noljima.report.page.template import Markup


def document(
    template_name: str,
    scripts: Sequence[str],
    title: str,
    data: object,
    values: Mapping[str, Markup],
) -> str:
    """Fill a template with what every page has, and with the page's own `values`."""
    # The licence goes along: the page is a copy of uPlot, too.
    licence = f"/*\n{_asset('uPlot.LICENSE.txt')}*/\n"
    plots = template.script(licence + _asset("uPlot.iife.min.js"))
    ours = template.script("\n".join(_asset(name) for name in scripts))
    return template.fill(
        _asset(template_name),
        {
            "title": template.escaped(title),
            "script_hashes": Markup(f"'{template.digest(plots)}' '{template.digest(ours)}'"),
            "styles": Markup(_asset("uPlot.min.css") + "\n" + _asset("report.css")),
            "data": template.as_json(data),
            "plot_script": plots,
            "script": ours,
            **values,
        },
    )


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8")
