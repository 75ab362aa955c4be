"""Who submits what: users in teams, each with projects that come back again and again.

A project is what a predictor can learn from: one name, one size, run times of one kind, one habit
of asking for time. Real logs are mostly such repetition, with a few users behind most of the jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from noljima.workload.chance import Chance, Floats, Ints

TEAMS: Final = ("vision", "speech", "language", "search", "robotics", "biology")
_MODELS: Final = (
    "bert-base", "bert-large", "gpt-small", "gpt-medium", "llama-ft", "t5-large", "vit-b16",
    "vit-l14", "resnet50", "resnet101", "yolo", "unet", "mae", "clip", "wav2vec", "conformer",
    "tacotron", "dlrm", "gnn", "alphafold-ft", "diffusion", "ppo", "dqn", "lstm",
)  # fmt: skip
_TASKS: Final = (
    "pretrain", "finetune", "eval", "distill", "ablation", "debug", "sweep", "prune", "align",
    "probe",
)  # fmt: skip
_PROJECTS_PER_USER: Final = 5
_PROJECTS_PER_SIZE_MIN: Final = 3
# The middle project runs 20 minutes; one in twenty is a long training, which makes the tail.
_MEDIAN_S: Final = 1_200.0
_MEDIAN_SPREAD: Final = 1.5
_LONG_SHARE: Final = 0.05
_LONG_FACTOR: Final = 15.0
_NO_LIMIT_SHARE: Final = 0.2
_BUSIEST: Final = 3
_ZIPF: Final = 0.9


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """Projects as columns; a project is an index into all of them."""

    name: tuple[str, ...]
    user: tuple[str, ...]
    queue: tuple[str, ...]
    gpus: Ints
    share: Floats
    """Of all jobs; sums to 1."""
    median_s: Floats
    spread: Floats
    """The standard deviation of the logarithm of the run time."""
    failing: Floats
    """The share of jobs that fail."""
    headroom: Floats
    """How many times more than it needs the project asks for; 0 asks for no limit at all."""


def draw(seed: int, *, users: int, mix: Mapping[int, float], failure_share: float) -> Population:
    """Draw a population whose jobs have the sizes of `mix` and fail in `failure_share` of cases."""
    sizes = np.array(sorted(mix), dtype=np.int64)
    weights = np.array([mix[size] for size in sorted(mix)], dtype=np.float64)
    size = _size_of_projects(weights / weights.sum(), users)
    owner = _owners(seed, size, users)
    share = _shares(seed, size, owner, weights / weights.sum())
    gpus = sizes[size]
    team = Chance(seed, "team").pick(users, np.ones(len(TEAMS)))
    return Population(
        name=_names(seed, len(size)),
        user=tuple(f"user{user:02d}" for user in owner.tolist()),
        queue=tuple(TEAMS[index] for index in team[owner].tolist()),
        gpus=gpus,
        share=share,
        median_s=_medians(seed, gpus),
        spread=Chance(seed, "spread").between(len(size), 0.15, 0.9),
        failing=_failing(seed, share, failure_share),
        headroom=_headroom(seed, owner, users),
    )


def _size_of_projects(weights: Floats, users: int) -> Ints:
    """Give every size its projects, rare sizes more than their share so that they differ too."""
    wanted = np.sqrt(weights) / np.sqrt(weights).sum() * users * _PROJECTS_PER_USER
    counts = np.maximum(np.rint(wanted).astype(np.int64), _PROJECTS_PER_SIZE_MIN)
    return np.repeat(np.arange(len(weights), dtype=np.int64), counts)


def _owners(seed: int, size: Ints, users: int) -> Ints:
    """Deal the projects out: everybody has some before anybody has many more."""
    rounds = -(-len(size) // users)
    deal = np.argsort(Chance(seed, "owner").uniform(rounds * users).reshape(rounds, users), axis=1)
    return deal.reshape(-1)[: len(size)].astype(np.int64)


def _shares(seed: int, size: Ints, owner: Ints, weights: Floats) -> Floats:
    """Weigh projects by Zipf's law over their owners, so that each size keeps its weight."""
    zipf = (1.0 + owner.astype(np.float64)) ** -_ZIPF
    weight = zipf * np.exp(0.5 * Chance(seed, "share").normal(len(size)))
    total = np.bincount(size, weights=weight, minlength=len(weights))
    return weight / total[size] * weights[size]


def _names(seed: int, count: int) -> tuple[str, ...]:
    chance = Chance(seed, "name")
    model = chance.pick(count, np.ones(len(_MODELS))).tolist()
    task = chance.pick(count, np.ones(len(_TASKS))).tolist()
    return tuple(f"{_MODELS[m]}-{_TASKS[t]}" for m, t in zip(model, task, strict=True))


def _medians(seed: int, gpus: Ints) -> Floats:
    """Draw the typical run times; large gangs are seldom started for a few minutes."""
    chance = Chance(seed, "median")
    count = len(gpus)
    long = np.where(chance.uniform(count) < _LONG_SHARE, _LONG_FACTOR, 1.0)
    return _MEDIAN_S * np.exp(_MEDIAN_SPREAD * chance.normal(count)) * long * gpus**0.2


def _failing(seed: int, share: Floats, failure_share: float) -> Floats:
    """Let projects fail from half to one and a half times as often as all together."""
    factor = Chance(seed, "failing").between(len(share), 0.5, 1.5)
    return np.minimum(failure_share * factor / float(np.sum(factor * share)), 1.0)


def _headroom(seed: int, owner: Ints, users: int) -> Floats:
    """Draw how much more time than needed is asked for; it is the user's habit first."""
    chance = Chance(seed, "headroom")
    habit = np.exp(0.4 + 0.7 * chance.normal(users))
    # Never the busiest: one of them alone would decide how many jobs have a limit.
    none = (chance.uniform(users) < _NO_LIMIT_SHARE) & (np.arange(users) >= _BUSIEST)
    habit = np.where(none, 0.0, np.maximum(habit, 1.0))
    return habit[owner] * chance.between(len(owner), 1.0, 1.6)
