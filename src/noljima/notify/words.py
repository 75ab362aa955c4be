"""The words of a message: a subject, and a few lines that say what, why and what next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Final, NamedTuple

from noljima.notify.kinds import Kind
from noljima.notify.message import REASON_CHARACTERS_MAX, Message


class Text(NamedTuple):
    """A message in words."""

    subject: str
    body: str


_HAPPENED: Final[Mapping[Kind, str]] = {
    Kind.ACCEPTED: "was accepted",
    Kind.STARTED: "has started",
    Kind.FINISHED: "has finished",
    Kind.FAILED: "has failed",
    Kind.EVICTED: "made way for another job and waits again",
    Kind.SUSPECTED: "seems to hang",
    Kind.ENDED: "hung and was ended",
    Kind.PROMISE_MISSED: "has not started by the promised time",
}

_NEXT: Final[Mapping[Kind, str]] = {
    Kind.ACCEPTED: "`noljima why {job}` says what it waits for.",
    Kind.STARTED: "`noljima logs {job}` shows its output.",
    Kind.FINISHED: "`noljima logs {job}` shows its output.",
    Kind.FAILED: "`noljima logs {job}` shows its output; it is not started again.",
    Kind.EVICTED: "Nothing has to be done: it keeps its place in the queue and starts again.",
    Kind.SUSPECTED: "Look at it with `noljima logs {job}`; where it still hangs, it will be ended.",
    Kind.ENDED: "`noljima show {job}` has the evidence, `noljima logs {job}` its output.",
    Kind.PROMISE_MISSED: "`noljima why {job}` says what it waits for now.",
}


def worded(message: Message, zone: tzinfo | None = None) -> Text:
    """Say a message in words; times are those of a zone, or of the machine where none is given."""
    job = f"Job {message.job}" + (f" ({message.name})" if message.name else "")
    happened = _HAPPENED[message.what]
    whose = f" of {message.user}" if message.user else ""
    sentence = f"{job}{whose} {happened}: {_moment(message.at_s, zone)}."
    next_step = message.next_step or _NEXT[message.what].format(job=message.job)
    lines = [sentence, *_details(message, zone), f"Next: {_one_line(next_step)}"]
    return Text(_one_line(f"{job} {happened}"), "\n".join(lines))


def _details(message: Message, zone: tzinfo | None) -> list[str]:
    """Say what is known besides, a line for each thing."""
    lines: list[str] = []
    if message.why:
        lines.append(f"Why: {_one_line(message.why)}")
    if message.gpus or message.where:
        gpus = f"{message.gpus} GPU{'s' * (message.gpus != 1)}" if message.gpus else ""
        where = f"on {_one_line(message.where)}" if message.where else ""
        lines.append(f"Where: {gpus}{' ' * bool(gpus and where)}{where}")
    if message.start_s is not None:
        lines.append(f"Expected to start: {_moment(message.start_s, zone)}")
    if message.by_s is not None:
        told = "It was promised by" if message.what is Kind.PROMISE_MISSED else "Promised by"
        lines.append(f"{told}: {_moment(message.by_s, zone)}")
    if message.ran_s is not None:
        lines.append(f"It ran for {duration(message.ran_s)}.")
    if message.saved_s is not None:
        saved = f"{duration(message.saved_s)} of work" if message.saved_s > 0 else "nothing"
        lines.append(f"Saved: {saved}")
    return lines


def duration(seconds: float) -> str:
    """Say how long something is, in its two largest units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def _moment(at_s: float, zone: tzinfo | None) -> str:
    moment = datetime.fromtimestamp(at_s, UTC).astimezone(zone)
    return f"{moment.year}-{moment.month:02}-{moment.day:02} {moment:%H:%M} {moment.tzname()}"


def _one_line(text: str) -> str:
    """Put a reason on one line: a job's own output must not look like lines of ours."""
    line = " ".join(text.split())
    kept = line if len(line) <= REASON_CHARACTERS_MAX else line[: REASON_CHARACTERS_MAX - 1] + "…"
    return "".join(character for character in kept if character.isprintable())
