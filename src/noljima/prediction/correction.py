"""What to believe of a job that has outlived its estimate.

The published steps of Tsafrir, Etsion and Feitelson, "Backfilling Using System-Generated
Predictions Rather Than User Runtime Estimates", IEEE TPDS 18(6), 2007: the first estimate grows by
1, 5, 15, 30 minutes, 1, 2, 5, 10, 20, 50 and at last 100 hours, never beyond the user's limit.
"""

from __future__ import annotations

from typing import Final

HOUR_S: Final = 3600.0
STEPS_S: Final = (
    60.0,
    300.0,
    900.0,
    1800.0,
    *(HOUR_S * hours for hours in (1, 2, 5, 10, 20, 50, 100)),
)


def corrected_s(
    first_s: float, corrections: int, limit_s: float, ran_s: float
) -> tuple[float, int]:
    """Return the run time to believe in of a job that runs since `ran_s`, and the corrections used.

    `first_s` is the estimate at submission and `corrections` how many steps were used before. Past
    the last step, and past a limit that turns out not to be enforced, the belief is twice what the
    job has run: it has to end later than now whatever happens.
    """
    for step in range(corrections, len(STEPS_S)):
        believed_s = min(first_s + STEPS_S[step], limit_s)
        if believed_s > ran_s:
            return believed_s, step + 1
    return max(2.0 * ran_s, STEPS_S[0]), len(STEPS_S)
