"""Traces out of a seed, for trying a policy without anybody's data.

They have what makes scheduling hard in real GPU logs: most jobs small and most of the work in a
few, run times over five orders of magnitude, crashes after a minute, arrays of one name in a burst,
users who ask for a round number of hours, nights and weekends. docs/traces.md says what of this
was taken from where.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.workload import labels, rhythm
from noljima.workload.chance import Chance, Floats, Ints
from noljima.workload.population import Population, draw
from noljima.workload.runs import Runs
from noljima.workload.shape import shape
from noljima.workload.trace import Trace, TraceJob

JOBS_MAX: Final = 2_000_000
# Monday 2024-01-01, 00:00 UTC: second 0 of every generated trace.
EPOCH_S: Final = 1_704_067_200.0
DEFAULT_MIX: Final[Mapping[int, float]] = {
    1: 0.93, 2: 0.022, 4: 0.023, 8: 0.02, 16: 0.0025, 32: 0.0015, 64: 0.0005, 128: 0.0003,
    256: 0.0002,
}  # fmt: skip
_LOAD_TOLERANCE: Final = 0.03
_SCALE_MIN: Final = 1e-4
_SCALE_MAX: Final = 1e4
_BISECTIONS: Final = 60
_PILOT: Final = 20_000
_ARRAY_LENGTHS: Final = (4, 6, 8, 12, 16, 24, 32)
_ARRAY_LENGTHS_LARGE: Final = (2, 3, 4)
_ARRAY_LARGE_GPUS: Final = 8
_ARRAY_GAP_S: Final = 3.0


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What to generate."""

    seed: int = 0
    days: float = 7.0
    gpus: int = 64
    """The capacity that the load is meant for, and the size of the largest gang."""
    load: float | None = 0.9
    """Offered load on that capacity; None leaves the run times as they were drawn."""
    jobs_per_day: float | None = None
    """None: as many as make the load with run times as they were drawn."""
    mix: Mapping[int, float] | None = None
    """Weights of job sizes in GPUs; None: 93 % one GPU, the rest up to 256."""
    users: int = 40
    failure_share: float = 0.3
    cancelled_share: float = 0.06
    array_share: float = 0.1
    """Of the submissions, how many are arrays of jobs."""
    day_swing: float = 0.6
    weekend: float = 0.5
    run_s_max: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        """Refuse what cannot be generated."""
        bounds.whole("seed", self.seed, low=0, high=2**63)
        bounds.seconds("days", self.days, low=0.01, high=3_660)
        bounds.whole("gpus", self.gpus, low=1, high=bounds.GPU_COUNT_MAX)
        if self.load is not None:
            bounds.seconds("load", self.load, low=0.001, high=100)
        if self.jobs_per_day is not None:
            bounds.seconds("jobs_per_day", self.jobs_per_day, low=0.1, high=JOBS_MAX)
        if self.load is None and self.jobs_per_day is None:
            raise InvalidFieldError("load", None, "and jobs_per_day cannot both be left open")
        bounds.whole("users", self.users, low=1, high=100_000)
        for share in ("failure_share", "cancelled_share", "array_share", "day_swing", "weekend"):
            bounds.share(share, getattr(self, share))
        if self.failure_share + self.cancelled_share > 1:
            raise InvalidFieldError("failure_share", self.failure_share, "leaves no room")
        bounds.seconds("run_s_max", self.run_s_max, low=60)
        self.sizes()

    def sizes(self) -> Mapping[int, float]:
        """Say the weights of the job sizes, without those that no machine of `gpus` could run."""
        if self.mix is None:
            return {size: share for size, share in DEFAULT_MIX.items() if size <= self.gpus}
        for size, weight in self.mix.items():
            bounds.whole("mix size", size, low=1, high=self.gpus)
            bounds.seconds(f"mix weight of {size}", weight, high=1e6)
        sizes = {size: weight for size, weight in self.mix.items() if weight > 0}
        bounds.whole("mix", len(sizes), low=1, high=1_000)
        return sizes


def generate(recipe: Recipe, *, gpus_per_node: int | None = None) -> Trace:
    """Generate the trace of a recipe; the same recipe gives the same trace on every machine."""
    # 1. Who submits what.
    population = draw(
        recipe.seed, users=recipe.users, mix=recipe.sizes(), failure_share=recipe.failure_share
    )
    # 2. When each job comes, and of which project it is.
    submit_s, project = _submissions(recipe, population, _jobs_per_day(recipe, population))
    # 3. How each job goes, with run times scaled until the load is right.
    runs = _runs(recipe, population, project, "runs")
    scale = _scale(recipe, runs, population.gpus[project], submit_s)
    # 4. Names and nouns.
    names = labels.draw(recipe.seed, population.name, project, EPOCH_S + submit_s)
    columns = _Columns(population, project.tolist(), submit_s.tolist(), names, gpus_per_node)
    return Trace(
        name=f"generated-{recipe.seed}",
        jobs=tuple(columns.jobs(runs, scale)),
        source=f"generated from seed {recipe.seed}",
        epoch_s=EPOCH_S,
        gpus=recipe.gpus,
    )


