"""How far a job is, read off what it prints; nothing in there can make the reader fail.

The output may come in pieces cut anywhere. What is kept between them is bounded: a line of at most
`LINE_BYTES_MAX` bytes and the last sighting of each kind. Evaluations, data preparation and
downloads have bars too; docs/progress.md says what is told apart how, and what is not.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from noljima.model.phase import Phase
from noljima.prediction.progress.bars import Bar, Declared, Heading, Item, Log, Style, read
from noljima.prediction.progress.labels import Label, Role, understood
from noljima.prediction.progress.lines import Lines
from noljima.prediction.progress.observation import Observation
from noljima.prediction.progress.series import PAUSED, Headed, Numbered, Paused, Plain, Sighting


class _Rank(IntEnum):
    """Whom to believe where several tell of progress: the more explicit one."""

    NOTHING = 0
    LOG = 1
    PLAIN = 2
    NAMED = 3
    NUMBERED = 4


class Reader:
    """Takes a job's output piece by piece and gives back what it tells of progress."""

    def __init__(self, *, epochs: float | None = None) -> None:
        """Begin; `epochs` is how many there will be, where the job's owner has said so."""
        self._lines = Lines()
        self._epochs = epochs
        # What the Hugging Face Trainer logs is of its own epochs, and no bar of it is of one.
        self._declared: float | None = None
        self._rank = _Rank.NOTHING
        self._headed = Headed()
        self._numbered = Numbered()
        self._plain = Plain()
        self._last: Observation | None = None
        self._paused = False

    def feed(self, chunk: bytes | str) -> list[Observation]:
        """Return what this piece of output tells, in order."""
        found: list[Observation] = []
        for line in self._lines.feed(chunk):
            item = read(line)
            if item is not None:
                observation = self._told(self._sighting(item))
                if observation is not None:
                    found.append(observation)
        return found

    def _sighting(self, item: Item) -> Sighting:
        match item:
            case Heading():
                self._headed.begin(item)
                return None
            case Declared():
                self._declared = float(item.epochs) or None
                return None
            case Log():
                return self._log(item)
            case Bar(style=Style.KERAS):
                return self._keras(item)
            case Bar():
                return self._bar(item, understood(item.label))

    def _log(self, log: Log) -> Sighting:
        # Beside a bar it tells nothing new, after its end neither.
        if log.evaluated or self._rank > _Rank.LOG:
            return None
        self._rank = _Rank.LOG
        return Observation(step=log.epoch, total=self._declared, unit="epoch")

    def _keras(self, bar: Bar) -> Sighting:
        if self._headed.announced and self._outranks(_Rank.NUMBERED):
            return self._headed.see(bar)
        return PAUSED

    def _bar(self, bar: Bar, label: Label) -> Sighting:
        if label.role is Role.OTHER:
            return None
        if label.role is Role.EVALUATE:
            return PAUSED
        if label.epoch is not None:
            if not self._outranks(_Rank.NUMBERED):
                return PAUSED
            return self._numbered.see(bar, label, self._epochs)
        if label.over_epochs and bar.total:
            self._epochs = bar.total
        named = label.role is Role.TRAIN and not label.over_epochs
        rank = _Rank.NAMED if named else _Rank.PLAIN
        if not self._outranks(rank):
            return None if label.over_epochs else PAUSED
        return self._plain.see(bar, self._epochs if named else None)

    def _outranks(self, rank: _Rank) -> bool:
        """Say whether to believe a teller of this rank, and forget what told less before."""
        finished = self._last is not None and (self._last.fraction or 0.0) >= 1.0
        if rank < self._rank and not finished:
            return False
        if rank > self._rank or rank < self._rank:
            self._plain = Plain()
            self._rank = rank
        return True

    def _told(self, sighting: Sighting) -> Observation | None:
        """Return what is new in a sighting."""
        if sighting is None:
            return None
        last = self._last
        if isinstance(sighting, Paused):
            if last is None or self._paused or (last.fraction or 0.0) >= 1.0:
                return None
            self._paused = True
            return msgspec.structs.replace(last, phase=Phase.EVALUATE)
        if last is not None and _place(sighting) == _place(last):
            return None
        self._last = sighting
        self._paused = False
        return sighting


def _place(observation: Observation) -> tuple[float | None, ...]:
    return observation.step, observation.total, observation.epoch, observation.epochs
