"""Which jobs a question means, and whether who asks may do that to them."""

from __future__ import annotations

from collections.abc import Iterable

from noljima.control.askers import Asker
from noljima.control.messages import Why
from noljima.control.server import RefusalError
from noljima.model.resources import JobId
from noljima.service import naming
from noljima.service.office import Office


class Meant:
    """The jobs that names stand for, and in words which of them are out of reach."""

    def __init__(self) -> None:
        self.jobs: list[JobId] = []
        self.refused: list[str] = []
        self.whys: list[Why] = []
        """What kind of refusal each of them is."""

    def refuse(self, why: Why, words: str) -> None:
        """Note that one of them is out of reach."""
        self.refused.append(words)
        self.whys.append(why)


def jobs_named(office: Office, names: Iterable[str]) -> tuple[list[JobId], list[str]]:
    """Return the jobs that have not ended under these names, and the names that are nobody's."""
    jobs: dict[JobId, None] = {}
    unknown: list[str] = []
    for name in names:
        found = unended(office, name)
        if not found:
            unknown.append(name)
        jobs |= dict.fromkeys(found)
    return list(jobs), unknown


def unended(office: Office, name: str) -> list[JobId]:
    """Return the jobs of this name that have not ended: one, or those of an array."""
    tickets = office.engine.tickets
    if name in tickets:
        return [JobId(name)]
    handed = office.ledger.handed.get(name)
    if handed is None:
        return []
    return [job for job in handed.jobs() if job in tickets]


def theirs(office: Office, asker: Asker, names: Iterable[str]) -> Meant:
    """Return the jobs of these names that the asker may change."""
    meant = Meant()
    jobs, unknown = jobs_named(office, names)
    for name in unknown:
        words = absent(office, name)
        meant.refuse(Why.UNKNOWN if words.startswith("there is no job") else Why.BAD, words)
    for job in jobs:
        user = office.engine.tickets[job].job.user
        if may(asker, user):
            meant.jobs.append(job)
        else:
            meant.refuse(Why.FORBIDDEN, f"job {job} is {user}'s")
    return meant


def absent(office: Office, name: str) -> str:
    """Say why a name stands for no job that could be changed."""
    if name in office.ledger.records:
        return f"job {name} is just ending"
    record = office.reader.record(name) if naming.plausible(name) else None
    if record is not None:
        return f"job {name} has ended: {record.state}"
    return f"there is no job {name[:64]}"


def may(asker: Asker, user: str) -> bool:
    """Say whether who asks may change a job of this user, or read its output."""
    return asker.operator or asker.user == user


def operators_only(asker: Asker, office: Office, what: str) -> None:
    """Refuse what only operators may do."""
    if not asker.operator:
        group = office.settings.operators
        who = f"root and the members of group {group}" if group else "root"
        raise RefusalError(Why.FORBIDDEN, f"{what} is for operators: {who}")
