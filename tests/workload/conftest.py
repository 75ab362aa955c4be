"""Files for the tests of the trace readers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

from noljima.model.events import Outcome
from noljima.model.job import NO_CHECKPOINT, Checkpoint, Job, Priority
from noljima.model.resources import Gang, Resources, TaskGroup
from noljima.workload.shape import shape
from noljima.workload.trace import Trace, TraceJob

WriteFile = Callable[..., Path]


@pytest.fixture(scope="session")
def write_file(tmp_path_factory: pytest.TempPathFactory) -> WriteFile:
    """Write text or bytes to a file and return its path.

    Of the session, because a property writes hundreds of files and looks at each only once.
    """
    folder = tmp_path_factory.mktemp("files")
    numbers = itertools.count()

    def write(content: str | bytes, ending: str = ".txt") -> Path:
        path = folder / f"file{next(numbers) % 8}{ending}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture(scope="session")
def traces() -> Path:
    """Find the real traces beside the checkout, or skip."""
    folder = Path(__file__).parents[3] / "shared" / "data" / "traces"
    if not folder.is_dir():
        pytest.skip(f"the real traces are not at {folder}")
    return folder


def texts(low: int = 0) -> st.SearchStrategy[str]:
    """Draw text that the model takes."""
    printable = st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"])
    return st.text(printable, min_size=low, max_size=12)


def groups() -> st.SearchStrategy[TaskGroup]:
    """Draw groups of workers, with whole GPUs, a fraction of one, or none."""
    each = st.builds(
        Resources,
        gpu_milli=st.integers(0, 1000) | st.integers(1, 64).map(lambda gpus: gpus * 1000),
        gpu_memory_mib=st.integers(0, 80_000),
        cpu_milli=st.integers(0, 96_000),
        memory_mib=st.integers(0, 1_000_000),
    )
    return st.builds(
        TaskGroup,
        workers=st.integers(1, 300),
        each=each,
        gpu_types=st.lists(texts(low=1), max_size=3).map(tuple),
        name=texts(low=1),
    )


def trace_jobs() -> st.SearchStrategy[TraceJob]:
    """Draw jobs with everything that a job can have."""
    seconds = st.floats(0, 1e10)
    checkpoint = st.builds(Checkpoint, interval_s=st.none() | seconds, restart_s=seconds)
    job = st.builds(
        Job,
        id=texts(low=1),
        gang=st.lists(groups(), min_size=1, max_size=3).map(lambda drawn: Gang(tuple(drawn)))
        | st.integers(1, 64).map(shape),
        user=texts(),
        name=texts(),
        queue=texts(),
        priority=st.sampled_from(Priority),
        limit_s=st.none() | seconds,
        evictable=st.none() | st.booleans(),
        checkpoint=st.just(NO_CHECKPOINT) | checkpoint,
    )
    run_s = st.floats(0, 1e10, exclude_min=True)
    return st.builds(TraceJob, seconds, run_s, job, st.sampled_from(Outcome))


def any_traces() -> st.SearchStrategy[Trace]:
    """Draw whole traces."""
    jobs = st.lists(trace_jobs(), max_size=6, unique_by=lambda job: job.job.id)
    return st.builds(
        Trace,
        name=texts(low=1),
        jobs=jobs.map(lambda drawn: tuple(sorted(drawn, key=lambda job: job.submit_s))),
        epoch_s=st.none() | st.floats(0, 1e10),
        gpus=st.none() | st.integers(1, 10_000),
    )


@pytest.fixture(scope="session")
def drawn_traces() -> st.SearchStrategy[Trace]:
    """Hand the strategy over: tests are no package, so they cannot import it from here."""
    return any_traces()
