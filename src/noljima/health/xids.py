"""Which Xids are the GPU's fault, which the program's, and what NVIDIA says is to be done.

From NVIDIA, "XID Errors" (https://docs.nvidia.com/deploy/xid-errors/), its catalogue for Ampere and
newer GPUs ("Analyzing Xid Errors with the Xid Catalog", column "Resolution Bucket (Immediate
Action)"), and "GPU Memory Error Management" (https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/)
for row remapping. The names are ours. How its actions are read here:

- RESET_GPU, RESTART_BM and WORKFLOW_XID_48 (reset the GPU, restart the machine): `LOST`. The job on
  it cannot go on.
- RESTART_APP for a memory error (94): `CONTAINED`. The job that hit it has to start again, the GPU
  may be reset when convenient.
- IGNORE for wear (63, 92), and NVLink errors that may not have stopped anything (74): `WORN`. The
  job goes on, nothing new comes; if the job fails of it, that is not its fault.
- RESTART_APP elsewhere: `APPLICATION`. The program's own fault, by far the most often.
- 45, the cleaning up after another error or after a process that was killed: `COMPANION`.
- 154 says in words what is to be done about another.

What is not in the table is told to the operator, and nothing is done about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Fault(StrEnum):
    """Whose fault an Xid is, and how bad."""

    LOST = "lost"
    CONTAINED = "contained"
    WORN = "worn"
    APPLICATION = "application"
    COMPANION = "companion"
    UNKNOWN = "unknown"


HARDWARE: Final = frozenset((Fault.LOST, Fault.CONTAINED, Fault.WORN))


class Xid(msgspec.Struct, frozen=True):
    """One row of the table."""

    number: int
    fault: Fault
    name: str


_LOST: Final = {
    46: "the GPU stopped processing",
    48: "a memory error that cannot be corrected",
    62: "the GPU's own controller has halted",
    64: "a broken row of GPU memory could not be replaced",
    79: "the GPU has fallen off the bus",
    95: "a memory error that is not contained",
    109: "a context switch of the GPU timed out",
    110: "a security fault of the GPU",
    119: "the GPU's system processor does not answer",
    120: "the GPU's system processor has failed",
    136: "an NVLink could not be trained",
    140: "a memory error that was not recovered from",
    143: "the GPU could not be initialised",
    156: "a broken part of the GPU is to be retired",
    158: "a fatal time-out of the GPU",
}
_WORN: Final = {
    63: "a row of GPU memory is to be replaced at the next reset",
    74: "an NVLink error",
    92: "many corrected memory errors",
    144: "an NVLink error",
    145: "an NVLink error",
    146: "an NVLink error",
    147: "an NVLink error",
    148: "an NVLink error",
    149: "an NVLink error",
    150: "an NVLink error",
    157: "a broken part of the GPU could not be retired",
}
_APPLICATION: Final = {
    8: "the GPU stopped processing for the program",
    11: "an invalid stream of commands",
    13: "an illegal access or instruction on the GPU",
    25: "an invalid stream of commands",
    31: "a page fault of GPU memory",
    32: "an invalid stream of commands",
    39: "an exception of a copy engine",
    40: "an exception of a copy engine",
    41: "an exception of a copy engine",
    43: "the program's work on the GPU was stopped after a fault of its own",
    44: "a fault during a context switch",
    68: "an exception of the video decoder",
    69: "an invalid call of the graphics engine",
    80: "a damaged stream of commands",
}
_OTHERS: Final = {
    45: (Fault.COMPANION, "cleaning up after another error, or after a process that was killed"),
    94: (Fault.CONTAINED, "a contained memory error"),
}
TABLE: Final[Mapping[int, Xid]] = {
    number: Xid(number, fault, name)
    for fault, names in (
        (Fault.LOST, _LOST),
        (Fault.WORN, _WORN),
        (Fault.APPLICATION, _APPLICATION),
    )
    for number, name in names.items()
} | {number: Xid(number, fault, name) for number, (fault, name) in _OTHERS.items()}

RECOVERY: Final = 154


def of(number: int, line: str = "") -> Xid:
    """Return the row of a number; for Xid 154 what the driver says in its line."""
    if number == RECOVERY:
        return _recovery(line.lower())
    return TABLE.get(number) or Xid(number, Fault.UNKNOWN, "an Xid that is not in the table")


def _recovery(line: str) -> Xid:
    """Read "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"."""
    wanted = line.rpartition(" to ")[2]
    if "reset" in wanted or "reboot" in wanted:
        return Xid(RECOVERY, Fault.LOST, "its driver asks for a reset or a reboot")
    if "drain" in wanted:
        return Xid(RECOVERY, Fault.WORN, "its driver asks that it be drained")
    return Xid(RECOVERY, Fault.UNKNOWN, "its driver says what is to be done, and that is nothing")
