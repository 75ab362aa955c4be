"""What bars come to over time: which of them is the training, and how far the whole job is.

Each class follows one way in which programs tell of epochs and steps. It takes one sighting and
returns how far the training is, `PAUSED` where the sighting is of something that the training waits
for, such as an evaluation, and None where it says nothing.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from noljima.prediction.progress.bars import Bar, Heading
from noljima.prediction.progress.labels import Label
from noljima.prediction.progress.observation import Observation


class Paused(Enum):
    """The training waits for something else."""

    PAUSED = auto()


PAUSED: Final = Paused.PAUSED
Sighting = Observation | Paused | None


class Headed:
    """Keras: a line "Epoch 3/10" and then a bar without a name, whose total is the epoch's.

    A bar that no heading announces is of an evaluation or a prediction. A training of one epoch has
    no heading either and is not told apart from them: then nothing is said.
    """

    def __init__(self) -> None:
        self._heading: Heading | None = None
        self._from_zero = False
        self._total: float | None = None
        # The length of an epoch is often known from the one before only.
        self._total_before: float | None = None
        self._over = False

    @property
    def announced(self) -> bool:
        """Whether a heading has been seen."""
        return self._heading is not None

    def begin(self, heading: Heading) -> None:
        """Take note that an epoch begins."""
        first = self._heading is None or heading.epoch <= self._heading.epoch
        if first:
            self._from_zero = heading.epoch == 0
        self._total_before = None if first else self._total
        self._heading = heading
        self._total = None
        self._over = False

    def see(self, bar: Bar) -> Sighting:
        """Say how far the training is."""
        if self._heading is None:
            return None
        if self._over or (self._total is not None and bar.total != self._total):
            return PAUSED
        self._total = bar.total
        self._over = bar.total is not None and bar.step >= bar.total
        number = float(self._heading.epoch + self._from_zero)
        return Observation(
            step=bar.step,
            total=self._total_before if bar.total is None else bar.total,
            epoch=number,
            epochs=max(float(self._heading.epochs), number),
            unit=bar.unit,
            step_s=bar.step_s,
        )


class Numbered:
    """Bars that have the epoch's number in their name: Lightning's, and many written by hand."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._epoch: int | None = None
        self._bar: Bar | None = None

    def see(self, bar: Bar, label: Label, epochs: float | None) -> Sighting:
        """Say how far the training is; `epochs` is how many there are, where the name is silent."""
        assert label.epoch is not None
        if self._first is None or label.epoch < self._first:
            self._first = label.epoch
        from_zero = self._first == 0
        before = self._bar if label.epoch == self._epoch else None
        if before is not None and before.total is not None:
            if bar.total != before.total:
                return PAUSED
            if bar.step < before.step:
                return None  # Lightning draws it empty once more before the next epoch.
        self._epoch, self._bar = label.epoch, bar
        number = float(label.epoch + from_zero)
        if label.epochs is not None:
            epochs = float(label.epochs + (from_zero and bar.last_epoch_named))
        return Observation(
            step=bar.step,
            total=bar.total,
            epoch=number,
            epochs=None if epochs is None else max(epochs, number),
            unit=bar.unit,
            step_s=bar.step_s,
        )


class Plain:
    """Bars whose names say nothing of epochs: one for the whole job, one an epoch, or nested.

    The first one is the training. One that begins anew was of an epoch, and how many of them there
    will be is then not known. A bar inside it that runs once for each of its steps is a part of
    that step; one that comes now and then is an evaluation.
    """

    def __init__(self) -> None:
        self._main: Bar | None = None
        self._repeats = 0
        self._inner: Bar | None = None
        self._inner_at = 0.0
        """The main bar's step when the inner bar began."""
        self._inner_waits = False
        """Whether the inner bar is one that the training waits for."""

    def see(self, bar: Bar, epochs: float | None) -> Sighting:
        """Say how far the training is; `epochs` is how many there are, where somebody has said."""
        main = self._main
        if main is None or (main.total is None and bar.total is not None):
            return self._begin(bar)
        if _same(main, bar):
            if bar.step < main.step:
                self._repeats += 1
            self._main = bar
            return self._whole(bar, epochs)
        if main.total is not None and main.step >= main.total:
            return self._begin(bar) if _outlasts(bar, main) else PAUSED
        return self._nested(main, bar)

    def _begin(self, bar: Bar) -> Observation:
        self._main = bar
        self._repeats = 0
        self._inner = None
        return self._whole(bar, None)

    def _whole(self, bar: Bar, epochs: float | None) -> Observation:
        epoch = None
        if self._repeats or epochs is not None:
            epoch = self._repeats + 1.0
        return Observation(
            step=bar.step,
            total=bar.total,
            epoch=epoch,
            epochs=epochs if epoch is not None else None,
            unit=bar.unit,
            step_s=bar.step_s,
        )

    def _nested(self, main: Bar, bar: Bar) -> Sighting:
        inner = self._inner
        if inner is None:
            # Before it came the training went on without it.
            self._inner_waits = main.step > 1.0 or self._repeats > 0
            self._inner_at = main.step
        elif not _same(inner, bar):
            return PAUSED
        elif bar.step < inner.step:
            self._inner_waits = self._inner_waits or main.step - self._inner_at > 1.0
            self._inner_at = main.step
        self._inner = bar
        if self._inner_waits:
            return PAUSED
        if not bar.total or self._repeats or main.total is None:
            return None
        step = min(max(main.step, self._inner_at + bar.step / bar.total), main.total)
        return Observation(step=step, total=main.total, unit=main.unit, step_s=main.step_s)


def _same(one: Bar, other: Bar) -> bool:
    """Say whether two sightings are of the same bar, or of one that is made anew each epoch."""
    if one.label or other.label:
        return one.label == other.label
    return one.total == other.total


def _outlasts(bar: Bar, finished: Bar) -> bool:
    """Say whether a bar turns out to be more than what comes after the finished one."""
    if bar.elapsed_s is None or finished.elapsed_s is None:
        return (bar.total or 0.0) > (finished.total or 0.0)
    return bar.elapsed_s > finished.elapsed_s
