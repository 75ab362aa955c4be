"""Files to write: whether they can be written is found out before the work, not after it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Hand out a name beside a file's own, and move what was written there when all is done.

    Where something else than a crash ends the block, nothing is left behind. What a crash has left
    is kept: it tells how it came about.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.{path.name}")
    try:
        yield draft
    except Exception:
        draft.replace(path)
        raise
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)


def _refusal(output: Output, taken: dict[Path, str]) -> str:
    """Say why an output cannot be; nothing where it can."""
    path = output.path
    try:
        if _where(path) in taken:
            return f"{taken[_where(path)]} already"
        if path.name == "-":
            return "is no file name; only --json can go to the standard output"
        if len(path.name.encode()) > _NAME_BYTES_MAX:
            return f"has a name of more than {_NAME_BYTES_MAX} bytes"
        if output.folder:
            path.mkdir(parents=True, exist_ok=True)
            return _trial(path)
        if path.is_dir():
            return "is a folder, not a file"
        if path.exists() and not path.is_file():
            return "is no ordinary file"
        path.parent.mkdir(parents=True, exist_ok=True)
        return _trial(path.parent)
    except FileExistsError:
        return "cannot be made (there is a file of that name)"
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    except ValueError:  # a NUL in it
        return "is no file name"


def _trial(folder: Path) -> str:
    """Make a file in the folder and take it away again: nothing else tells for certain."""
    trial = folder / f".{secrets.token_hex(8)}"
    trial.open("x").close()
    trial.unlink()
    return ""


def _where(path: Path) -> Path:
    return path.resolve()
