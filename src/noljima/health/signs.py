"""What a worker's samples say of it: it moves bytes, computes, spins, is still, or cannot be seen.

A sign needs numbers. A metric that was never there raises the bar for the others, and one that was
there and is missing now makes the worker unseen for that moment: its clocks stand still, they do
not start again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from noljima.health.facts import Sampled
from noljima.health.gpus import Gpu, gpu_of

CORES_MIN: Final = 0.03
"""Above this share of one core a worker computes; threads that only wait stay well below."""
CORES_UNSURE: Final = 0.01
"""The same where network or disk cannot be read: a slow download needs about as much."""
CORES_BLIND: Final = 0.002
"""The same where neither can be read."""
BYTES_PER_S_MIN: Final = 4096.0
"""Disk and network: more than heartbeats and log lines come to."""
LINK_BYTES_PER_S_MIN: Final = 1024.0 * 1024.0
"""PCIe and NVLink: more than a GPU moves for being asked how it is."""
_DECAY: Final = 0.9995


class Sign(StrEnum):
    """What a worker does, from one sample to the next."""

    MOVING = "moving"
    """It moves bytes, its GPUs work, or it waits for storage in the kernel."""
    COMPUTING = "computing"
    """Its CPUs work."""
    SPINNING = "spinning"
    """Its GPUs are busy with waiting: no power, no traffic."""
    QUIET = "quiet"
    """It does nothing at all."""
    STOPPED = "stopped"
    """Its processes are stopped by a signal."""
    GONE = "gone"
    """It has no process any more: it may just be done before the others."""
    UNSEEN = "unseen"


LIFE: Final = frozenset((Sign.MOVING, Sign.COMPUTING))


class _Rates:
    """What two samples of a worker have between them, per second; None is "not known"."""

    __slots__ = ("cores", "disk", "links", "network", "reset")

    def __init__(self, before: Sampled, now: Sampled, passed_s: float) -> None:
        self.reset = False
        self.cores = self._of(before.cpu_s, now.cpu_s, passed_s)
        read = self._of(before.read_bytes, now.read_bytes, passed_s)
        written = self._of(before.written_bytes, now.written_bytes, passed_s)
        self.disk = _sum(read, written)
        self.network = self._of(before.network_bytes, now.network_bytes, passed_s)
        pcie = self._of(before.pcie_bytes, now.pcie_bytes, passed_s)
        nvlink = self._of(before.nvlink_bytes, now.nvlink_bytes, passed_s)
        # Either of the two tells whether a collective gets anywhere.
        self.links = _sum(pcie, nvlink)

    def _of(self, before: float | None, now: float | None, passed_s: float) -> float | None:
        if before is None or now is None:
            return None
        if now < before:
            self.reset = True
            return None
        return (now - before) / passed_s

    @property
    def move(self) -> bool:
        """Whether bytes move anywhere."""
        return (
            (self.disk is not None and self.disk >= BYTES_PER_S_MIN)
            or (self.network is not None and self.network >= BYTES_PER_S_MIN)
            or (self.links is not None and self.links >= LINK_BYTES_PER_S_MIN)
        )


def _sum(one: float | None, other: float | None) -> float | None:
    if one is None:
        return other
    return one if other is None else one + other


class Worker:
    """One worker as its samples show it; the times run only while it is seen."""

    __slots__ = (
        "_before",
        "_present",
        "_seen",
        "_working_w",
        "known_s",
        "life_s",
        "moving_s",
        "sign",
        "sign_s",
        "still_s",
        "unmoved_s",
    )

    def __init__(self) -> None:
        self._before: Sampled | None = None
        # Which metrics are there now, and which ever were: bits.
        self._present = 0
        self._seen = 0
        self._working_w = 0.0
        self.sign = Sign.UNSEEN
        self.sign_s = 0.0
        """How long it has given this sign."""
        self.still_s = 0.0
        """How long without any life."""
        self.unmoved_s = 0.0
        """How long without moving anything, though it may have computed."""
        # These three by the clock of the job.
        self.known_s: float | None = None
        """When it was last seen well enough to say."""
        self.life_s: float | None = None
        self.moving_s: float | None = None

    def interrupt(self, *, anew: bool) -> None:
        """Compare the next sample with none before it; if anew, forget how long it was still."""
        self._before = None
        if anew:
            self.still_s = self.unmoved_s = self.sign_s = 0.0
            self.sign = Sign.UNSEEN
            self.known_s = None

    def told(
        self, now: Sampled, clock_s: float, *, gpus: bool, at_work: bool, gap_s_max: float
    ) -> float:
        """Take in a sample, and return how many bytes its log has grown by."""
        before, self._before = self._before, now
        # A rate needs both samples, so that a metric is missing until it was there twice.
        present = _present(now)
        missing = bool(self._seen & ~(present & self._present))
        self._present = present
        self._seen |= present
        self._learn(now, at_work=at_work)
        if before is None:
            return 0.0
        passed_s = now.at_s - before.at_s
        if passed_s > 0.0:
            rates = _Rates(before, now, passed_s)
            sign = self._sign(now, rates, gpus=gpus, unsure=missing)
            if rates.reset:
                # Its counters have begun again: so has something in it.
                self.still_s = self.unmoved_s = 0.0
            elif passed_s <= gap_s_max:
                self._note(sign, clock_s, passed_s)
            elif sign in LIFE:
                # What went on unseen can speak for a worker, not against it.
                self._note(sign, clock_s, 0.0)
        if before.log_bytes is None or now.log_bytes is None:
            return 0.0
        return max(now.log_bytes - before.log_bytes, 0.0)

    def _note(self, sign: Sign, clock_s: float, passed_s: float) -> None:
        if sign is Sign.UNSEEN:
            return
        self.known_s = clock_s
        self.still_s += passed_s
        self.unmoved_s += passed_s
        if sign in LIFE:
            self.still_s = 0.0
            self.life_s = clock_s
        if sign is Sign.MOVING:
            self.unmoved_s = 0.0
            self.moving_s = clock_s
        self.sign_s = self.sign_s + passed_s if sign is self.sign else passed_s
        self.sign = sign

    def _learn(self, now: Sampled, *, at_work: bool) -> None:
        """Learn what this worker's GPUs draw while its steps come."""
        if at_work and now.gpu_w is not None and now.gpu_idle_w is not None:
            above_w = now.gpu_w - now.gpu_idle_w
            self._working_w = max(above_w, self._working_w * _DECAY)

    def _sign(self, now: Sampled, rates: _Rates, *, gpus: bool, unsure: bool) -> Sign:
        settled = _by_states(now)
        if settled is not None:
            return settled
        gpu = gpu_of(now, self._working_w) if gpus else Gpu.IDLE
        # GPUs that are called busy get the benefit of the doubt where nothing better was ever read.
        if rates.move or gpu is Gpu.WORKING or (gpu is Gpu.BUSY and not unsure):
            return Sign.MOVING
        if gpu is Gpu.SPINNING and not unsure and rates.links is not None:
            return Sign.SPINNING
        if rates.cores is not None and rates.cores >= CORES_MIN:
            # A CPU that is busy tells nothing where the GPUs may be spinning, unseen just now.
            return Sign.UNSEEN if unsure and gpu is not Gpu.IDLE else Sign.COMPUTING
        if unsure or gpu is not Gpu.IDLE or rates.cores is None or rates.cores > _bar(rates):
            return Sign.UNSEEN
        return Sign.QUIET


def _present(now: Sampled) -> int:
    """Return which metrics are there, a bit for each that stillness is judged by."""
    return (
        (now.cpu_s is not None)
        | (now.read_bytes is not None) << 1
        | (now.written_bytes is not None) << 2
        | (now.network_bytes is not None) << 3
        | (now.pcie_bytes is not None) << 4
        | (now.nvlink_bytes is not None) << 5
        | (now.gpu_w is not None) << 6
        | (now.gpu_idle_w is not None) << 7
        | (now.gpu_utilisation is not None) << 8
        | (now.gpu_sm_activity is not None) << 9
        | (now.blocked is not None) << 10
    )


def _by_states(now: Sampled) -> Sign | None:
    """Say what the states of its processes settle by themselves."""
    if now.blocked:
        return Sign.MOVING
    states = (now.running, now.sleeping, now.blocked, now.stopped)
    if None not in states and not now.running and not now.sleeping:
        return Sign.STOPPED if now.stopped else Sign.GONE
    return None


def _bar(rates: _Rates) -> float:
    """Return the share of a core below which a worker is quiet, by what else can be seen."""
    if rates.disk is None and rates.network is None:
        return CORES_BLIND
    return CORES_UNSURE if rates.disk is None or rates.network is None else CORES_MIN
