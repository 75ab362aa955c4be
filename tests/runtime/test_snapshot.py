"""An engine that was written down and read back goes on as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections import Counter, deque
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.app import EngineSpec, build_engine
from noljima.engine import Engine
from noljima.model.resources import Gang, Resources, TaskGroup
from noljima.placement.demand import Demand
from noljima.policy.presets import NAMES as POLICIES
from noljima.policy.state import Reservation
from noljima.runtime import graph, snapshot
from noljima.runtime.graph_reading import read_graph
from noljima.runtime.graph_writing import write_graph
from noljima.runtime.snapshot import UnsavableError
from noljima.testing.day import SHAPE, Told, day

SOURCES = ("limit", "last-two", "history", "random")


def handled(spec: EngineSpec, batches: list[Told]) -> Engine:
    engine = build_engine(spec)
    for batch in batches:
        engine.handle(*batch.events)
    return engine


def goes_on_equally(spec: EngineSpec, told: list[Told], cut: int) -> bool:
    copy = snapshot.restore(snapshot.save(handled(spec, told[:cut])))
    copy.validate()
    return all(tuple(copy.handle(*batch.events)) == batch.commands for batch in told[cut:])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("source", SOURCES)
def test_an_engine_goes_on_as_it_would_have(policy: str, source: str) -> None:
    spec = EngineSpec(policy=policy, estimates=source, space="grid")
    told = day(7, SHAPE, spec)

    assert goes_on_equally(spec, told, len(told) // 2)


@given(
    seed=st.integers(0, 10**6),
    part=st.floats(0.0, 1.0),
    policy=st.sampled_from(["fair", "efficient", "share", "easy", "slowdown"]),
    source=st.sampled_from(SOURCES),
    space=st.sampled_from(["pool", "grid"]),
)
def test_any_moment_of_any_day_will_do(
    seed: int, part: float, policy: str, source: str, space: str
) -> None:
    spec = EngineSpec(policy=policy, estimates=source, space=space)
    shape = msgspec.structs.replace(SHAPE, gpus_per_node=8 if space == "grid" else 0)
    told = day(seed, shape, spec)

    assert goes_on_equally(spec, told, int(part * len(told)))


def test_saving_changes_nothing() -> None:
    told = day(3)
    engine = handled(EngineSpec(policy="fair", estimates="last-two", space="grid"), told[:10])

    first = snapshot.save(engine)

    assert snapshot.save(engine) == first
    assert snapshot.save(snapshot.restore(first)) == first


_ELSEWHERE = """
import sys
from noljima.runtime import snapshot
from noljima.testing.day import day
told = day(11)
engine = snapshot.restore(sys.stdin.buffer.read())
engine.validate()
print(all(tuple(engine.handle(*b.events)) == b.commands for b in told[int(sys.argv[1]):]))
"""


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_another_process_goes_on_equally(hash_seed: str) -> None:
    told = day(11)
    cut = len(told) // 2
    spec = EngineSpec(policy="fair", estimates="last-two", space="grid")

    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", _ELSEWHERE, str(cut)],
        input=snapshot.save(handled(spec, told[:cut])),
        env={"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=False,
    )

    assert done.stdout == b"True\n", done.stderr.decode()


def test_what_depends_on_the_process_is_worked_out_anew() -> None:
    gang = Gang((TaskGroup(workers=2, each=Resources(gpu_milli=1000)),))
    demand = Demand(gang)
    demand._hash = 17  # as another process would have hashed it

    again = read_graph(write_graph(demand))

    assert isinstance(again, Demand)
    assert again == Demand(gang)
    assert hash(again) == hash(Demand(gang))


class _Stranger:
    """A class that is none of the core's."""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (_Stranger(), "no class of the core"),
        (_Stranger, "no class of the core"),
        (lambda: None, "no class of the core"),
        (np.random.default_rng(1), "cannot be written down"),
        (np.array([object()]), "cannot be written down"),
        (frozenset([demand := Demand(Gang((TaskGroup(workers=1, each=Resources()),)))]), "frozen"),
    ],
)
def test_what_cannot_be_written_is_refused(value: object, words: str) -> None:
    with pytest.raises(UnsavableError, match=words):
        write_graph([value])


def test_arrays_that_share_their_memory_are_refused() -> None:
    whole = np.arange(10)

    with pytest.raises(UnsavableError, match="share their memory"):
        write_graph([whole[:5], whole[5:]])


