"""How a daemon is run, from its options and a TOML file; what is unknown in there is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from noljima.config import HealthSettings, QueueSettings, Settings
from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.model.node import GPUS_PER_NODE_MAX
from noljima.notify.settings import ChannelSettings, channels_of, refuse_shared

OPERATORS: Final = "noljima"
"""The group whose members may do everything, where a site names no other."""
_BYTES_MAX: Final = 1 << 20


class DaemonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a daemon is run."""

    state: Path
    gpus: int | None = None
    """So many virtual GPUs; None for those that are found."""
    policy: str | None = None
    """None for what the state says, and `fair` for a new one."""
    estimates: str | None = None
    """None for what the state says, and `history` for a new one."""
    new: bool = False
    """Whether a new state may be begun in a folder that is there."""
    operators: str = OPERATORS
    metrics_port: int | None = None
    """Where metrics are served, on this machine only; None for nowhere."""
    channels: tuple[ChannelSettings, ...] = ()
    """What notices are sent through."""
    keep_days: float = 30.0
    """So long the folder and logs of a job are kept after its end."""
    engine: Settings = Settings()

    def __post_init__(self) -> None:
        """Refuse what no daemon can be run with."""
        if self.gpus is not None:
            bounds.whole("gpus", self.gpus, low=0, high=GPUS_PER_NODE_MAX)
        if self.metrics_port is not None:
            bounds.whole("metrics_port", self.metrics_port, low=0, high=65_535)
        bounds.text("operators", self.operators, high=64)
        bounds.seconds("keep_days", self.keep_days, high=36_500.0)


def settings_of(state: Path, config: Path | None, given: Mapping[str, object]) -> DaemonSettings:
    """Make settings of a file, if there is one, and of options, which go before it."""
    fields = {} if config is None else read_file(config)
    fields |= {name: value for name, value in given.items() if value is not None}
    return DaemonSettings(state=state, **fields)  # type: ignore[arg-type]  # they are looked at


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as it may stand there."""

    gpus: int | None = None
    policy: str | None = None
    estimates: str | None = None
    operators: str = OPERATORS
    metrics_port: int | None = None
    keep_days: float = 30.0
    channels: tuple[dict[str, object], ...] | None = None
    site_kinds: tuple[str, ...] | None = None
    whole_node_gpus: int = 8
    queues: tuple[QueueSettings, ...] = ()
    health: HealthSettings = HealthSettings()


def read_file(path: Path) -> dict[str, object]:
    """Read a settings file into fields of `DaemonSettings`; refuse what is unknown by name."""
    raw = path.read_bytes()
    if len(raw) > _BYTES_MAX:
        raise InvalidFieldError("config", len(raw), f"is more than {_BYTES_MAX:,} bytes")
    try:
        file = msgspec.convert(tomllib.loads(raw.decode()), _File)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidFieldError("config", path.name, f"cannot be read: {error}") from None
    fields: dict[str, object] = {
        name: value
        for name in ("gpus", "policy", "estimates", "metrics_port", "operators", "keep_days")
        if (value := getattr(file, name)) is not None
    }
    if file.channels is not None:
        refuse_shared("config", path)
        # Made here, so that their secrets are hidden from whatever shows these settings.
        table: dict[str, object] = {"channels": list(file.channels)}
        if file.site_kinds is not None:
            table["site_kinds"] = list(file.site_kinds)
        fields["channels"] = channels_of(table, path.absolute().parent)
    fields["engine"] = Settings(
        whole_node_gpus=file.whole_node_gpus, queues=file.queues, health=file.health
    )
    return fields
