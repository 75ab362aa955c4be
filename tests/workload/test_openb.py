"""openb lists: what is read, what is refused and with which words, and how pods are resampled."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.model.bounds import InvalidFieldError
from noljima.model.resources import GPU, Gang, Resources, gang_of
from noljima.workload import openb
from noljima.workload.files import TraceError
from noljima.workload.openb import read_nodes, read_pods, resampled, shuffled

WriteFile = Callable[..., Path]

NODES = """\
sn,cpu_milli,memory_mib,gpu,model
node-0,64000,262144,2,P100
node-1,96000,393216,8,G2
"""
PODS = """\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec
pod-0,12000,16384,1,1000,
pod-1,6000,12288,1,460,V100M16|V100M32
pod-2,8000,1024,0,0,
pod-3,88000,300000,8,1000,
"""


def test_nodes_are_read_with_what_they_have(write_file: WriteFile) -> None:
    first, second = read_nodes(write_file(NODES))

    assert (first.id, first.gpus, first.gpu_type) == ("node-0", 2, "P100")
    assert (second.cpu_milli, second.memory_mib) == (96_000, 393_216)


def test_pods_are_gangs_of_one_worker(write_file: WriteFile) -> None:
    whole, part, none, eight = read_pods(write_file(PODS))

    assert whole.groups[0].each == Resources(gpu_milli=1000, cpu_milli=12_000, memory_mib=16_384)
    assert part.groups[0].each.gpu_milli == 460
    assert part.groups[0].gpu_types == ("V100M16", "V100M32")
    assert none.gpu_milli == 0
    assert eight.gpu_milli == 8 * GPU


def test_columns_may_stand_in_any_order_and_the_file_may_be_packed(write_file: WriteFile) -> None:
    text = "gpu_milli,num_gpu,more,name,memory_mib,cpu_milli\n500,1,x,p,1,2\n"
    packed = gzip.compress(text.encode())

    assert read_pods(write_file(packed, ".gz")).items == read_pods(write_file(text)).items


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("p,1,1,1", "row: 4 is not the 5 fields of line 1"),
        ("p,-1,1,1,500", "cpu_milli: '-1' is not a whole number of 0 or more"),
        ("p,1,x,1,500", "memory_mib: 'x' is not a whole number of 0 or more"),
        ("p,1,1,1,1001", "gpu_milli: 1001 is outside 0 to 1,000"),
        ("p,1,1,2,500", "gpu_milli: 500 is not 1000 for each of 2 GPUs"),
        ("p,1,1,9000000,1000", "num_gpu: 9000000 is outside 0 to 1,000,000"),
        ("p,1,1,\u0663,1000", "num_gpu: '\u0663' is not a whole number of 0 or more"),
        ("p,1,9999999999,1,1000", "memory_mib: 9999999999 is outside 0 to 1,000,000,000"),
    ],
)
def test_a_bad_row_is_left_out_and_told_with_its_line(
    write_file: WriteFile, row: str, words: str
) -> None:
    good = "p,1,1,1,500"
    path = write_file(f"name,cpu_milli,memory_mib,num_gpu,gpu_milli\n{good}\n{row}\n")

    listing = read_pods(path)

    assert len(listing.items) == 1
    assert listing.problem_count == 1
    assert [(problem.line, problem.words) for problem in listing.problems] == [(3, words)]
    with pytest.raises(TraceError, match="line 3: ") as refused:
        read_pods(path, strict=True)
    assert refused.value.words == words


def test_a_second_node_of_a_name_is_refused(write_file: WriteFile) -> None:
    listing = read_nodes(write_file(NODES + "node-0,1,1,1,x\n"))

    assert len(listing.items) == 2
    assert listing.problems[0].words == "sn: 'node-0' is the name of an earlier node"


def test_a_node_has_at_most_64_gpus(write_file: WriteFile) -> None:
    listing = read_nodes(write_file(NODES + "node-9,1,1,65,x\n"))

    assert listing.problems[0].words == "gpu: 65 is outside 0 to 64"


def test_a_file_of_something_else_is_refused_in_a_sentence(write_file: WriteFile) -> None:
    with pytest.raises(TraceError, match="line 1: has no column sn, gpu, model"):
        read_nodes(write_file(PODS))
    with pytest.raises(TraceError, match="has no row that could be used"):
        read_nodes(write_file("sn,cpu_milli,memory_mib,gpu,model\nbad\n"))


@given(st.text(max_size=60), st.booleans())
def test_no_text_ends_in_anything_but_a_sentence(
    write_file: WriteFile,
    text: str,
    strict: bool,  # noqa: FBT001 - drawn
) -> None:
    header = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n"
    try:
        listing = read_pods(write_file((header + text).encode(errors="replace")), strict=strict)
    except TraceError:
        return

    assert len(listing.items) + listing.problem_count <= text.count("\n") + 1


def test_shuffled_nodes_are_the_same_nodes_in_an_order_by_the_seed(write_file: WriteFile) -> None:
    rows = "".join(f"n{number},{number},1,1,x\n" for number in range(30))
    nodes = read_nodes(write_file(NODES + rows)).items
    one, again, other = shuffled(nodes, 1), shuffled(nodes, 1), shuffled(nodes, 2)

    assert one == again != other
    assert [node.id for node in one] == sorted(node.id for node in one)
    assert {node.id[7:] for node in one} == {node.id for node in nodes}
    assert sorted(node.cpu_milli for node in one) == sorted(node.cpu_milli for node in nodes)


PODS_OF_ANY_SIZE = st.lists(
    st.sampled_from([0, 300, 500, GPU, 8 * GPU]).map(
        lambda milli: gang_of(1, Resources(gpu_milli=milli))
    ),
    min_size=1,
    max_size=20,
).filter(lambda pods: any(pod.gpu_milli for pod in pods))


@given(PODS_OF_ANY_SIZE, st.integers(0, 40_000), st.integers(0, 99))
def test_resampled_pods_ask_for_the_amount_from_below(
    pods: list[Gang], gpu_milli: int, seed: int
) -> None:
    arriving = resampled(pods, gpu_milli, seed)

    asked = sum(pod.gpu_milli for pod in arriving)
    assert asked <= gpu_milli
    assert set(arriving) <= set(pods)
    assert arriving == resampled(pods, gpu_milli, seed)
    if asked >= sum(pod.gpu_milli for pod in pods):
        # Every pod comes once before any comes twice, and more follow until one is too much.
        assert Counter(arriving[: len(pods)]) == Counter(pods)
        assert asked + max(pod.gpu_milli for pod in pods) > gpu_milli


def test_more_pods_than_tell_anything_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openb, "PODS_MAX", 10)

    with pytest.raises(InvalidFieldError, match="takes more than 10 pods"):
        resampled([gang_of(1, Resources(gpu_milli=1))], 1000, 1)


@pytest.mark.traces
def test_the_real_lists_are_read_whole(traces: Path) -> None:
    nodes = read_nodes(traces / "openb_node_list_gpu_node.csv.gz", strict=True)
    pods = read_pods(traces / "openb_pod_list_default.csv.gz", strict=True)
    many = read_pods(traces / "openb_pod_list_multigpu50.csv.gz", strict=True)

    assert (len(nodes.items), sum(node.gpus for node in nodes)) == (1213, 6212)
    assert (len(pods.items), len(many.items)) == (8152, 9061)
