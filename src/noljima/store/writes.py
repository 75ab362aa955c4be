"""What a row of the journal changes in the tables beside it.

The tables are what the rows make of them: written in the same transaction, and built anew from the
rows alone where they are lost.
"""

from __future__ import annotations

import msgspec

from noljima.store.notices import Notice
from noljima.store.records import JobRecord


class _Write(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of every change."""


class PutItem(_Write, frozen=True, tag=True, omit_defaults=True):
    """Keep bytes under a name on a shelf, in place of what was there."""

    shelf: str
    key: str
    body: bytes


class DropItem(_Write, frozen=True, tag=True, omit_defaults=True):
    """Take something off a shelf; nothing happens where it is not there."""

    shelf: str
    key: str


class PutRecord(_Write, frozen=True, tag=True, omit_defaults=True):
    """Write down how a job stands, in place of what was known of it."""

    record: JobRecord


class AddNotice(_Write, frozen=True, tag=True, omit_defaults=True):
    """Put a notice into the outbox, unless one with its key is or was there."""

    notice: Notice


class NoticeTried(_Write, frozen=True, tag=True, omit_defaults=True):
    """Note an attempt to send: an empty error means that it was sent."""

    key: str
    at_s: float
    error: str = ""


class DropNotices(_Write, frozen=True, tag=True, omit_defaults=True):
    """Forget the notices that were sent or given up before a time, with their keys."""

    before_s: float


Write = PutItem | DropItem | PutRecord | AddNotice | NoticeTried | DropNotices
