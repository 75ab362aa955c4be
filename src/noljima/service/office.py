"""What the parts of the service share: the engine, its books, the machine and the state on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from noljima.drivers.local.driver import ProcessDriver
from noljima.drivers.local.gpus import Gpu
from noljima.engine import Engine
from noljima.model.resources import JobId
from noljima.service.ledger import Ledger
from noljima.service.settings import DaemonSettings
from noljima.service.telling import Telling
from noljima.store.reading import Reader
from noljima.store.state import State

Header = Mapping[str, object]
Build = Callable[[Header], Engine]
"""Makes a new engine from what is said of it."""


@dataclass(slots=True, kw_only=True)
class Office:
    """Everything that answers are made of. Only `scheduler` puts one together."""

    settings: DaemonSettings
    header: Header
    """What the engine was built from."""
    build: Build
    engine: Engine
    state: State
    reader: Reader
    driver: ProcessDriver
    gpus: Sequence[Gpu]
    ledger: Ledger
    telling: Telling
    began_s: float
    shares: dict[JobId, float] = field(default_factory=dict)
    """How far running jobs say that they are."""
    verdicts: dict[JobId, str] = field(default_factory=dict)
    """What health says of running jobs that are not well."""
    warnings: dict[str, str] = field(default_factory=dict)
    """What an operator should see to, by where it comes from."""
    closing: str = ""
    """Why nothing new is taken: the scheduler is ending."""

    @property
    def now_s(self) -> float:
        """The time as the engine's events are stamped with."""
        return self.driver.clock.now_s()
