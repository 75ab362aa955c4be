"""The rows that `noljima calibrate` has written, one file for each GPU type."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic.device import plain
from noljima.prediction.analytic.gpus import Calibration

_BYTES_MAX: Final = 1 << 20
_FILES_MAX: Final = 1_000


def folder() -> Path:
    """Return where a user's rows lie, after the XDG base directory specification."""
    home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "share"
    return base / "noljima" / "gpus"


def path_of(calibration: Calibration) -> Path:
    """Return the file of a GPU type in the user's folder."""
    return folder() / f"{plain(calibration.device.name) or 'gpu'}.json"


def write(path: Path, calibration: Calibration) -> None:
    """Write a row; a file is never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    text = msgspec.json.format(msgspec.json.encode(calibration), indent=1)
    unfinished.write_bytes(text + b"\n")
    unfinished.replace(path)


def read(path: Path) -> Calibration:
    """Read a row, or refuse it in words."""
    with path.open("rb") as file:
        raw = file.read(_BYTES_MAX + 1)
    if len(raw) > _BYTES_MAX:
        raise InvalidFieldError("calibration", path.name, f"has more than {_BYTES_MAX:,} bytes")
    try:
        return msgspec.json.decode(raw, type=Calibration)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidFieldError("calibration", path.name, f"cannot be used: {error}") from None


def read_all(where: Path | None = None) -> list[Calibration]:
    """Read the user's rows; none where there is no such folder."""
    found = where or folder()
    if not found.is_dir():
        return []
    return [read(path) for path in sorted(found.glob("*.json"))[:_FILES_MAX]]
