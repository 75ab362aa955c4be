"""What was handed in, by whom, and the jobs that it makes: for the engine and for the driver.

An array is kept once, however many jobs it makes.
"""

from __future__ import annotations

import os
from typing import Final

import msgspec

from noljima.drivers.local.spec import RunSpec
from noljima.model.job import Job
from noljima.model.resources import JobId
from noljima.service import naming
from noljima.submission.nouns import Submission

INDEX: Final = "NOLJIMA_ARRAY_INDEX"


class Handed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A submission with its name and its owner."""

    base: str
    """The name of its one job, or of the array."""
    user: str
    uid: int
    gid: int
    submission: Submission

    def jobs(self) -> tuple[JobId, ...]:
        """Name the jobs that it makes, in their order."""
        if not self.submission.array:
            return (JobId(self.base),)
        return tuple(naming.element(self.base, index) for index in self.submission.array)

    def job(self, job: JobId) -> Job:
        """Return one of its jobs as the engine wants to know it."""
        given = self.submission
        return Job(
            id=job,
            gang=given.gang,
            user=self.user,
            name=given.name,
            queue=given.queue,
            priority=given.priority,
            limit_s=given.limit_s,
            evictable=given.evictable,
            checkpoint=given.checkpoint,
        )

    def spec(self, job: JobId) -> RunSpec:
        """Return one of its jobs as the driver wants to know it; refuse what cannot be run."""
        given = self.submission
        environment = dict(given.environment)
        index = naming.index_of(job)
        if index is not None:
            environment[INDEX] = str(index)
        return RunSpec(
            job=job,
            gang=given.gang,
            folder=given.folder,
            argv=given.argv,
            script=given.script,
            environment=environment,
            # Who is not root runs jobs as oneself, whoever hands them in.
            uid=self.uid if os.geteuid() == 0 else None,
            limit_s=given.limit_s,
            restart_s=given.checkpoint.restart_s,
            checkpoint_grace_s=given.checkpoint_grace_s,
            stop_grace_s=given.stop_grace_s,
            log_bytes=given.log_bytes,
        )

    def encoded(self) -> bytes:
        """Return it as it is kept."""
        return msgspec.json.encode(self)


def read_handed(body: bytes) -> Handed:
    """Read what was kept."""
    return _handed.decode(body)


_handed: Final[msgspec.json.Decoder[Handed]] = msgspec.json.Decoder(Handed)
