"""Text that is never shown: what an operator has entrusted to the scheduler."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Holds a text that no log, error or `repr` shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        """Say that there is one."""
        return "(hidden)"

    def __reduce__(self) -> NoReturn:
        """Go nowhere as bytes."""
        raise TypeError("a secret is not written down")

    def reveal(self) -> str:
        """Return the text, for the one who needs it."""
        return self._text
