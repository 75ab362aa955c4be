"""What a worker's samples say of it, and what is not said where numbers are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.health.facts import Sampled
from noljima.health.signs import LIFE, Sign, Worker
from noljima.model.resources import JobId

# A worker that does nothing, with everything there is to read, and a GPU that was never used.
NOTHING: Final[Mapping[str, float | int]] = {
    "cpu_s": 100.0,
    "read_bytes": 1e9,
    "written_bytes": 1e9,
    "network_bytes": 1e9,
    "pcie_bytes": 1e12,
    "nvlink_bytes": 1e12,
    "running": 0,
    "sleeping": 4,
    "blocked": 0,
    "stopped": 0,
    "gpu_w": 72.0,
    "gpu_idle_w": 70.0,
    "gpu_utilisation": 0.0,
    "gpu_sm_activity": 0.0,
}
# What stillness is judged by; that a process is not stopped needs no witness.
COUNTED: Final = [name for name in NOTHING if name not in ("running", "sleeping", "stopped")]
STOPPED: Final = {"sleeping": 0, "stopped": 4}
SPIN: Final = {"gpu_w": 120.0, "gpu_utilisation": 1.0, "gpu_sm_activity": 0.05}


def sample(at_s: float, changes: Mapping[str, float | int | None]) -> Sampled:
    return Sampled(at_s=at_s, job=JobId("a"), **{**NOTHING, **changes})  # type: ignore[arg-type]


def watched(
    *rounds: Mapping[str, float | int | None], gpus: bool = True, step_s: float = 10.0
) -> Worker:
    """Return a worker that was seen at full work once, and then in these rounds."""
    worker = Worker()
    for number, changes in enumerate(({"gpu_w": 450.0}, *rounds)):
        worker.told(
            sample(number * step_s, changes),
            number * step_s,
            gpus=gpus,
            at_work=number == 0,
            gap_s_max=60.0,
        )
    return worker


@pytest.mark.parametrize(
    ("changes", "sign"),
    [
        ({}, Sign.QUIET),
        ({"cpu_s": 100.2}, Sign.QUIET),  # two percent of a core
        ({"cpu_s": 100.4}, Sign.COMPUTING),
        ({"read_bytes": 1e9 + 50_000}, Sign.MOVING),
        ({"read_bytes": 1e9 + 30_000}, Sign.QUIET),
        ({"written_bytes": 1e9 + 50_000}, Sign.MOVING),
        ({"network_bytes": 1e9 + 50_000}, Sign.MOVING),
        ({"pcie_bytes": 1e12 + 2e7}, Sign.MOVING),
        ({"nvlink_bytes": 1e12 + 2e7}, Sign.MOVING),
        ({"pcie_bytes": 1e12 + 2e6}, Sign.QUIET),
        ({"gpu_w": 300.0, "gpu_utilisation": 0.9}, Sign.MOVING),
        ({"gpu_w": 110.0}, Sign.QUIET),  # an open context draws more than an idle GPU
        ({"gpu_w": 110.0, "gpu_utilisation": 0.3}, Sign.UNSEEN),
        (SPIN, Sign.SPINNING),
        ({**SPIN, "cpu_s": 110.0}, Sign.SPINNING),
        ({**SPIN, "gpu_sm_activity": 0.5}, Sign.MOVING),
        ({**SPIN, "gpu_w": 72.0}, Sign.SPINNING),
        ({"blocked": 1}, Sign.MOVING),
        (STOPPED, Sign.STOPPED),
        ({"sleeping": 0}, Sign.GONE),
        ({"sleeping": 1, "stopped": 3}, Sign.QUIET),
    ],
)
def test_each_sign_has_its_numbers(changes: Mapping[str, float | int | None], sign: Sign) -> None:
    worker = watched({}, changes)

    assert (worker.sign if worker.known_s == 20.0 else Sign.UNSEEN) is sign


@pytest.mark.parametrize(
    ("never", "cores", "sign"),
    [
        (("network_bytes",), 0.009, Sign.QUIET),
        (("network_bytes",), 0.02, Sign.UNSEEN),
        (("read_bytes", "written_bytes"), 0.02, Sign.UNSEEN),
        (("network_bytes", "read_bytes", "written_bytes"), 0.005, Sign.UNSEEN),
        (("network_bytes", "read_bytes", "written_bytes"), 0.001, Sign.QUIET),
        (("cpu_s",), 0.0, Sign.UNSEEN),
        (("gpu_w", "gpu_utilisation", "gpu_sm_activity"), 0.0, Sign.UNSEEN),
        (("gpu_w",), 0.0, Sign.QUIET),
        (("gpu_w", "gpu_sm_activity"), 0.0, Sign.QUIET),
        (("gpu_idle_w", "gpu_utilisation"), 0.0, Sign.QUIET),
        (("running",), 0.0, Sign.QUIET),
    ],
)
def test_what_can_never_be_read_raises_the_bar(
    never: tuple[str, ...], cores: float, sign: Sign
) -> None:
    without = dict.fromkeys(never)
    rounds = [{"cpu_s": 100.0 + cores * 10.0 * n, **without} for n in range(4)]
    worker = Worker()
    for number, changes in enumerate(rounds):
        told = sample(number * 10.0, changes)
        worker.told(told, number * 10.0, gpus=True, at_work=False, gap_s_max=60.0)

    assert worker.sign is sign


@pytest.mark.parametrize("name", COUNTED)
def test_a_metric_that_is_missing_now_makes_the_worker_unseen_and_is_no_zero(name: str) -> None:
    seen = watched({}, {})
    missed = watched({}, {}, {name: None}, {name: None})

    assert missed.still_s == seen.still_s
    assert missed.known_s == seen.known_s


@pytest.mark.parametrize("missing", ["gpu_w", "gpu_idle_w", "pcie_bytes"])
def test_a_spinning_worker_that_misses_a_metric_does_not_count_as_alive(missing: str) -> None:
    spinning = [{**SPIN, "cpu_s": 100.0 + 10.0 * n} for n in range(6)]
    worker = watched(*spinning, {**spinning[-1], "cpu_s": 170.0, missing: None})

    assert worker.sign is Sign.SPINNING
    assert worker.still_s == 60.0


def test_without_any_power_utilisation_gets_the_benefit_of_the_doubt() -> None:
    never = dict.fromkeys(("gpu_w", "gpu_idle_w", "gpu_sm_activity"))
    worker = Worker()
    for number in range(3):
        told = sample(number * 10.0, {**never, "gpu_utilisation": 1.0})
        worker.told(told, number * 10.0, gpus=True, at_work=False, gap_s_max=60.0)

    assert worker.sign is Sign.MOVING


def test_without_a_look_at_its_links_a_gpu_does_not_spin() -> None:
    never = dict.fromkeys(("pcie_bytes", "nvlink_bytes"))
    worker = Worker()
    for number in range(3):
        changes = {**SPIN, **never, "cpu_s": 100.0 + 10.0 * number}
        told = sample(number * 10.0, changes if number else {**changes, "gpu_w": 450.0})
        worker.told(told, number * 10.0, gpus=True, at_work=not number, gap_s_max=60.0)

    assert worker.sign is Sign.COMPUTING


def test_gpus_that_were_never_seen_at_work_are_not_said_to_spin() -> None:
    worker = Worker()
    for number in range(3):
        told = sample(number * 10.0, SPIN)
        worker.told(told, number * 10.0, gpus=True, at_work=False, gap_s_max=60.0)

    assert worker.sign is Sign.MOVING


def test_counters_that_begin_again_are_life() -> None:
    worker = watched({}, {}, {}, {"cpu_s": 0.0})

    assert worker.still_s == 0.0


def test_a_gap_is_not_counted_and_what_moved_in_it_is_life() -> None:
    quiet, busy = watched({}, {}, {}), watched({}, {}, {})
    for worker, cpu_s in ((quiet, 100.0), (busy, 160.0)):
        told = sample(630.0, {"cpu_s": cpu_s})
        worker.told(told, 30.0, gpus=True, at_work=False, gap_s_max=60.0)

    assert (quiet.still_s, quiet.life_s) == (30.0, None)
    assert (busy.still_s, busy.life_s) == (0.0, 30.0)


@pytest.mark.parametrize("at_s", [20.0, 5.0])
def test_a_sample_twice_or_from_before_says_nothing(at_s: float) -> None:
    worker = watched({}, {})
    before = (worker.sign, worker.still_s, worker.known_s)
    worker.told(sample(at_s, {"cpu_s": 500.0}), 20.0, gpus=True, at_work=False, gap_s_max=60.0)

    assert (worker.sign, worker.still_s, worker.known_s) == before


RATES = st.fixed_dictionaries(
    {
        "cpu_s": st.sampled_from([0.0, 0.01, 0.1, 1.0, 40.0]),
        "read_bytes": st.sampled_from([0.0, 1e3, 1e6]),
        "written_bytes": st.sampled_from([0.0, 1e3, 1e6]),
        "network_bytes": st.sampled_from([0.0, 1e3, 1e6]),
        "pcie_bytes": st.sampled_from([0.0, 1e6, 1e9]),
    }
)
GAUGES = st.fixed_dictionaries(
    {
        "gpu_w": st.sampled_from([70.0, 90.0, 130.0, 400.0]),
        "gpu_utilisation": st.sampled_from([0.0, 0.3, 1.0]),
        "gpu_sm_activity": st.sampled_from([0.0, 0.05, 0.6]),
        "blocked": st.sampled_from([0, 0, 0, 2]),
    }
)


@given(
    rounds=st.lists(st.tuples(RATES, GAUGES), min_size=1, max_size=12),
    lost=st.lists(st.sampled_from(COUNTED), max_size=4, unique=True),
    when=st.integers(0, 11),
)
def test_losing_metrics_never_makes_a_worker_stiller_than_zeros_would(
    rounds: list[tuple[dict[str, float], dict[str, float]]], lost: list[str], when: int
) -> None:
    totals = {name: float(NOTHING[name]) for name in rounds[0][0]}
    full, missing, zeros = Worker(), Worker(), Worker()
    first = sample(0.0, {})
    for worker in (full, missing, zeros):
        worker.told(first, 0.0, gpus=True, at_work=True, gap_s_max=60.0)
    for number, (rates, gauges) in enumerate(rounds, 1):
        at_s = number * 10.0
        for name, rate in rates.items():
            totals[name] += rate
        gone = lost if number > when else []
        frozen = {name: NOTHING[name] for name in gone}
        for worker, changes in (
            (full, {}),
            (missing, dict.fromkeys(gone)),
            (zeros, frozen),
        ):
            told = sample(at_s, {**totals, **gauges, **changes})
            worker.told(told, at_s, gpus=True, at_work=False, gap_s_max=60.0)

        # With numbers missing no time is counted against it that full numbers do not count; a
        # sign of life may be missed, and then the time stands still: it is never more than both.
        assert missing.still_s <= max(full.still_s, zeros.still_s, when * 10.0)
        if gone and missing.known_s == at_s:
            assert missing.sign in LIFE or missing.sign in {Sign.STOPPED, Sign.GONE}
