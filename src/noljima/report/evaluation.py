"""The figures of a prequential evaluation: what `noljima evaluate` tells."""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from noljima.report import forecasts, promises, wording
from noljima.report.catalogue import BY_KEY, written
from noljima.report.forecasts import TAUS, Floats, Told, Witness
from noljima.report.record import RunRecord

OURS: Final = "ours"
LAST_TWO: Final = "last_two"
LIMIT: Final = "limit"
SOURCES: Final = (OURS, LAST_TWO, LIMIT)
_DIGITS: Final = 6


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How good the predictions of one trace's jobs were, beside two that everybody knows."""

    trace: str
    jobs: int
    coverage: dict[str, float]
    """Share of the run times that each quantile of ours covers."""
    worst_window: dict[str, float]
    """How far the coverage of any 5,000 jobs in a row is from what the quantile promises."""
    pinball: dict[str, float]
    """Mean pinball loss of q80, in seconds."""
    mean_abs_log_ratio: dict[str, float]
    """Mean of |ln(q50 / run time)|."""
    us_per_prediction: float
    promises: dict[str, float | None] | None = None
    """The figures on promised starts, as `simulate --promises` tells them, where there are any."""


def evaluate(trace: str, witness: Witness) -> Evaluation:
    """Judge what was predicted by how long the jobs have run."""
    assert len(witness), "there is nothing to judge"
    run_s = np.array(witness.run_s)
    quantiles_s = {name: quantiles_of(witness.told[name]) for name in SOURCES}
    ours = quantiles_s[OURS]
    names = [f"q{100 * tau:.0f}" for tau in TAUS]
    covered = forecasts.coverage(run_s, ours)
    return Evaluation(
        trace=trace,
        jobs=len(witness),
        coverage={name: _short(share) for name, share in zip(names, covered, strict=True)},
        worst_window={
            names[place]: _short(forecasts.worst_window(run_s, ours[:, place], TAUS[place]))
            for place in (1, 2)
        },
        pinball={
            name: _short(forecasts.pinball_s(run_s, told[:, 1], TAUS[1]))
            for name, told in quantiles_s.items()
        },
        mean_abs_log_ratio={
            name: _short(forecasts.mean_abs_log_ratio(run_s, told[:, 0]))
            for name, told in quantiles_s.items()
        },
        us_per_prediction=_short(1e6 * witness.told[OURS].predicting_s / len(witness)),
    )


def quantiles_of(told: Told) -> Floats:
    """Return a source's q50, q80 and q95 as columns."""
    return np.array(told.quantiles_s, dtype=np.float64).reshape(-1, len(TAUS))


def rows(found: Evaluation) -> list[tuple[str, str, str, str]]:
    """Return the figures in words: what, ours, last-two's and the limit's."""
    told = [
        *(
            (f"{name} covers", wording.share(covered), "", "")
            for name, covered in found.coverage.items()
        ),
        *(
            (f"{name}, worst 5,000 jobs in a row", f"{100 * away:.1f} points off", "", "")
            for name, away in found.worst_window.items()
        ),
        _compared("pinball loss of q80", found.pinball, " s"),
        _compared("mean |ln(q50 / run time)|", found.mean_abs_log_ratio, ""),
        ("time a prediction", f"{found.us_per_prediction:.0f} us", "", ""),
    ]
    if found.promises is not None:
        told += _promised(found.promises)
    return told


def with_promises(found: Evaluation, record: RunRecord) -> Evaluation:
    """Return the same with how well the start times that a run promised were kept."""
    figures = {
        key.removeprefix("promises."): _short(value) if math.isfinite(value) else None
        for key, value in promises.figures(record.promises or ()).items()
    }
    return msgspec.structs.replace(found, promises=figures)


def _promised(figures: dict[str, float | None]) -> list[tuple[str, str, str, str]]:
    chosen = (
        ("promises.share_kept", "promised starts kept"),
        ("promises.lowest_window", "promised starts kept, worst 500"),
        ("promises.median_error_s", "start told, median error"),
    )
    return [
        (words, written(BY_KEY[key], figures[key.removeprefix("promises.")]), "", "")
        for key, words in chosen
    ]


def _compared(what: str, by_source: dict[str, float], unit: str) -> tuple[str, str, str, str]:
    ours, last_two, limit = (f"{wording.ratio(by_source[name])}{unit}" for name in SOURCES)
    return what, ours, last_two, limit


def _short(value: float) -> float:
    return round(float(value), _DIGITS)
