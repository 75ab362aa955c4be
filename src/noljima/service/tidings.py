"""What owners are told of their jobs: notices for the outbox, made from a batch of events.

A notice's key is the job, what happened and which run it was, so that the same cause written twice
is one notice. Who wants to hear of what is for `notify` to say.
"""

from __future__ import annotations

from typing import Final

from noljima.model.resources import GPU
from noljima.notify.kinds import Kind
from noljima.notify.message import Message
from noljima.service.handed import Handed
from noljima.store.notices import Notice
from noljima.store.records import JobRecord
from noljima.store.writes import AddNotice

_WHY_MAX: Final = 400


def notice(
    kind: Kind, record: JobRecord, handed: Handed | None, at_s: float, **more: object
) -> AddNotice:
    """Return the notice of something that has happened to a job; `attempt` is a part of its key."""
    attempt = more.pop("attempt", 1)
    why = str(more.pop("why", ""))[:_WHY_MAX]
    message = Message(
        what=kind,
        job=record.job,
        at_s=at_s,
        user=record.user,
        name=record.name,
        why=why,
        gpus=-(-record.gpu_milli // GPU),
        where=", ".join(record.nodes[:3]),
        wanted=handed.submission.notify if handed is not None else (),
        **more,  # type: ignore[arg-type]  # fields of a message, which it checks
    )
    return AddNotice(
        Notice(
            key=f"{record.job}/{kind}/{attempt}",
            what=str(kind),
            job=record.job,
            to=record.user,
            body=message.encoded(),
        )
    )
