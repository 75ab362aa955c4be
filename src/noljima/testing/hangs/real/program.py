"""What one worker runs: `python -m noljima.testing.hangs.real.program NAME`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from noljima.testing.hangs.real.hangs import HANGS
from noljima.testing.hangs.real.silences import AFTER_STEPS, SILENCES
from noljima.testing.hangs.real.training import WARM_STEPS, Part, Training, compute

PARTS: Final[dict[str, Part]] = HANGS | SILENCES


def main(arguments: Sequence[str]) -> int:
    """Play one part to its end, if it has one."""
    name = arguments[0]
    if name == "computing":
        compute(float(arguments[1]))
        return 0
    part = PARTS[name]
    training = Training(name)
    if part.warm:
        training.go_on(WARM_STEPS)
    part.act(training)
    if part.rung or name == "suspended by the scheduler":
        return 0
    training.come_back()
    training.go_on(AFTER_STEPS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
