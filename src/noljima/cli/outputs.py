"""Files to write: whether they can be written is found out before the work, not after it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from noljima.cli.endings import fail

# A name may have 255 bytes, and writers put some characters before or behind it for a while.
_NAME_BYTES_MAX = 200


class Output(NamedTuple):
    """A file that an option asks for, or a folder."""

    option: str
    path: Path
    folder: bool = False


def refuse_unwritable(outputs: Sequence[Output], inputs: Sequence[Path]) -> None:
    """End the program where an output cannot be written; make the folders that are missing."""
    taken = {_where(path): "is read" for path in inputs}
    for output in outputs:
        words = _refusal(output, taken)
        if words:
            fail(f"{output.option}: {output.path} {words}")
        taken[_where(output.path)] = f"is what {output.option} writes"


def _refusal(output: Output, taken: Mapping[Path, str]) -> str:
    """Say why an output cannot be; nothing where it can."""
    try:
        words = _misfit(output, taken)
        if not words:
            folder = output.path if output.folder else output.path.parent
            folder.mkdir(parents=True, exist_ok=True)
            # Making a file there and taking it away again: nothing else tells for certain.
            trial = folder / f".{secrets.token_hex(8)}"
            trial.open("x").close()
            trial.unlink()
    except (FileExistsError, NotADirectoryError):
        return "cannot be written (a part of its path is a file)"
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    except ValueError:  # a NUL in it
        return "is no file name"
    return words


def _misfit(output: Output, taken: Mapping[Path, str]) -> str:
    path = output.path
    refusals = (
        (_where(path) in taken, f"{taken.get(_where(path))} already"),
        (path.name == "-", "is no file name; only --json can go to the standard output"),
        (len(path.name.encode()) > _NAME_BYTES_MAX, f"is longer than {_NAME_BYTES_MAX} bytes"),
        (path.is_dir() and not output.folder, "is a folder, not a file"),
        (path.is_file() and output.folder, "is a file, not a folder"),
        (path.exists() and not path.is_dir() and not path.is_file(), "is no ordinary file"),
    )
    return next((words for wrong, words in refusals if wrong), "")


def _where(path: Path) -> Path:
    # Unlike `Path.resolve` it has no trouble with links that lead in circles.
    return Path(os.path.realpath(path))
