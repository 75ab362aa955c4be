"""Contents that are too large for a row: files whose digest is in the journal.

A new content is whole on the disk before a row names it, and an old one is removed after that row
is committed. So what a row names is there, and a file that no row names is one that a crash left.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

import msgspec

from noljima.store.chain import UNDECODABLE
from noljima.store.faults import Fault, StateError, damaged
from noljima.store.folder import Folder, told, write_whole

SHELF: Final = "kept"
"""The shelf whose items name what is in the vault."""
_NAME: Final = re.compile("[a-z][a-z0-9-]{0,63}")


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the journal knows of a content."""

    digest: str
    size_bytes: int
    sequence: int
    """The last row of the journal when it was handed over."""
    label: str = ""
    """Whatever tells its owner whether it is still of use."""


def digest_of(content: bytes) -> str:
    """Return what a content is recognised by."""
    return sha256(content).hexdigest()


def checked_name(name: str) -> str:
    """Refuse what would be no plain file's name."""
    if _NAME.fullmatch(name) is None:
        words = f"{name[:80]!r} is no name for what is kept: small letters, digits and hyphens"
        raise StateError(Fault.REFUSED, "kept", words)
    return name


def store(folder: Folder, name: str, content: bytes) -> str:
    """Write a content down and return its digest."""
    digest = digest_of(content)
    with told(folder.vault, "written"):
        folder.vault.mkdir(mode=0o700, exist_ok=True)
        write_whole(folder.vault / _file(name, digest), content)
    return digest


def fetch(folder: Folder, name: str, kept: Kept) -> bytes:
    """Read a content back, and refuse it where it is not what was handed over."""
    path = folder.vault / _file(checked_name(name), kept.digest)
    with told(path, "read"):
        content = path.read_bytes()
    if digest_of(content) != kept.digest:
        raise damaged(path, "is not as it was written")
    return content


def sweep(folder: Folder, named: dict[str, Kept]) -> None:
    """Remove the files that no row names."""
    wanted = {_file(name, kept.digest) for name, kept in named.items()}
    if folder.vault.is_dir():
        for path in folder.vault.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)


def read_kept(body: bytes) -> Kept:
    """Read what an item says of a content."""
    try:
        return msgspec.json.decode(body, type=Kept)
    except UNDECODABLE as error:
        raise damaged(SHELF, f"an item is none ({error})") from None


def _file(name: str, digest: str) -> str:
    return f"{name}.{digest[:32]}"
