"""The page: whole in one file, drawn in a browser without a complaint, deaf to hostile names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from noljima.model.commands import Evict, Refuse, Start
from noljima.model.events import Evicted, Finished, NodeSeen, StartFailed, Submitted, Ticked
from noljima.model.job import Job
from noljima.model.node import Node
from noljima.model.placements import IN_POOL, Assignment, Placement
from noljima.model.resources import JobId, NodeId, Resources, gang_of
from noljima.report import metrics, page
from noljima.report.page import payload, roster
from noljima.report.record import RunRecord
from noljima.report.recorder import Recorder

Driven = Callable[[Path], tuple[str, list[str]]]

HOSTILE: Final = (
    "</script><script>document.body.dataset.owned='1'</script><img src=x onerror=owned()>"
)
FACTS: Final = {"Trace": "made up", "<b>Jobs</b>": HOSTILE}

# Works every control of the page, then notes how much ink each canvas holds.
PROBE: Final = """
<script>
const send = (element, type, options) =>
  element.dispatchEvent(new (type === "wheel" ? WheelEvent : type === "keydown" ? KeyboardEvent
    : PointerEvent)(type, { bubbles: true, cancelable: true, ...options }));
const after = () => {
  document.querySelectorAll("nav button").forEach((chip) => { chip.click(); chip.click(); });
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  document.querySelectorAll("#timeline button").forEach((button) => button.click());
  const gantt = document.querySelector("#timeline canvas");
  const box = gantt.getBoundingClientRect();
  const inside = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 3 };
  for (const deltaY of [-300, 120]) send(gantt, "wheel", { deltaY, ...inside });
  send(gantt, "wheel", { deltaY: -100, shiftKey: true, ...inside });
  for (const key of ["ArrowLeft", "ArrowDown", "+", "-", "0"]) send(gantt, "keydown", { key });
  for (let x = 0; x < box.width; x += 20) {
    send(gantt, "pointermove", { ...inside, clientX: box.left + x });
  }
  document.querySelectorAll("select").forEach((select) => {
    select.selectedIndex = select.options.length - 1;
    select.dispatchEvent(new Event("change"));
  });
  setTimeout(() => {
    const ink = [...document.querySelectorAll("canvas")].map((canvas) => {
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      return new Set(new Uint32Array(pixels.buffer)).size;
    });
    document.body.dataset.ink = JSON.stringify(ink);
    document.body.dataset.tables = document.querySelectorAll("details table").length;
    document.body.dataset.tip = document.querySelector("#timeline .tip").textContent;
  }, 300);
};
const wait = () => (document.documentElement.dataset.ready ? after() : setTimeout(wait, 20));
wait();
</script>
"""


def a_run(policy: str = "fair", *, nodes: bool = True, delay: int = 0, name: str = "") -> RunRecord:
    """Record a run with guests, an eviction, a failed start, a refusal and a job left waiting."""
    recorder = Recorder()
    seen = [NodeSeen(at_s=0, node=Node(id=NodeId(f"n{k}"), gpus=4)) for k in range(2)]
    recorder.observe(seen if nodes else [NodeSeen(at_s=0, node=Node(id=NodeId("p"), gpus=8))], [])

    def place(node: int, *gpus: int) -> Placement:
        return Placement((Assignment(NodeId(f"n{node}"), gpus),)) if nodes else IN_POOL

    def submit(at_s: int, job: str, milli: int, user: str) -> Submitted:
        each = Resources(gpu_milli=milli)
        told = Job(id=JobId(job), user=user, name=name or f"train {job}", gang=gang_of(1, each))
        return Submitted(at_s=at_s, job=told)

    a, b, c, d = (JobId(text) for text in "abcd")
    recorder.observe([submit(0, "a", 2000, "kim")], [Start(a, place(0, 0, 1), guest=True)])
    recorder.observe([submit(10, "b", 4000, "lee"), submit(10, "c", 500, name)], [Evict(a, b)])
    recorder.observe([submit(20, "d", 9000, "")], [Refuse(d, "too large")])
    recorder.observe([Evicted(at_s=100, job=a)], [Start(b, place(0, 0, 1, 2, 3))])
    recorder.observe([Ticked(at_s=120 + delay)], [Start(c, place(1, 2))])
    recorder.observe([StartFailed(at_s=130 + delay, job=c)], [Start(c, place(1, 2))])
    recorder.observe([Finished(at_s=400 + delay, job=c)], [])
    recorder.observe([Finished(at_s=900 + delay, job=b)], [Start(a, place(0, 0, 1))])
    recorder.observe(
        [Finished(at_s=4000 + delay, job=a), submit(4000 + delay, "e", 1000, "kim")], []
    )
    return recorder.run(policy=policy, estimates="history")


def text_of(*runs: RunRecord, title: str = "Three jobs") -> str:
    figures = [metrics.figures(run, 8000, runs[0].starts(), 0.5) for run in runs]
    return page.text(title, FACTS, {"GPUs": "8"}, runs, figures)


def data_of(text: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None
    data: dict[str, object] = json.loads(found[1])
    return data


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path: Path) -> None:
    run = a_run()
    figures = [metrics.figures(run, 8000, None, 0.5)]
    path = page.write(tmp_path / "new", "A run", {}, {}, [run], figures)
    text = path.read_text(encoding="utf-8")

    assert path == tmp_path / "new" / "index.html"
    assert [entry.name for entry in path.parent.iterdir()] == ["index.html"]
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "MIT License" in text


def test_figures_facts_and_meanings_are_there_without_a_script() -> None:
    text = text_of(a_run("fair"), a_run("fifo", delay=60))
    before = text.split('<script type="application/json"')[0]

    assert "Mean wait" in before
    assert "made up" in before
    assert 'class="best"' in before
    assert "Feitelson" in before


def test_hostile_names_are_text_everywhere() -> None:
    text = text_of(a_run(HOSTILE, name=HOSTILE), title=HOSTILE)

    assert text.count("<script") == 3
    assert text.count("</script>") == 3
    assert "<img" not in text
    assert data_of(text)["runs"] == [HOSTILE]


def test_the_same_policy_twice_is_named_with_its_estimates_or_a_number() -> None:
    runs = [a_run("fair"), a_run("fair"), a_run("fifo")]

    assert payload.run_names(runs) == ["fair (history) #1", "fair (history) #2", "fifo"]


def test_a_long_job_name_is_cut() -> None:
    jobs = roster.Roster()
    jobs.place(a_run(name="n" * 200), 0)

    assert jobs.columns(0.0)["name"] == ["n" * 59 + "…"]


def test_jobs_are_compared_by_id_over_all_runs() -> None:
    told = payload.scatter([a_run("fair"), a_run("fifo", delay=60)], roster.Roster())

    assert told is not None
    assert told["count"] == 3
    # One job starts 60 s later under the second policy, one ends later, one is as it was.
    assert told["shorter"] == [[0, 2], [0, 0]]
    assert told["longer_most"] == [[0, 0], [60, 0]]


def test_a_page_has_as_many_figures_as_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 runs, but figures of 0"):
        page.write(tmp_path, "A run", {}, {}, [a_run()], [])


@pytest.mark.parametrize("kind", ["two policies on nodes", "one policy in a pool", "no jobs"])
def test_the_page_draws_everything_in_a_browser_without_a_complaint(
    kind: str, tmp_path: Path, driven: Driven
) -> None:
    runs = {
        "two policies on nodes": [a_run("fair", name=HOSTILE), a_run("fifo", delay=60)],
        "one policy in a pool": [a_run(nodes=False)],
        "no jobs": [Recorder().run(policy="fair", estimates="")],
    }[kind]
    path = tmp_path / "page.html"
    path.write_text(text_of(*runs, title=HOSTILE), encoding="utf-8")
    elements, complaints = driven(path)

    assert complaints == []
    assert 'data-ready="1"' in elements
    assert "data-owned" not in elements
    assert "<img" not in elements


@pytest.mark.parametrize("nodes", [True, False])
def test_every_control_of_the_page_works_and_every_canvas_holds_ink(
    tmp_path: Path, driven: Driven, *, nodes: bool
) -> None:
    runs = [a_run("fair", nodes=nodes, name=HOSTILE), a_run("fifo", delay=60, nodes=nodes)]
    # The policy against foreign scripts would keep out the probe, too.
    text = re.sub(r"<meta http-equiv=[^>]*>", "", text_of(*runs)).replace("</body>", PROBE)
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8")
    elements, complaints = driven(path)
    ink = re.search(r'data-ink="\[([0-9,]*)\]"', elements)

    assert complaints == []
    assert ink is not None
    # Wait, slowdown, GPUs held, jobs and GPUs waiting, users, scatter, timeline.
    assert len(ink[1].split(",")) == 8
    assert all(int(colours) > 4 for colours in ink[1].split(","))
    # One behind each of these but the scatter, whose counts stand beside it.
    assert 'data-tables="7"' in elements
    assert "run time" in elements
    assert "data-owned" not in elements
