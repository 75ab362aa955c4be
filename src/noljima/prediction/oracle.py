"""Sources for simulations that know the truth: to bound what prediction can win, and can break."""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist
from typing import Final

from noljima.model import bounds
from noljima.model.estimate import Estimate
from noljima.model.job import Job
from noljima.prediction.source import UNLIMITED_S

_NORMAL: Final = NormalDist()
_Z80: Final = _NORMAL.inv_cdf(0.80)
_Z95: Final = _NORMAL.inv_cdf(0.95)
# Random and adversarial estimates range from a second to this: 11.6 days.
_SPAN_S: Final = 1e6


class NoOracleError(ValueError):
    """A clairvoyant source was asked about a job whose run time nobody knows."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id}: its run time is not known; clairvoyance needs a trace")


def _truth(job: Job, oracle_s: float | None) -> float:
    if oracle_s is None:
        raise NoOracleError(job)
    return oracle_s


def chance(seed: int, job: Job) -> float:
    """Return a number in (0, 1) that depends on the seed and the job's id alone.

    Drawn by hash rather than from a generator, so that it does not depend on the order of arrival.
    """
    digest = hashlib.blake2b(f"{seed}:{job.id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2.0**64


class TrueRunTime:
    """Knows the future."""

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Return the truth."""
        return Estimate.point(_truth(job, oracle_s))

    def learn(self, job: Job, run_s: float) -> None:
        """Learn nothing; there is nothing left to learn."""


class NoisyRunTime:
    """Knows the future through lognormal noise: ln(estimate / truth) has deviation sigma."""

    def __init__(self, sigma: float, seed: int = 0) -> None:
        if not 0.0 <= sigma <= 10.0:
            raise bounds.InvalidFieldError("noisy", sigma, "is outside 0 to 10")
        self._sigma = sigma
        self._seed = seed

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Return quantiles whose spread is the noise's own."""
        noise = math.exp(self._sigma * _NORMAL.inv_cdf(chance(self._seed, job)))
        q50_s = min(_truth(job, oracle_s) * noise, UNLIMITED_S)
        q80_s = min(q50_s * math.exp(self._sigma * _Z80), UNLIMITED_S)
        q95_s = min(q50_s * math.exp(self._sigma * _Z95), UNLIMITED_S)
        return Estimate(q50_s, q80_s, q95_s)

    def learn(self, job: Job, run_s: float) -> None:
        """Learn nothing."""


class RandomRunTime:
    """Knows nothing: log-uniform over seconds to days, whatever the job."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:  # noqa: ARG002 - it does not look
        """Return a draw that depends on the seed and the job's id alone."""
        return Estimate.point(_SPAN_S ** chance(self._seed, job))

    def learn(self, job: Job, run_s: float) -> None:
        """Learn nothing."""


class AdversarialRunTime:
    """Knows the future and lies: the longest jobs seem shortest and the shortest longest."""

    def predict(self, job: Job, oracle_s: float | None) -> Estimate:
        """Return a value that falls as the truth rises."""
        return Estimate.point(_SPAN_S / max(_truth(job, oracle_s), 1.0))

    def learn(self, job: Job, run_s: float) -> None:
        """Learn nothing."""
