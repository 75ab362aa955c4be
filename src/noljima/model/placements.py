"""Where a gang goes."""

from __future__ import annotations

from typing import Final

import msgspec

from noljima.model.resources import NodeId


class Assignment(msgspec.Struct, frozen=True, omit_defaults=True):
    """The node of one worker, and which of the node's GPUs are its own.

    For a fraction of a GPU it is the one GPU that is shared.
    """

    node: NodeId
    gpus: tuple[int, ...] = ()


class Placement(msgspec.Struct, frozen=True, omit_defaults=True):
    """One assignment for each worker, groups in order; empty on a pool, which has no nodes."""

    workers: tuple[Assignment, ...] = ()


IN_POOL: Final = Placement()
