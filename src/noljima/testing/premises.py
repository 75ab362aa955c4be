"""A whole scheduler in a process of its own, for tests: brought up, asked, killed, and again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from noljima.control.client import Client, NoSchedulerError, socket_path
from noljima.control.messages import (
    Accepted,
    Answered,
    Asked,
    Hello,
    History,
    JobRow,
    JobRows,
    Jobs,
    Submit,
)
from noljima.model.resources import GPU, Resources, gang_of
from noljima.submission.nouns import Submission
from noljima.testing.workshop import Workshop

PATIENCE_S: Final = 60.0
_LOOK_S: Final = 0.02
T = TypeVar("T", bound=Answered)


class Premises:
    """A state folder, and the scheduler that is up on it."""

    def __init__(self, root: Path, *, gpus: int = 8) -> None:
        self.root = root
        self.state = root / "state"
        self.client = Client(socket_path(self.state))
        self.gpus = gpus
        self.process: subprocess.Popen[bytes] | None = None
        self.log = root / "log"

    def up(self, *options: str, moment: str = "", wait: bool = True) -> None:
        """Bring a scheduler up; with a moment, one that dies there."""
        assert self.process is None
        module = ["noljima.testing.mortal", moment] if moment else ["noljima", "up"]
        known = ["--state", str(self.state), "--gpus", str(self.gpus)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", *module, *known, *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        if wait:
            self.until(self.is_up)

    def is_up(self) -> bool:
        """Say whether it answers; fail where it has ended over something."""
        if self.has_died():
            return True
        try:
            self.client.ask(Hello())
        except NoSchedulerError:
            return False
        return True

    def has_died(self) -> bool:
        """Say whether it was killed; fail where it has ended in another way."""
        assert self.process is not None
        code = self.process.poll()
        assert code in {None, -signal.SIGKILL}, self.log.read_text()
        return code is not None

    def kill(self) -> None:
        """Kill it at once, or take note that it is dead."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def down(self) -> None:
        """End it in good order."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0, self.log.read_text()
        self.process = None

    # --- Asking ---

    def ask(self, question: Asked, kind: type[T]) -> T:
        """Ask, and return the answer of the kind that is expected."""
        answer = self.client.ask(question)
        assert isinstance(answer, kind), answer
        return answer

    def submit(self, *submissions: Submission, key: str = "") -> tuple[JobRow, ...]:
        """Hand jobs in."""
        return self.ask(Submit(submissions=submissions, key=key), Accepted).rows

    def shell(self, text: str, workers: int = 1, **fields: object) -> Submission:
        """Describe a job that is a few lines of shell, with one GPU for each worker."""
        gpu_milli = int(str(fields.pop("gpu_milli", GPU)))
        given = {
            "gang": gang_of(workers, Resources(gpu_milli=gpu_milli)),
            "folder": str(self.root),
            "argv": ("/bin/sh", "-c", text),
            "limit_s": 1000.0,
            "checkpoint_grace_s": 0.0,
            "stop_grace_s": 2.0,
        }
        return Submission(**(given | fields))  # type: ignore[arg-type]  # checked as it is made

    def rows(self) -> dict[str, JobRow]:
        """Return the jobs that have not ended, by name."""
        return {row.job: row for row in self.ask(Jobs(), JobRows).rows}

    def history(self) -> dict[str, JobRow]:
        """Return the jobs that have ended, by name."""
        return {row.job: row for row in self.ask(History(limit=10_000), JobRows).rows}

    def states(self) -> dict[str, str]:
        """Return where every job stands or how it ended, by name."""
        return {job: row.state for job, row in (self.history() | self.rows()).items()}

    def until(self, happened: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait for what another process does."""
        end_s = time.monotonic() + patience_s
        while not happened():
            assert time.monotonic() < end_s, self.log.read_text()
            time.sleep(_LOOK_S)

    def until_ended(self, *jobs: str) -> dict[str, JobRow]:
        """Wait for jobs to end, and return all that have."""
        self.until(lambda: not set(jobs) & set(self.rows()))
        return self.history()

    def until_state(self, job: str, state: str) -> JobRow:
        """Wait for a job that has not ended to be in a state."""
        self.until(lambda: (self.rows().get(job) or _NOBODY).state == state)
        return self.rows()[job]


_NOBODY: Final = JobRow(job="", state="", submitted_s=0.0)


@contextlib.contextmanager
def premises(*, gpus: int = 8) -> Iterator[Premises]:
    """Give premises, with nothing left of them and of their jobs afterwards."""
    # Not below pytest's own folder, which other users cannot go through.
    root = Path(tempfile.mkdtemp(prefix="noljima-test-", dir="/tmp"))
    root.chmod(0o755)
    made = Premises(root, gpus=gpus)
    try:
        yield made
    finally:
        if made.process is not None:
            made.kill()
        workshop = Workshop(made.state, cgroups=True)
        workshop.clear()
        shutil.rmtree(root, ignore_errors=True)


def alive(pid: int) -> bool:
    """Say whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
