"""Jobs that are told what to do by hand, with a monitor beside them: for examples and histories."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from noljima.config import HealthSettings
from noljima.health import Monitor
from noljima.health.facts import Began, Fact, Progressed, Sampled, Swept
from noljima.health.findings import Finding, Rung, Verdict
from noljima.model.resources import JobId
from noljima.testing.hangs.modes import SLEEP, TRAIN, Mode

IDLE_W: Final = 70.0
WORKING_W: Final = 380.0
TICK_S: Final = 10.0
_RATES: Final = {
    "read_bytes": "read",
    "written_bytes": "written",
    "network_bytes": "network",
    "pcie_bytes": "pcie",
    "nvlink_bytes": "nvlink",
    "log_bytes": "log",
}
_STATES: Final = {"R": "running", "S": "sleeping", "D": "blocked", "T": "stopped"}


class Patient:
    """One job, its counters and what it does now."""

    def __init__(self, began: Began) -> None:
        self.began = began
        self.modes: tuple[Mode, ...] = (TRAIN,)
        self.step = 0.0
        self.steps_each_round = 7.0
        self.loss: float | None = None
        self.phase = "train"
        self.without: Collection[str] = ()
        """Metrics that cannot be read."""
        self.counters = [dict.fromkeys(("cpu_s", *_RATES), 0.0) for _ in range(began.workers)]

    def live(self, seconds: float) -> None:
        """Use the machine for a while."""
        self.step += self.steps_each_round
        for number, counters in enumerate(self.counters):
            mode = self._mode(number)
            counters["cpu_s"] += mode.cores * seconds
            for name, rate in _RATES.items():
                counters[name] += getattr(mode, rate) * seconds

    def facts(self, at_s: float, *, reports: bool) -> list[Fact]:
        """Return what a sampler tells of it."""
        job = self.began.job
        facts: list[Fact] = []
        if reports:
            facts.append(
                Progressed(
                    at_s=at_s,
                    job=job,
                    step=self.step,
                    total=1e6,
                    phase=self.phase,
                    loss=self.loss,
                )
            )
        for number, counters in enumerate(self.counters):
            values = self._values(number, counters)
            facts.append(Sampled(at_s=at_s, job=job, worker=number, **values))  # type: ignore[arg-type]
        return facts

    def _values(self, number: int, counters: dict[str, float]) -> dict[str, object]:
        mode = self._mode(number)
        values: dict[str, object] = dict(counters)
        values |= {name: int(mode.state == state) for state, name in _STATES.items()}
        if self.began.gpus_measured:
            values |= {
                "gpu_w": IDLE_W + mode.power * WORKING_W,
                "gpu_idle_w": IDLE_W,
                "gpu_utilisation": mode.busy,
                "gpu_sm_activity": mode.sm,
            }
        return {name: value for name, value in values.items() if name not in self.without}

    def _mode(self, number: int) -> Mode:
        return self.modes[min(number, len(self.modes) - 1)]


class Ward:
    """Patients, a clock and a monitor."""

    def __init__(self, settings: HealthSettings | None = None) -> None:
        self.monitor = Monitor(settings)
        self.at_s = 1000.0
        self.patients: dict[JobId, Patient] = {}
        self.reporting: set[JobId] = set()
        self.told: list[Fact] = []
        """Everything, so that it can be told to another monitor."""

    def begin(self, name: str = "a", *, reports: bool = True, **fields: object) -> Patient:
        """Begin a job; its workers train."""
        known: dict[str, object] = {"user": f"user of {name}", "gpus_measured": True}
        began = Began(at_s=self.at_s, job=JobId(name), **(known | fields))  # type: ignore[arg-type]
        patient = self.patients[began.job] = Patient(began)
        self.reporting.discard(began.job)
        if reports:
            self.reporting.add(began.job)
        self.tell(began)
        return patient

    def do(self, name: str, *modes: Mode, steps: bool = False) -> None:
        """Let the workers of a job do this from now on; the last is for all further ones."""
        patient = self.patients[JobId(name)]
        patient.modes = modes
        patient.steps_each_round = 7.0 if steps else 0.0

    def tell(self, *facts: Fact) -> list[Finding]:
        """Tell the monitor."""
        self.told += facts
        return self.monitor.observe(*facts)

    def run(self, minutes: float, tick_s: float = TICK_S) -> list[Finding]:
        """Let time pass, with a look at every job after every tick."""
        found: list[Finding] = []
        for _ in range(max(round(minutes * 60.0 / tick_s), 1)):
            self.pass_unseen(tick_s)
            facts: list[Fact] = []
            for job, patient in self.patients.items():
                facts += patient.facts(self.at_s, reports=job in self.reporting)
            found += self.tell(*facts, Swept(at_s=self.at_s))
        return found

    def pass_unseen(self, seconds: float) -> None:
        """Let time pass without a look."""
        self.at_s += seconds
        for patient in self.patients.values():
            patient.live(seconds)

    def trained(self, name: str = "a", minutes: float = 20.0, **fields: object) -> Patient:
        """Begin a job, and let it train for a while; then it sleeps without steps."""
        patient = self.begin(name, **fields)  # type: ignore[arg-type]  # reports is among them
        self.run(minutes)
        self.do(name, SLEEP)
        return patient


def verdicts(found: Collection[Finding], name: str = "a") -> list[Verdict]:
    """Return what was said of a job."""
    return [each for each in found if isinstance(each, Verdict) and each.job == name]


def rungs(found: Collection[Finding], name: str = "a") -> list[Rung]:
    """Return the rungs that a job was told to be on, one after the other."""
    return [verdict.rung for verdict in verdicts(found, name)]
