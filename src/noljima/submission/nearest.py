"""Did you mean: the known word that is nearest to one that is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def meant(word: str, known: Iterable[str]) -> str:
    """Write a question after the nearest known word, or what is known where none is near."""
    import difflib  # noqa: PLC0415 - only where something is misspelt

    known = tuple(known)
    near = difflib.get_close_matches(word[:64].lower(), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known are {listed(known)}"


def listed(words: Sequence[str]) -> str:
    """Write words as a list in a sentence: a, b and c."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
