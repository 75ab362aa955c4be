"""Rectangles of the timeline: on the GPUs that jobs held, or on lanes of a pool; no two on one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.commands import Command, Start
from noljima.model.events import Event, Finished, NodeSeen, Submitted, Ticked
from noljima.model.job import Job
from noljima.model.node import Node
from noljima.model.placements import IN_POOL, Assignment, Placement
from noljima.model.resources import JobId, NodeId, Resources, gang_of
from noljima.report.page import lanes, window
from noljima.report.page.lanes import Chart, NodeLanes, Shelf
from noljima.report.record import RunRecord
from noljima.report.recorder import Recorder

X, Y = NodeId("x"), NodeId("y")


def a_run(
    *told: tuple[int, int, int, Placement], nodes: tuple[tuple[NodeId, int], ...] = ()
) -> RunRecord:
    """Record jobs of (start, length, GPU milli, placement), submitted at 0."""
    entries: list[tuple[int, int, list[Event], list[Command]]] = []
    for number, (start, length, milli, placement) in enumerate(told):
        name = JobId(str(number))
        whole = milli % 1000 == 0
        each = Resources(gpu_milli=1000 if whole and milli else milli)
        gang = gang_of(max(milli // 1000, 1) if whole else 1, each)
        entries.append((0, 1, [Submitted(at_s=0, job=Job(id=name, gang=gang))], []))
        entries.append((start, 2, [Ticked(at_s=start)], [Start(name, placement)]))
        entries.append((start + length, 0, [Finished(at_s=start + length, job=name)], []))
    recorder = Recorder()
    recorder.observe([NodeSeen(at_s=0, node=Node(id=name, gpus=gpus)) for name, gpus in nodes], [])
    for _, _, events, commands in sorted(entries, key=lambda entry: entry[:2]):
        recorder.observe(events, commands)
    return recorder.run(policy="p", estimates="e")


def every(run: RunRecord) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(len(run.segments), dtype=np.int64)


def rows_of(chart: Chart) -> list[tuple[int, int, int]]:
    columns = (chart.segment.tolist(), chart.top_milli.tolist(), chart.height_milli.tolist())
    return list(zip(*columns, strict=True))


def at(*workers: tuple[NodeId, tuple[int, ...]]) -> Placement:
    return Placement(tuple(Assignment(node, gpus) for node, gpus in workers))


def test_neighbouring_gpus_of_a_gang_are_one_rectangle() -> None:
    placement = at((X, (0, 1)), (X, (3,)), (Y, (0,)))
    run = a_run((0, 5, 4000, placement), nodes=((X, 4), (Y, 2)))
    chart = lanes.chart_of_nodes(run, every(run), [NodeLanes("x", 0, 4), NodeLanes("y", 4, 2)])

    assert rows_of(chart) == [(0, 0, 2000), (0, 3000, 2000)]


def test_fractions_of_one_gpu_lie_side_by_side_in_its_lane() -> None:
    on = at((X, (1,)))
    run = a_run((0, 9, 300, on), (0, 3, 500, on), (4, 3, 400, on), nodes=((X, 2),))
    chart = lanes.chart_of_nodes(run, every(run), [NodeLanes("x", 0, 2)])

    assert rows_of(chart) == [(0, 1000, 300), (1, 1300, 500), (2, 1300, 400)]


def test_a_node_that_only_a_placement_names_gets_lanes_too() -> None:
    told = lanes.node_lanes([Node(id=X, gpus=2)], [at((Y, (5,)), (X, (0,))), None])

    assert told == [NodeLanes("x", 0, 2), NodeLanes("y", 2, 6)]


def test_a_job_without_gpus_is_counted_and_not_drawn() -> None:
    on_node = a_run((0, 5, 0, at((X, ()))), nodes=((X, 2),))
    in_pool = a_run((0, 5, 0, IN_POOL))

    assert lanes.chart_of_nodes(on_node, every(on_node), [NodeLanes("x", 0, 2)]).unplaced == 1
    assert lanes.chart_of_pool(in_pool, every(in_pool), 2000).unplaced == 1


jobs_drawn = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 9), st.sampled_from([250, 500, 1000, 2000, 3000])),
    max_size=12,
)


@given(told=jobs_drawn)
def test_in_a_pool_every_job_has_all_its_lanes_and_shares_none(
    told: list[tuple[int, int, int]],
) -> None:
    run = a_run(*((*job, IN_POOL) for job in told))
    # Room for all at once: nobody may lack a lane.
    chart = lanes.chart_of_pool(run, every(run), max(sum(milli for _, _, milli in told), 1000))
    drawn = rows_of(chart)

    for segment, job in enumerate(run.segments.job.tolist()):
        heights = [height for row, _, height in drawn if row == segment]
        assert sum(heights) == run.jobs.gpu_milli[job]
    for (one, top, height), (other, other_top, other_height) in combinations(drawn, 2):
        apart = top + height <= other_top or other_top + other_height <= top
        begins, ends = run.segments.start_s, run.segments.end_s
        assert apart or ends[one] <= begins[other] or ends[other] <= begins[one]


def test_a_shelf_takes_the_lowest_gap_that_is_large_enough_or_else_pieces() -> None:
    shelf = Shelf(0, 10)
    first, second, third = shelf.take(3), shelf.take(4), shelf.take(3)
    shelf.give_back(first)
    shelf.give_back(third)

    assert (first, second, third) == ([(0, 3)], [(3, 4)], [(7, 3)])
    assert shelf.take(2) == [(0, 2)]
    assert shelf.take(4) == [(2, 1), (7, 3)]
    assert shelf.take(1) == []


def test_a_shelf_that_got_everything_back_is_whole_again() -> None:
    shelf = Shelf(5, 10)
    pieces = [shelf.take(2) for _ in range(5)]
    for piece in pieces[::2] + pieces[1::2]:
        shelf.give_back(piece)

    assert shelf.free == [(5, 10)]


def test_a_short_run_is_shown_whole() -> None:
    run = a_run((2, 5, 1000, IN_POOL))
    shown = window.bounded([run], window.whole([run]), segments_max=10)

    assert (shown.first_s, shown.last_s, shown.whole) == (0.0, 7.0, True)


def test_of_a_long_run_the_window_with_most_waiting_is_shown() -> None:
    # Job after job on one GPU; many wait at the beginning, nobody at the end.
    run = a_run(*((start, 5, 1000, IN_POOL) for start in range(0, 500, 5)))
    shown = window.bounded([run, run], window.whole([run]), segments_max=20)

    assert not shown.whole
    assert shown.first_s == 0.0
    assert 15 <= len(shown.rows(run)) <= 20


@given(told=jobs_drawn, most=st.integers(1, 12), fewer=st.integers(1, 12))
def test_a_window_holds_no_more_than_it_may_and_lies_within_the_one_around_it(
    told: list[tuple[int, int, int]], most: int, fewer: int
) -> None:
    run = a_run(*((*job, IN_POOL) for job in told))
    outer = window.bounded([run], window.whole([run]), segments_max=most)
    inner = window.readable([run], outer, segments=fewer)

    assert outer.first_s <= inner.first_s <= inner.last_s <= outer.last_s + 1e-9
    # Jobs that begin at one moment are shown together or not at all.
    ends_with = int(np.count_nonzero(run.segments.start_s == outer.last_s))
    running = int(np.count_nonzero(run.segments.start_s <= outer.first_s))
    assert len(outer.rows(run)) <= max(most, running) + ends_with


def test_the_first_view_has_some_length_where_all_jobs_start_at_one_moment() -> None:
    at_once = [(0, 500, 1000, IN_POOL) for _ in range(40)]
    after = [(start, 5, 1000, IN_POOL) for start in range(1, 100)]
    run = a_run(*at_once, *after)
    shown = window.readable([run], window.whole([run]), segments=10)

    assert shown.last_s - shown.first_s == 500 * 10 / 139
    assert shown.first_s == 0.0


def test_no_runs_or_empty_runs_have_a_window() -> None:
    for runs in ([], [a_run()]):
        everything = window.whole(runs)
        assert window.bounded(runs, everything, segments_max=10) == everything
