"""What a job is called whose owner has not said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from noljima.model import bounds

_INTERPRETERS: Final = ("python", "torchrun", "accelerate", "deepspeed", "mpirun", "srun", "env")


def name_of(command: Sequence[str]) -> str:
    """Name a command by what it runs: its script, or else its program."""
    words = [word for word in command if not word.startswith("-") and "=" not in word]
    scripts = [word for word in words if PurePosixPath(word).suffix in {".py", ".sh"}]
    programs = [word for word in words if not PurePosixPath(word).name.startswith(_INTERPRETERS)]
    for chosen in (*scripts, *programs, *words, *command):
        return "".join(filter(str.isprintable, PurePosixPath(chosen).name))[: bounds.TEXT_MAX]
    return ""