def _runs(recipe: Recipe, population: Population, project: Ints, purpose: str) -> Runs:
    return Runs.draw(
        Chance(recipe.seed, purpose),
        population,
        project,
        cancelled_share=recipe.cancelled_share,
        run_s_max=recipe.run_s_max,
    )


def _jobs_per_day(recipe: Recipe, population: Population) -> float:
    """Say how many jobs a day there are; where the recipe leaves it open, as make the load."""
    jobs_per_day = recipe.jobs_per_day
    if jobs_per_day is None:
        assert recipe.load is not None
        pilot = Chance(recipe.seed, "pilot").pick(_PILOT, population.share)
        run_s = _runs(recipe, population, pilot, "pilot runs").run_s(1.0)
        work_s = float(np.mean(run_s * population.gpus[pilot]))
        jobs_per_day = recipe.load * recipe.gpus * rhythm.DAY_S / work_s
    if jobs_per_day * recipe.days > JOBS_MAX:
        words = f"a day for {recipe.days:g} days are more than {JOBS_MAX:,}"
        raise InvalidFieldError("jobs", round(jobs_per_day), words)
    return jobs_per_day


def _submissions(
    recipe: Recipe, population: Population, jobs_per_day: float
) -> tuple[Floats, Ints]:
    """Draw the submit times, in order and in whole seconds, and the project of each job."""
    # A project that submits arrays submits less often: the sizes keep their shares of the jobs.
    large = population.gpus >= _ARRAY_LARGE_GPUS
    length = np.where(large, np.mean(_ARRAY_LENGTHS_LARGE), np.mean(_ARRAY_LENGTHS))
    jobs_each = 1.0 + recipe.array_share * (length - 1.0)
    weights = population.share / jobs_each
    moments = rhythm.arrivals(
        Chance(recipe.seed, "arrivals"),
        per_day=jobs_per_day * float(weights.sum()),
        span_s=recipe.days * rhythm.DAY_S,
        day_swing=recipe.day_swing,
        weekend=recipe.weekend,
    )
    project = Chance(recipe.seed, "project").pick(len(moments), weights)
    lengths = _array_lengths(recipe, large[project])
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    place = np.arange(len(first)) - first
    submit_s = np.floor(np.repeat(moments, lengths) + place * _ARRAY_GAP_S)
    order = np.argsort(submit_s, kind="stable")
    return submit_s[order], np.repeat(project, lengths)[order]


def _array_lengths(recipe: Recipe, large: NDArray[np.bool_]) -> Ints:
    """Draw how many jobs each submission is: mostly one, else an array."""
    chance = Chance(recipe.seed, "array")
    count = len(large)
    array = chance.uniform(count) < recipe.array_share
    small, few = np.array(_ARRAY_LENGTHS), np.array(_ARRAY_LENGTHS_LARGE)
    of_small = small[chance.pick(count, np.ones(len(small)))]
    of_large = few[chance.pick(count, np.ones(len(few)))]
    return np.where(array, np.where(large, of_large, of_small), 1).astype(np.int64)


def _scale(recipe: Recipe, runs: Runs, gpus: Ints, submit_s: Floats) -> float:
    """Find the factor on run times that gives the load; the load never falls as it grows."""
    if recipe.load is None:
        return 1.0
    span_s = float(submit_s[-1] - submit_s[0]) if len(submit_s) else 0.0
    low, high = math.log(_SCALE_MIN), math.log(_SCALE_MAX)
    wanted = recipe.load * recipe.gpus * span_s
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if float(np.sum(runs.run_s(math.exp(middle)) * gpus)) < wanted:
            low = middle
        else:
            high = middle
    # Shortened, so that no job sits on the edge between two seconds, where machines might differ.
    scale = float(f"{math.exp(high):.9g}")
    reached = float(np.sum(runs.run_s(scale) * gpus))
    if not abs(reached - wanted) <= _LOAD_TOLERANCE * wanted or not span_s:
        words = f"cannot be reached with {len(gpus):,} jobs in {recipe.days:g} days"
        raise InvalidFieldError("load", recipe.load, words)
    return scale


class _Columns(NamedTuple):
    """The jobs before they are nouns."""

    population: Population
    project: list[int]
    submit_s: list[float]
    names: list[str]
    gpus_per_node: int | None

    def jobs(self, runs: Runs, scale: float) -> Iterator[TraceJob]:
        """Build the jobs, in order."""
        gangs = [shape(gpus, self.gpus_per_node) for gpus in self.population.gpus.tolist()]
        limits = runs.limit_s(scale).tolist()
        outcomes = runs.outcomes(scale)
        for index, run_s in enumerate(runs.run_s(scale).tolist()):
            project = self.project[index]
            job = Job(
                id=JobId(f"j{index + 1}"),
                gang=gangs[project],
                user=self.population.user[project],
                name=self.names[index],
                queue=self.population.queue[project],
                limit_s=limits[index] if math.isfinite(limits[index]) else None,
            )
            yield TraceJob(self.submit_s[index], run_s, job, outcomes[index])
