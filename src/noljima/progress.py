"""Tell the scheduler how far your job is: `report(step, total)`, from inside the job.

The scheduler names a file in `NOLJIMA_PROGRESS`; where it has not, `report` does nothing. Nothing
but `os` and `time` is imported, so that it costs a training nothing, and nothing that happens here
ends one. This file works alone too: copy it where noljima is not installed.
"""

from __future__ import annotations

import os
import time

VARIABLE = "NOLJIMA_PROGRESS"
INTERVAL_S = 1.0
"""What is told sooner after the last report is passed over, but for a change of phase."""

_told_s = -INTERVAL_S
_told_phase = ""


def report(
    step: float,
    total: float | None = None,
    *,
    epoch: float | None = None,
    epochs: float | None = None,
    phase: str = "train",
    loss: float | None = None,
) -> bool:
    """Say that `step` of `total` steps are done; return whether it was written.

    With `epoch`, which counts from 1, and `epochs`, steps are counted within the epoch, else over
    the whole job. `phase` is "train", or a word for what the steps wait for: "evaluate",
    "checkpoint", "download".
    """
    global _told_s, _told_phase
    path = os.environ.get(VARIABLE)
    if not path:
        return False
    now_s = time.monotonic()
    if phase == _told_phase and now_s - _told_s < INTERVAL_S:
        return False
    counts = {"step": step, "total": total, "epoch": epoch, "epochs": epochs}
    try:
        fields = [f'"{name}": {_number(count)}' for name, count in counts.items()]
        fields.append(f'"loss": {_number(loss, odd="words")}')
        word = "".join(c for c in phase[:64] if c.isalnum() or c in " -_")
        line = f'{{{", ".join(fields)}, "phase": "{word}"}}\n'
        draft = f"{path}.{os.getpid()}"
        with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs an import
            file.write(line)
        os.replace(draft, path)  # noqa: PTH105 - likewise
    except Exception:  # noqa: BLE001 - a training is worth more than its report
        return False
    _told_s, _told_phase = now_s, phase
    return True


def _number(value: float | None, odd: str = "null") -> str:
    """Write a number for JSON, which has none for NaN and infinity: those are null, or words."""
    if value is None:
        return "null"
    number = float(value)
    if number - number == 0.0:
        return repr(number)
    return f'"{number}"' if odd == "words" else "null"
