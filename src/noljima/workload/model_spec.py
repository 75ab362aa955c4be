"""Declared training jobs from TOML or JSON files, refused in words.

A spec may leave its model to a second file, which `noljima profile` writes: `model.file` names it,
relative to the spec.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic.spec import Model, Training

_BYTES_MAX: Final = 1 << 23


def read_training(path: Path) -> Training:
    """Read a declared training job; what is unknown, misspelt or out of bounds is refused."""
    found = _read(path)
    model = found.get("model")
    if isinstance(model, dict) and "file" in model:
        found["model"] = _model_of(path, model)
    try:
        return msgspec.convert(found, Training)
    except msgspec.ValidationError as error:
        raise InvalidFieldError("spec", path.name, f"cannot be used: {error}") from None


def model_json(model: Model) -> bytes:
    """Return a model as `model.file` takes it."""
    return msgspec.json.format(msgspec.json.encode(model), indent=1) + b"\n"


def _model_of(path: Path, model: Mapping[str, object]) -> Mapping[str, object]:
    name = model["file"]
    if not isinstance(name, str) or len(model) > 1:
        raise InvalidFieldError("model.file", name, "has to be a file name and all of the model")
    return _read(path.parent / name)


def _read(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        raw = file.read(_BYTES_MAX + 1)
    if len(raw) > _BYTES_MAX:
        raise InvalidFieldError("spec", path.name, f"has more than {_BYTES_MAX:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidFieldError("spec", path.name, f"cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise InvalidFieldError("spec", path.name, "is not a table of fields")
    return found
