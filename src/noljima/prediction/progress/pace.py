"""How fast a job steps, learned while it runs: seconds a step, pauses between, and how sure of it.

remaining = (n - i) * E[step] + pauses still to come. All sums are discounted ones, kept from one
observation to the next, so that an observation costs the same however long a job runs.

- *Step time* is an exponentially weighted moving average (Roberts, "Control Chart Tests Based on
  Geometric Moving Averages", Technometrics 1(3), 1959) in its ratio form, sum of seconds over sum
  of steps: unlike a mean of ratios it is not biased where gaps between observations differ. Gaps
  that are short against the time observed are joined, so that the average reaches back over a share
  of the run rather than over a number of lines printed.
- *Pauses* (evaluations, checkpoints) are what a job has named so, or what is left over where
  steps last far longer than usual. They come at a Poisson rate for each step, whose mean given k
  pauses in s steps is (k + 1/2) / s (Gamma posterior under Jeffreys' prior: Gelman et al.,
  "Bayesian Data Analysis", 3rd ed., sections 2.6 and 2.8), or, once they are seen to come at even
  distances, at these.
- *Spread*: the deviation of ln(remaining) adds, by the delta method, what the average is off by
  after m gaps, v / m; what the gaps to come will scatter, v * gap / remaining; the pauses; and a
  share for what the part that has not been seen may hold. v is the variance of the gaps' rates,
  shrunk to a guess worth two gaps (scaled inverse chi-squared; the same book, section 2.6).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from noljima.model.phase import Phase

_KEPT: Final = 0.97
"""What a gap counts once another one has been seen."""
_STEP_MIN: Final = 1e-9
"""What is less is no step, and too little to divide by."""
_GAP_SHARE: Final = 0.01
_GAP_S_MIN: Final = 1.0
"""Gaps are joined until they last so long, and this share of the time observed."""
_PAUSE_RATIO: Final = 2.5
"""How often their usual time steps have to last for a pause to be among them."""
_ROW: Final = 3
_ROW_GAPS: Final = 2.0
"""As many pauses without usual steps between them, for as long, are none: steps are slower now."""
_EVEN: Final = 0.1
"""Deviation of the distances between pauses, as a share of their mean, that counts as even."""
_GUESS_VARIANCE: Final = 0.09
_GUESS_GAPS: Final = 2.0
_SIGMA_MIN: Final = 0.01
_SIGMA_MAX: Final = 1.5
_UNSEEN: Final = 0.02
"""What is added for each factor of e by which the rest is longer than what has been observed."""
_SILENCE: Final = 0.2
"""What silence adds, for each factor of e by which it is longer than usual."""
_STALE_GAPS: Final = 10.0
_STALE_S: Final = 600.0


class Remaining(NamedTuple):
    """How long a job is believed to go on, as a lognormal: the median, and the deviation of ln."""

    seconds: float
    sigma: float


class Pace:
    """What the observations of one run have told so far."""

    __slots__ = (
        "_began_s",
        "_gap_s",
        "_gap_step",
        "_gaps",
        "_news_s",
        "_pauses",
        "_pausing",
        "_residuals",
        "_row",
        "_row_before",
        "_row_s",
        "_step_s",
        "_steps",
        "_usual_s",
        "_weight",
        "_weight2",
        "at_s",
        "step",
        "total",
    )

    def __init__(self, at_s: float, step: float, total: float | None) -> None:
        self._begin(at_s, step, total)

    def _begin(self, at_s: float, step: float, total: float | None) -> None:
        self.step = step
        self.total = total
        self.at_s = at_s
        """When `step` was reached, as far as is known."""
        self._began_s = at_s
        # The gap that is open: when and where it began.
        self._gap_s = at_s
        self._gap_step = step
        self._gaps = 0
        # Discounted sums over the gaps: seconds, steps, gaps, gaps squared, squared residuals.
        self._step_s = 0.0
        self._steps = 0.0
        self._weight = 0.0
        self._weight2 = 0.0
        self._residuals = 0.0
        self._pauses = _Pauses(step)
        self._pausing = False
        # The row of pauses that is going on: how many, since when, and the pauses before it.
        self._row = 0
        self._row_s = at_s
        self._row_before = self._pauses
        # News of any kind: the last, and how far apart they usually are.
        self._news_s = at_s
        self._usual_s = 0.0

    def see(self, at_s: float, step: float, total: float | None, phase: Phase) -> None:
        """Take in what the job has told at a moment."""
        if step < self.step or _others(total, self.total):
            # Another run of the loop, or it counts something else now.
            self._begin(at_s, step, total)
            return
        self.total = total
        self._note_news(at_s)
        if phase is not Phase.TRAIN:
            self._pausing = True
        if step - self.step < _STEP_MIN:
            return
        enough_s = max(_GAP_S_MIN, _GAP_SHARE * (at_s - self._began_s))
        self._take_out_pause(at_s, step, enough_s)
        self.step, self.at_s = step, at_s
        if at_s - self._gap_s >= enough_s:
            self._close_gap()

    @property
    def pause_share(self) -> float:
        """How long it has paused for each second of stepping; at most as long."""
        paused_s = self._pauses.whole_s
        return min(paused_s / max(self.at_s - self._began_s - paused_s, 1.0), 1.0)

    def remaining(self, now_s: float, pause_share: float = 0.0) -> Remaining | None:
        """Say how long the rest will take from now on; None where the observations do not say.

        They do not before steps were timed, without a total, past it, and when the job has been
        silent for so long that what it has told is no longer worth much. `pause_share` is how much
        jobs like it pause: that counts until the first pause is seen, and less with every step.
        """
        if self.total is None or self.step >= self.total or not self._gaps:
            return None
        silent_s = max(now_s - self._news_s, 0.0)
        usual_s = max(self._usual_s, _GAP_S_MIN)
        if silent_s > max(_STALE_S, _STALE_GAPS * usual_s):
            return None
        left = self.total - self.step
        stepping_s = left * self._step_s / self._steps
        pausing_s, pausing_variance = self._pauses.to_come(self.step, left)
        if not pausing_s:
            pausing_s = pause_share * stepping_s * left / self.total
        whole_s = stepping_s + pausing_s
        since_s = now_s - self.at_s
        if self._pausing:
            # Meanwhile nothing of the steps is done, only of the pause.
            since_s = min(since_s, self._pauses.mean_s)
        seconds = max(whole_s - since_s, 0.5 * silent_s, _GAP_SHARE * whole_s)
        variance = self._variance(whole_s)
        variance += pausing_variance / (whole_s * whole_s)
        variance += (_UNSEEN * math.log1p(whole_s / max(self.at_s - self._began_s, 1.0))) ** 2
        if silent_s > usual_s:
            variance += (_SILENCE * math.log(silent_s / usual_s)) ** 2
        return Remaining(seconds, min(max(math.sqrt(variance), _SIGMA_MIN), _SIGMA_MAX))

    def _variance(self, whole_s: float) -> float:
        """Return the variance of ln(remaining) that comes from the steps' own scatter."""
        gaps = self._weight * self._weight / self._weight2
        # One gap tells nothing of a scatter, and the first one was of a start-up anyway.
        seen = max(gaps - 1.0, 0.0) if self._gaps > 1 else 0.0
        scatter = self._residuals / self._weight * seen + _GUESS_VARIANCE * _GUESS_GAPS
        scatter /= seen + _GUESS_GAPS
        gap_s = self._step_s / self._weight
        return scatter / gaps + scatter * min(gap_s / whole_s, 1.0)

    def _note_news(self, at_s: float) -> None:
        since_s = at_s - self._news_s
        self._news_s = at_s
        if since_s > 0.0:
            self._usual_s = max(since_s, 0.9 * self._usual_s + 0.1 * since_s)

    def _take_out_pause(self, at_s: float, step: float, enough_s: float) -> None:
        """Let the open gap begin so much later as these last steps had a pause among them."""
        pausing, self._pausing = self._pausing, False
        if self._gaps < 2:
            if pausing:
                # How long it was cannot be told from the steps, which are not known yet.
                self._gap_s, self._gap_step = at_s, step
            return
        taken_s = at_s - self.at_s
        usual_s = (step - self.step) * self._step_s / self._steps
        if not pausing and taken_s <= _PAUSE_RATIO * usual_s:
            self._row = 0
            return
        if not self._row:
            self._row_s, self._row_before = self.at_s, self._pauses.copy()
        self._row += not pausing
        if self._row >= _ROW and at_s - self._row_s >= _ROW_GAPS * enough_s:
            self._pauses = self._row_before
            self._restart(taken_s, step - self.step)
            self._gap_s, self._gap_step = at_s, step
            return
        pause_s = max(taken_s - usual_s, 0.0)
        self._pauses.add(step, pause_s)
        self._gap_s += pause_s

    def _close_gap(self) -> None:
        taken_s, steps = self.at_s - self._gap_s, self.step - self._gap_step
        self._gap_s, self._gap_step = self.at_s, self.step
        if steps <= 0.0:
            return
        self._gaps += 1
        if self._gaps <= 2:
            # The first gap may have compiled and warmed up: the second one makes it forgotten.
            self._restart(taken_s, steps)
            return
        residual = taken_s / (steps * self._step_s / self._steps) - 1.0
        self._step_s = _KEPT * self._step_s + taken_s
        self._steps = _KEPT * self._steps + steps
        self._weight = _KEPT * self._weight + 1.0
        self._weight2 = _KEPT * _KEPT * self._weight2 + 1.0
        self._residuals = _KEPT * self._residuals + residual * residual

    def _restart(self, taken_s: float, steps: float) -> None:
        self._step_s, self._steps = taken_s, steps
        self._weight = self._weight2 = 1.0
        self._residuals = 0.0
        self._row = 0