def test_shared_things_stay_shared_and_circles_stay_circles() -> None:
    shared: list[object] = [1 << 80, -3, 2.5, None, "text", b"\x00"]
    whole: dict[object, object] = {
        "a": shared,
        "b": shared,
        ("key", 1): {1, 2},
        "counter": Counter({"x": 2}),
        "queue": deque([1, 2], maxlen=2),
        "column": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "number": np.float64(0.5),
        "frozen": frozenset({"x", "y"}),
    }
    whole["itself"] = whole

    again = read_graph(write_graph(whole))

    assert isinstance(again, dict)
    assert again["a"] is again["b"]
    assert again["itself"] is again
    assert again["a"] == shared
    column = again["column"]
    assert column.flags.f_contiguous
    assert column.flags.writeable
    assert column.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    same = [key for key in whole if key not in ("itself", "column")]
    assert all(again[key] == whole[key] for key in same)
    assert all(type(again[key]) is type(whole[key]) for key in same)


def test_keys_have_their_fields_before_they_are_looked_up_by_them() -> None:
    engine = handled(EngineSpec(policy="fair", estimates="limit", space="grid"), day(0)[:8])
    ticket = next(iter(engine.tickets.values()))

    again = read_graph(write_graph({Reservation(ticket, 4.0): "kept", "ticket": ticket}))

    assert isinstance(again, dict)
    assert again[Reservation(again["ticket"], 4.0)] == "kept"


def altered(content: bytes, **changes: object) -> bytes:
    saved = msgspec.msgpack.decode(zlib.decompress(content))
    return zlib.compress(msgspec.msgpack.encode({**saved, **changes}))


def test_what_is_no_state_is_refused_in_words() -> None:
    content = snapshot.save(handled(EngineSpec(policy="fifo"), []))

    for spoiled, words in [
        (b"", "cut off"),
        (b"nonsense", "no engine's state"),
        (content[: len(content) // 2], "cut off"),
        (altered(content, format="pickle"), "pickle"),
        (altered(content, version=99), "version 99"),
        (altered(content, graph=[[], [["list", []]]]), "no engine"),
        (altered(content, graph=[[], [["tuple", [[9]]]]]), "does not fit"),
        (altered(content, graph=[[], [["shout", []]]]), "does not fit"),
    ]:
        with pytest.raises(UnsavableError, match=words):
            snapshot.restore(spoiled)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("subprocess", "Popen"),
        ("noljima.drivers.sim", "Simulation"),
        ("noljima.engine.nowhere", "Engine"),
        ("noljima.engine.engine", "math"),
        ("noljima.engine.engine", "Engine.handle"),
    ],
)
def test_nothing_outside_of_the_core_can_be_named(module: str, name: str) -> None:
    forged = graph.Graph([graph.Class(module, name, "")], [["object", 0, {}]])

    with pytest.raises(UnsavableError):
        read_graph(forged)


def test_what_is_outside_of_the_core_is_not_even_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stranger.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    shape = graph.shape_of(type("Thing", (), {}))
    forged = graph.Graph([graph.Class("stranger", "Thing", shape)], [["object", 0, {}]])

    with pytest.raises(UnsavableError, match="outside of the core"):
        read_graph(forged)

    assert "stranger" not in sys.modules


def test_a_class_that_holds_other_fields_now_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = snapshot.save(handled(EngineSpec(policy="fifo"), []))
    monkeypatch.setattr("noljima.runtime.graph_reading.shape_of", lambda kind: kind.__name__)

    with pytest.raises(UnsavableError, match="holds other fields now"):
        snapshot.restore(content)


def test_the_shape_of_a_class_follows_its_fields() -> None:
    class Slotted:
        __slots__ = ("a",)

    class More:
        __slots__ = ("a", "b")

    class Made:
        def __init__(self) -> None:
            self.c = 1

    class MadeMore:
        def __init__(self) -> None:
            self.c = 1
            self.d = 2

    shapes = {graph.shape_of(kind) for kind in (Slotted, More, Made, MadeMore)}

    assert len(shapes) == 4


def test_the_fingerprint_is_that_of_the_core_s_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = snapshot.fingerprint()
    monkeypatch.setattr(snapshot, "_sources", lambda _: [tmp_path / "one.py"])
    seen: set[str] = set()
    for content in ("a = 1", "a = 2"):
        (tmp_path / "one.py").write_text(content)
        snapshot.fingerprint.cache_clear()
        seen.add(snapshot.fingerprint())
    snapshot.fingerprint.cache_clear()

    assert len(seen | {first}) == 3


def test_a_state_knows_the_code_that_has_saved_it() -> None:
    content = snapshot.save(handled(EngineSpec(policy="fifo"), []))

    assert snapshot.code_of(content) == snapshot.fingerprint()
