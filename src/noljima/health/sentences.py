"""What is said to people: what is seen of a job, what is done about it, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence

from noljima.health.findings import Act, Evidence, Rung
from noljima.model.reasons import duration


def verdict(
    rung: Rung,
    was: Rung,
    evidence: Sequence[Evidence],
    acts: Sequence[Act],
    grace_s: float,
    held_back: str,
) -> str:
    """Say where a job stands, and what keeps that from being acted on."""
    because = "; ".join(item.words for item in evidence)
    words = _standing(rung, was, because, acts, grace_s)
    return f"{words}. {held_back[:1].upper()}{held_back[1:]}" if held_back else words


def _standing(rung: Rung, was: Rung, because: str, acts: Sequence[Act], grace_s: float) -> str:
    match rung:
        case Rung.OK if was is Rung.OK:
            return "nothing speaks against it"
        case Rung.OK:
            return "it goes on again, and nothing speaks against it any more"
        case Rung.SUSPECT if was.height > rung.height:
            return f"less speaks against it than before, and it is still watched: {because}"
        case Rung.SUSPECT:
            return f"something may be wrong, and it is only watched: {because}"
        case Rung.STALLED:
            return f"it seems to be stuck: {because}{_asked(acts, grace_s)}"
        case Rung.END:
            return f"{_ended(acts)}: {because}"


def _asked(acts: Sequence[Act], grace_s: float) -> str:
    if Act.ASK_CHECKPOINT not in acts:
        return ""
    return (
        ". Its stacks are written down and it is asked to save its state; with two firm kinds of"
        f" evidence it is ended in {duration(grace_s)} unless it goes on"
    )


def _ended(acts: Sequence[Act]) -> str:
    if Act.END_REQUEUE in acts:
        return "it is ended and goes back to its place in the line, to go on from its checkpoint"
    if Act.END_FAIL in acts:
        return "it is ended, and not started again by itself"
    return "it would be ended"
