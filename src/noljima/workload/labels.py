"""Names of generated jobs: the project's, with the parts that change from run to run.

A predictor that takes names as they are learns nothing from them; one that sees the template behind
`bert-large-finetune-lr3e-4-run17` learns a lot. So every project has one manner of naming.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np

from noljima.workload.chance import Chance, Floats, Ints

_RATES: Final = ("1e-3", "3e-4", "1e-4", "5e-5", "2e-5", "1e-5")
_BATCHES: Final = (16, 32, 64, 128, 256, 512)


class _Run(msgspec.Struct, frozen=True):
    """What a name can be made of."""

    project: str
    number: int
    at_s: float
    chance: float

    @property
    def rate(self) -> str:
        """A learning rate."""
        return _RATES[int(self.chance * len(_RATES))]

    @property
    def batch(self) -> int:
        """A batch size."""
        return _BATCHES[int(self.chance * len(_BATCHES))]

    @property
    def date(self) -> datetime:
        """The time of submission."""
        return datetime.fromtimestamp(self.at_s, UTC)


_MANNERS: Final[tuple[Callable[[_Run], str], ...]] = (
    lambda run: f"{run.project}-lr{run.rate}-run{run.number}",
    lambda run: f"{run.project}_bs{run.batch}_seed{run.number}",
    lambda run: f"{run.project}-{run.date:%Y%m%d-%H%M}",
    lambda run: f"{run.project}-{int(run.chance * 0xFFFFFF):06x}",
    lambda run: f"{run.project}-v{1 + run.number // 20}",
    lambda run: run.project,
)


def draw(seed: int, names: tuple[str, ...], project: Ints, at_s: Floats) -> list[str]:
    """Name every job; `names` are the projects', `project` and `at_s` (Unix time) the jobs'."""
    manner = Chance(seed, "manner").pick(len(names), np.ones(len(_MANNERS))).tolist()
    chance = Chance(seed, "label").uniform(len(project)).tolist()
    runs: Counter[int] = Counter()
    labels: list[str] = []
    for index, moment_s, part in zip(project.tolist(), at_s.tolist(), chance, strict=True):
        runs[index] += 1
        run = _Run(names[index], runs[index], moment_s, part)
        labels.append(_MANNERS[manner[index]](run))
    return labels
