"""What `noljima simulate` was asked for: its options typed, and refused where they contradict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from noljima.cli.endings import fail
from noljima.cli.outputs import Output

STDOUT: Final = "-"
_GPUS_PER_NODE: Final = 8
_PLACEMENT: Final = "pack"
_REPAIR_S: Final = 3600.0
# Faults that come closer than this are no faults but a node that is never there.
_MTBF_S_MIN: Final = 60.0
# More often would be most of what is simulated.
_PROGRESS_S_MIN: Final = 1.0
# option -> the option without which it would do nothing
_NEEDS: Final = {
    "gpus_per_node": "nodes",
    "restart_cost": "checkpoint",
    "node_repair": "node_mtbf",
}
_NO_POOL: Final = ("placement", "node_mtbf")
_ONE_RUN: Final = ("schedule_to", "promises_out", "journal_to", "history_out")
_OPTIONS: Final = {"schedule_to": "schedule", "journal_to": "journal"}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command, typed."""

    trace: Path
    policies: list[str]
    estimates: list[str]
    seed: int
    load: float
    filters: list[str]
    grace: float
    start_failures: float
    early_exits: float
    strict: bool
    validate: bool
    promises: bool
    capacity: int | None = None
    nodes: int | None = None
    gpus_per_node: int = _GPUS_PER_NODE
    cluster: Path | None = None
    placement: str = _PLACEMENT
    settings: Path | None = None
    since: str | None = None
    until: str | None = None
    evictable: float | None = None
    checkpoint: float | None = None
    restart_cost: float = 0.0
    node_mtbf: float | None = None
    node_repair: float = _REPAIR_S
    progress: float | None = None
    json_to: str | None = None
    report_to: Path | None = None
    schedule_to: Path | None = None
    promises_out: Path | None = None
    save_trace: Path | None = None
    journal_to: Path | None = None
    history_in: Path | None = None
    history_out: Path | None = None

    def outputs(self) -> list[Output]:
        """List the files that will be written."""
        json_to = None if self.json_to in (None, STDOUT) else Path(str(self.json_to))
        files = {
            "--json": json_to,
            "--schedule": self.schedule_to,
            "--promises-out": self.promises_out,
            "--save-trace": self.save_trace,
            "--journal": self.journal_to,
            "--history-out": self.history_out,
        }
        wanted = [Output(option, path) for option, path in files.items() if path is not None]
        if self.report_to is not None:
            wanted.append(Output("--report", self.report_to, folder=True))
        return wanted

    def inputs(self) -> list[Path]:
        """List the files that will be read."""
        paths = (self.trace, self.cluster, self.settings, self.history_in)
        return [path for path in paths if path is not None]


def request_of(options: Mapping[str, object]) -> Request:
    """Type the options, and refuse those that do not go together."""
    given = {name: value for name, value in options.items() if value is not None}
    _refuse_contradictions(given)
    request = Request(**given)  # type: ignore[arg-type]  # click has converted each of them
    for option, names in (("--policy", request.policies), ("--estimates", request.estimates)):
        twice = [name for name in names if list(names).count(name) > 1]
        if twice:
            fail(f"{option} {twice[0]} is given twice")
    if len(request.policies) * len(request.estimates) > 1:
        for name in _ONE_RUN:
            if name in given:
                fail(f"{_option(name)} takes one --policy and one --estimates")
    _refuse_history_without_use(request)
    if request.node_mtbf is not None and request.node_mtbf < _MTBF_S_MIN:
        fail(f"--node-mtbf: {request.node_mtbf:g} s is less than {_MTBF_S_MIN:g} s")
    if request.progress is not None and request.progress < _PROGRESS_S_MIN:
        fail(f"--progress: {request.progress:g} s is less than {_PROGRESS_S_MIN:g} s")
    return request


def _refuse_history_without_use(request: Request) -> None:
    for name in ("history_in", "history_out"):
        if getattr(request, name) is not None and list(request.estimates) != ["history"]:
            fail(f"{_option(name)} needs --estimates history, and no other")
    if request.history_in is not None and request.journal_to is not None:
        fail("--history-in and --journal exclude each other: a replay would not have the history")


def _refuse_contradictions(given: Mapping[str, object]) -> None:
    sizes = [name for name in ("capacity", "nodes", "cluster") if name in given]
    if len(sizes) > 1:
        fail(f"{_option(sizes[0])} and {_option(sizes[1])} exclude each other")
    if not sizes:
        fail("say how large the cluster is with one of --capacity, --nodes and --cluster")
    for name, needed in _NEEDS.items():
        if name in given and needed not in given:
            fail(f"{_option(name)} does nothing without {_option(needed)}")
    for name in _NO_POOL:
        if name in given and "capacity" in given:
            fail(f"{_option(name)} needs nodes; --capacity is a pool without any")


def _option(name: str) -> str:
    return "--" + _OPTIONS.get(name, name).replace("_", "-")
