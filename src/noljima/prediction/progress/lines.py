r"""What a program writes to a terminal, cut into lines, whatever it is and however long.

Progress bars overwrite themselves: with carriage returns (tqdm), backspaces (Keras) or by moving
the cursor (rich). Each of these ends a line here. Colours are taken out. A line that is longer than
`LINE_BYTES_MAX` is dropped whole, so that no output can make the reader keep more than that.
"""

from __future__ import annotations

import re
from typing import Final

LINE_BYTES_MAX: Final = 4096
# Control characters but tab, and all CSI sequences but colours ("m"): ECMA-48, 5.4. They are much
# shorter in earnest; the bound is what may have to be kept from one piece to the next.
_CSI: Final = rb"\x1b\[[0-?]{0,24}[ -/]{0,4}"
_BREAK: Final = re.compile(rb"(?:[\n\r\x08\x0b\x0c\x07\x00]|" + _CSI + rb"[@-ln-~])+")
_COLOUR: Final = re.compile(_CSI + rb"m|\x1b(?:[()*+][ -~]|[^\[])?")
_UNFINISHED: Final = re.compile(rb"\x1b\Z|" + _CSI + rb"\Z")
_ESCAPE_BYTES_MAX: Final = 30


class Lines:
    """Takes output as it comes, in pieces cut anywhere, and gives back its lines."""

    def __init__(self, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._line_bytes_max = line_bytes_max
        self._line = bytearray()
        self._too_long = False
        # The beginning of an escape sequence at the end of the last piece.
        self._escape = b""

    def feed(self, chunk: bytes | str) -> list[str]:
        """Return the lines that this piece has completed, without empty ones."""
        if isinstance(chunk, str):
            chunk = chunk.encode(errors="replace")
        data = self._escape + chunk
        self._escape = b""
        # Only at the very end, so that the search does not go through it all once more.
        tail = _UNFINISHED.search(data, max(len(data) - _ESCAPE_BYTES_MAX, 0))
        if tail is not None:
            self._escape = tail[0]
            data = data[: tail.start()]
        whole: list[str] = []
        first = 0
        for end in _BREAK.finditer(data):
            self._add(data[first : end.start()])
            self._end_line(whole)
            first = end.end()
        self._add(data[first:])
        return whole

    def _add(self, part: bytes) -> None:
        if self._too_long or len(self._line) + len(part) > self._line_bytes_max:
            self._too_long = True
            self._line.clear()
        else:
            self._line += part

    def _end_line(self, whole: list[str]) -> None:
        if self._line and not self._too_long:
            line = bytes(self._line)
            if b"\x1b" in line:
                line = _COLOUR.sub(b"", line)
            words = line.decode(errors="replace").strip()
            if words:
                whole.append(words)
        self._line.clear()
        self._too_long = False
