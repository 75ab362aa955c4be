"""Faults of GPUs: what is drained, what is only told, and which job has to move.

Each thing is said once for a GPU, until somebody puts the GPU back to use: drivers repeat
themselves a thousand times a second.
"""

from __future__ import annotations

from typing import Final

from noljima.health import xids
from noljima.health.facts import Counted, Faulted, Repaired
from noljima.health.findings import Drain, Notice, Service, cut
from noljima.model.resources import NodeId

_TOLD_MAX: Final = 64
"""Different Xids that are remembered for one GPU."""


class _Gpu:
    """What has been said of one GPU."""

    __slots__ = ("counters", "service", "told")

    def __init__(self) -> None:
        self.service: Service | None = None
        self.told: set[int] = set()
        self.counters: Counted | None = None


class Faults:
    """All GPUs that have ever had a fault, until they are repaired."""

    def __init__(self) -> None:
        self._gpus: dict[tuple[NodeId, int], _Gpu] = {}

    def reported(self, fact: Faulted, xid: xids.Xid) -> Drain | Notice | None:
        """Take in an Xid; one that is the program's own fault says nothing of the GPU."""
        if xid.fault in (xids.Fault.APPLICATION, xids.Fault.COMPANION):
            return None
        gpu = self._gpu(fact.node, fact.gpu)
        words = f"Xid {fact.xid} on {name(fact.node, fact.gpu)}: {xid.name}"
        if xid.fault is xids.Fault.UNKNOWN:
            return self._notice(gpu, fact, f"{words}; nothing is done")
        service = Service.NOW if xid.fault is xids.Fault.LOST else Service.AFTER
        return self._drain(gpu, fact, service, words, xid.number)

    def counted(self, fact: Counted) -> Drain | None:
        """Take in memory counters; a state that was there before is no news."""
        gpu = self._gpu(fact.node, fact.gpu)
        before, gpu.counters = gpu.counters, _merged(gpu.counters, fact)
        where = name(fact.node, fact.gpu)
        if fact.remap_failed:
            # It stays set for good: only one that was seen clear before has failed just now.
            fresh = before is not None and before.remap_failed is False
            service = Service.NOW if fresh else Service.AFTER
            words = f"a broken row of memory of {where} could not be replaced"
            return self._drain(gpu, fact, service, words)
        if _grown(before, fact):
            words = f"{where} had a memory error that could not be corrected"
            return self._drain(gpu, fact, Service.AFTER, words)
        if fact.remap_pending:
            words = f"a broken row of memory of {where} is replaced at its next reset"
            return self._drain(gpu, fact, Service.AFTER, words)
        return None

    def repaired(self, fact: Repaired) -> None:
        """Forget what was said of a GPU that is back."""
        self._gpus.pop((fact.node, fact.gpu), None)

    def _gpu(self, node: NodeId, gpu: int) -> _Gpu:
        return self._gpus.setdefault((node, gpu), _Gpu())

    def _notice(self, gpu: _Gpu, fact: Faulted, words: str) -> Notice | None:
        if fact.xid in gpu.told or len(gpu.told) >= _TOLD_MAX:
            return None
        gpu.told.add(fact.xid)
        return Notice(node=fact.node, gpu=fact.gpu, at_s=fact.at_s, xid=fact.xid, words=cut(words))

    def _drain(
        self,
        gpu: _Gpu,
        fact: Faulted | Counted,
        service: Service,
        words: str,
        xid: int | None = None,
    ) -> Drain | None:
        if gpu.service is Service.NOW or gpu.service is service:
            return None
        gpu.service = service
        ends = "what runs on it may end first"
        if service is Service.NOW:
            ends = "what runs on it cannot go on"
        return Drain(
            node=fact.node,
            gpu=fact.gpu,
            at_s=fact.at_s,
            service=service,
            xid=xid,
            words=cut(f"{words}; it gets no new jobs, and {ends}"),
        )


def name(node: NodeId, gpu: int) -> str:
    """Write which GPU."""
    return f"GPU {gpu} of {node}"


def _merged(before: Counted | None, now: Counted) -> Counted:
    """Keep what was read before where it cannot be read now."""
    if before is None:
        return now
    failed = before.remap_failed if now.remap_failed is None else now.remap_failed
    uncorrected = before.uncorrected if now.uncorrected is None else now.uncorrected
    return Counted(
        node=now.node,
        gpu=now.gpu,
        at_s=now.at_s,
        remap_failed=failed,
        uncorrected=uncorrected,
    )


def _grown(before: Counted | None, now: Counted) -> bool:
    if before is None or before.uncorrected is None or now.uncorrected is None:
        return False
    return now.uncorrected > before.uncorrected
