"""The page of forecast quality: coverage over time, reliability, losses, predicted against real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from noljima.model.estimate import LEVELS
from noljima.report import atomic, evaluation, forecasts
from noljima.report.evaluation import LAST_TWO, LIMIT, OURS, SOURCES, Evaluation
from noljima.report.forecasts import TAUS, WINDOW_JOBS, Floats, Witness
from noljima.report.page import FILE_NAME, markup, thinning
from noljima.report.page.document import document
from noljima.report.page.rounding import significant, whole

_SCRIPTS: Final = ("format.js", "plots.js", "canvas.js", "density.js", "quality.js")
_POINTS: Final = 500
_BINS: Final = 64
_NAMES: Final = {OURS: "ours", LAST_TWO: "last two", LIMIT: "user's limit"}
_HEAD: Final = ("Figure", *_NAMES.values())


def write(
    path_dir: Path, title: str, facts: Mapping[str, str], found: Evaluation, witness: Witness
) -> Path:
    """Write the page as `index.html` into a directory and return its path."""
    path = path_dir / FILE_NAME
    atomic.write_text(path, text(title, facts, found, witness))
    return path


def text(title: str, facts: Mapping[str, str], found: Evaluation, witness: Witness) -> str:
    """Return the page as HTML text."""
    return document(
        "quality.html",
        _SCRIPTS,
        title,
        payload(witness),
        {
            "facts": markup.facts({"Evaluation": facts}),
            "summary": markup.table(_HEAD, evaluation.rows(found)),
        },
    )


def payload(witness: Witness) -> dict[str, object]:
    """Return everything that the page's script draws."""
    run_s = np.array(witness.run_s)
    quantiles_s = {name: evaluation.quantiles_of(witness.told[name]) for name in SOURCES}
    return {
        "sources": [_NAMES[name] for name in SOURCES],
        "taus": list(TAUS),
        "coverage": _over_time(run_s, quantiles_s[OURS], witness.submit_s),
        "reliability": _reliability(run_s, quantiles_s[OURS], witness),
        "loss": {
            "levels": list(LEVELS),
            "mean": [significant(witness.told[name].loss_s / len(witness)) for name in SOURCES],
        },
        "density": _density(run_s, [told[:, 0] for told in quantiles_s.values()]),
    }


def _over_time(run_s: Floats, quantiles_s: Floats, submit_s: Sequence[float]) -> dict[str, object]:
    """Return by how many points each window's coverage is off, at its last job's submission."""
    windows = [
        forecasts.window_coverage(run_s, quantiles_s[:, place]) - tau
        for place, tau in enumerate(TAUS)
    ]
    shown = thinning.evenly(len(windows[0]), _POINTS)
    last = shown + min(WINDOW_JOBS, len(run_s)) - 1
    at_s = np.array(submit_s)[last] - submit_s[0]
    return {
        "jobs": min(WINDOW_JOBS, len(run_s)),
        "time": whole(at_s, 0),
        "off": [whole(100.0 * window[shown], 3) for window in windows],
    }


def _reliability(run_s: Floats, quantiles_s: Floats, witness: Witness) -> dict[str, object]:
    """Return what share of the runs each level of ours covers, and each calibrated quantile."""
    calibrated = forecasts.coverage(run_s, quantiles_s)
    at_level = dict(zip(TAUS, calibrated.tolist(), strict=True))
    return {
        "levels": [100.0 * level for level in LEVELS],
        "curve": whole(100.0 * witness.told[OURS].covered / len(run_s), 3),
        "quantiles": [
            round(100.0 * at_level[level], 3) if level in at_level else None for level in LEVELS
        ],
    }


def _density(run_s: Floats, medians_s: Sequence[Floats]) -> dict[str, object]:
    """Count the jobs in cells of real against predicted run time, on logarithmic axes."""
    highest_s = max(float(run_s.max()), *(float(told.max()) for told in medians_s), 10.0)
    edges = np.linspace(0.0, np.log10(highest_s * 1.001), _BINS + 1)
    columns = np.log10(np.maximum(run_s, 1.0))
    cells = []
    for told in medians_s:
        counts, _, _ = np.histogram2d(columns, np.log10(np.maximum(told, 1.0)), (edges, edges))
        across, up = np.nonzero(counts)
        cells.append([across.tolist(), up.tolist(), counts[across, up].astype(np.int64).tolist()])
    return {"top": float(edges[-1]), "bins": _BINS, "cells": cells, "jobs": len(run_s)}
