"""How fast a running scheduler takes jobs, starts them and fills what comes free.

`python -m bench.service` brings a scheduler up with virtual GPUs, real processes, a real socket and
a state on the disk of the temporary folder. What it shows depends on the machine: the first line
says how long a small write takes to be on its disk, and how busy the machine is beside.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from noljima.submission.nouns import Submission
from noljima.testing.premises import Premises, premises

STAMP = "date +%s.%N >> {file}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.service", description=__doc__)
    parser.add_argument("--waiting", type=int, default=1000, help="jobs that wait meanwhile")
    parser.add_argument("--times", type=int, default=40, help="starts for each figure")
    parser.add_argument("--seconds", type=float, default=10.0, help="of submissions")
    given = parser.parse_args(arguments)
    _machine()
    with premises(gpus=8) as made:
        made.up()
        _starts(made, "nobody waits", given.times)
        _fill(made, given.waiting)
        _starts(made, f"{given.waiting:,} jobs wait", given.times)
        _questions(made)
        _submissions(made, given.seconds)
    with premises(gpus=1) as made:
        made.up()
        _turns(made, given.times)
    return 0


def _say(what: str, figure: str) -> None:
    print(f"{what:58} {figure}", flush=True)


def _machine() -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "file"
        file = os.open(path, os.O_WRONLY | os.O_CREAT)

        def write() -> None:
            os.write(file, b"x" * 4096)
            os.fsync(file)

        found = [_timed(write) for _ in range(50)]
        os.close(file)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    _say("write 4 kB and see it on the disk", f"{_spread(found)}; {load}")


def _timed(action: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    action()
    return time.perf_counter() - began_s


def _spread(seconds: Sequence[float]) -> str:
    tenths = statistics.quantiles(seconds, n=10)
    middle = 1e3 * statistics.median(seconds)
    return f"median {middle:,.1f} ms, tenths {1e3 * tenths[0]:,.1f} to {1e3 * tenths[-1]:,.1f}"


def _fill(made: Premises, waiting: int) -> None:
    """Occupy seven GPUs for good, and let jobs wait that need all eight."""
    long = made.shell("sleep 3600", 7, evictable=False)
    (row,) = made.submit(long)
    made.until_state(row.job, "running")
    began_s = time.perf_counter()
    wide = [made.shell("true", 8, evictable=False, name=f"wide-{n}") for n in range(50)]
    for _ in range(waiting // len(wide)):
        made.submit(*wide)
    took_s = time.perf_counter() - began_s
    _say(f"hand in {waiting:,} jobs, {len(wide)} at a time", f"{waiting / took_s:,.0f} a second")


def _starts(made: Premises, when: str, times: int) -> None:
    """Time from the question to the job's own first word."""
    taken: list[float] = []
    acknowledged: list[float] = []
    for number in range(times):
        file = made.root / f"start-{when.replace(' ', '-')}-{number}"
        job = made.shell(STAMP.format(file=file), evictable=True)
        began_s = time.clock_gettime(time.CLOCK_REALTIME)
        (row,) = made.submit(job)
        acknowledged.append(time.clock_gettime(time.CLOCK_REALTIME) - began_s)
        made.until(lambda file=file: file.exists() and file.read_text() != "")  # type: ignore[misc]
        taken.append(float(file.read_text()) - began_s)
        made.until(lambda job=row.job: job not in made.rows())  # type: ignore[misc]
    _say(f"submit to acknowledged, {when}", _spread(acknowledged))
    _say(f"submit to the job's own first word, {when}", _spread(taken))


def _questions(made: Premises) -> None:
    """Time to list everything, reasons included."""
    found: list[float] = []
    for _ in range(10):
        # Who asks without a pause is made to wait; that is not what is measured here.
        time.sleep(0.5)
        found.append(_timed(made.rows))
    _say("list all jobs with their reasons", _spread(found))


def _submissions(made: Premises, seconds: float) -> None:
    """Submissions of single jobs by eight at the same time, for some seconds."""
    end_s = time.monotonic() + seconds
    counts: list[int] = []
    taken: list[float] = []

    def hand_in(number: int) -> None:
        job = made.shell("true", 8, evictable=False, name=f"flood-{number}")
        count = 0
        while time.monotonic() < end_s:
            taken.append(_timed(lambda: made.submit(job)))
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=hand_in, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _say("submissions, 8 at a time", f"{sum(counts) / seconds:,.0f} a second; {_spread(taken)}")


def _turns(made: Premises, times: int) -> None:
    """Time from a job's last word to the next one's first, on one GPU."""
    file = made.root / "turns"
    text = f"{STAMP.format(file=file)}; sleep 0.05; {STAMP.format(file=file)}"
    jobs: list[Submission] = [made.shell(text, evictable=False) for _ in range(times)]
    rows = made.submit(*jobs)
    made.until_ended(*(row.job for row in rows))
    stamps = [float(line) for line in file.read_text().split()]
    gaps = [begin - end for end, begin in zip(stamps[1:-1:2], stamps[2::2], strict=True)]
    _say("a job's last word to the next one's first", _spread(gaps))


if __name__ == "__main__":
    sys.exit(main())