class _Pauses:
    """Pauses seen so far: how many, how long, and how far apart."""

    __slots__ = ("_apart", "_apart2", "_began_step", "_count", "_last_step", "_long_s", "_long_s2")

    def __init__(self, began_step: float) -> None:
        self._began_step = began_step
        self._last_step = began_step
        self._count = 0
        self._long_s = 0.0
        self._long_s2 = 0.0
        # Of the distances in steps: sum, and sum of squares.
        self._apart = 0.0
        self._apart2 = 0.0

    @property
    def mean_s(self) -> float:
        """How long a pause is; 0 where none has been seen."""
        return self._long_s / self._count if self._count else 0.0

    @property
    def whole_s(self) -> float:
        """How long all pauses were."""
        return self._long_s

    def add(self, step: float, long_s: float) -> None:
        """Take note of a pause that ended at a step."""
        apart = step - self._last_step
        self._count += 1
        self._long_s += long_s
        self._long_s2 += long_s * long_s
        self._apart += apart
        self._apart2 += apart * apart
        self._last_step = step

    def copy(self) -> _Pauses:
        """Return the same once more."""
        twin = _Pauses(self._began_step)
        for name in self.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin

    def to_come(self, step: float, left: float) -> tuple[float, float]:
        """Return the seconds of pauses in the steps that are left, and their variance."""
        count = self._count
        if not count:
            return 0.0, 0.0
        mean_s = self._long_s / count
        mean_s2 = self._long_s2 / count
        apart = self._apart / count
        uneven = self._apart2 / count - apart * apart
        if count >= 3 and uneven <= (_EVEN * apart) ** 2:
            number = (step + left - self._last_step) / apart
            spread_s2 = max(mean_s2 - mean_s * mean_s, 0.0)
            return number * mean_s, spread_s2 * (number + number * number / count)
        seen = max(step - self._began_step, apart)
        number = (count + 0.5) / seen * left
        # Compound Poisson, and the rate itself is known from `count` pauses only.
        return number * mean_s, number * mean_s2 + (number * mean_s) ** 2 / (count + 0.5)


def _others(total: float | None, before: float | None) -> bool:
    return total is not None and before is not None and total != before
