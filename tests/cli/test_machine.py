"""`nodes`, `gantt`, `whatif`, `doctor` and `completion`: what each of them draws and says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from noljima.cli import checkup, lanes
from noljima.cli.columns import width_of
from noljima.control.messages import (
    Bar,
    Bars,
    Compared,
    Gantt,
    GpuRow,
    Hello,
    JobRow,
    JobRows,
    Jobs,
    NodeRow,
    NodeRows,
    Nodes,
    Question,
    Refused,
    Shift,
    Welcome,
    WhatIf,
    Why,
)
from noljima.model.resources import Resources, gang_of
from noljima.submission.nouns import Submission
from noljima.testing.desk import Desk, Script

Run = Callable[..., Result]
OpenDesk = Callable[[Mapping[type[Question], Script]], Desk]
NOW_S = 1_795_265_000.0  # 12:43:20 UTC
HOUR_S = 3600.0
EVIL = "\x1b[2J<script>\u202e&"
NODE = NodeRow(
    node="gpu-01",
    gpu_type="A100",
    gpus=(
        GpuRow(
            number=0,
            name="A100-SXM4",
            memory_mib=81_920,
            memory_used_mib=1024.0,
            utilisation=0.93,
            power_w=412.4,
            temperature_c=61.0,
            jobs=("812", "813"),
            free_milli=250,
        ),
        GpuRow(number=1, out="fan is loud"),
    ),
    words=("2 GPUs",),
)
BARS = Bars(
    now_s=NOW_S,
    gpus=2,
    bars=(
        Bar(job="5", gpu=0, begin_s=NOW_S - 9000, end_s=NOW_S - 1800, kind="ran"),
        Bar(job="7", name=EVIL, gpu=0, begin_s=NOW_S - 900, end_s=NOW_S + 900, kind="runs"),
        Bar(job="8", gpu=1, begin_s=NOW_S, end_s=NOW_S + 9000, kind="guest"),
        Bar(job="9", gpu_milli=2000, begin_s=NOW_S + 900, end_s=NOW_S + 1800, kind="expected"),
        Bar(job="1", gpu=1, begin_s=NOW_S - 99_999, end_s=NOW_S - 90_000, kind="ran"),
    ),
)


def test_nodes_shows_a_line_for_each_gpu(noljima: Run, desk: OpenDesk) -> None:
    desk({Nodes: NodeRows(now_s=NOW_S, rows=(NODE,))})
    head, first, second, words = noljima("nodes").stdout.splitlines()

    assert " ".join(head.split()) == "Node GPU Type Free Busy Memory Power Temp. Jobs Out"
    assert " ".join(first.split()) == (
        "gpu-01 0 A100-SXM4 0.25 93 % 1.0 of 80 GiB 412 W 61 °C 812, 813 -"
    )
    assert " ".join(second.split()) == "gpu-01 1 A100 1 - - - - - fan is loud"
    assert words == "gpu-01: 2 GPUs"


def test_what_cannot_be_read_is_none_in_json_and_never_zero(noljima: Run, desk: OpenDesk) -> None:
    desk({Nodes: NodeRows(now_s=NOW_S, rows=(NODE,))})
    found = json.loads(noljima("nodes", "-o", "json").stdout)

    assert found["rows"][0]["gpus"][1]["power_w"] is None
    assert noljima("nodes", "-o", "name").stdout == "gpu-01\n"


# --- Timelines ---


def test_a_timeline_has_a_lane_for_each_gpu_and_one_for_each_who_waits(
    noljima: Run, desk: OpenDesk
) -> None:
    here = desk({Gantt: BARS})

    assert noljima("gantt", "--width", 56).stdout.splitlines() == [
        " " * 16 + "11:43     12:13     12:43     13:13",
        "GPU 0           [5.......]     [7 \\x1b[-]",
        "GPU 1                               [8~~~~~~~~~~~~~~~~~]",
        "waiting, on any GPUs:",
        "9, 2 GPUs                           |    [9::]",
    ]
    assert here.asked == [Gantt()]


def test_back_and_ahead_are_asked_for(noljima: Run, desk: OpenDesk) -> None:
    here = desk({Gantt: BARS})
    noljima("gantt", "--back", "30m", "--ahead", "1d")

    assert here.asked == [Gantt(back_s=1800.0, ahead_s=86_400.0)]


moments = st.floats(-1e5, 1e5).map(lambda offset_s: NOW_S + offset_s)
drawn = st.builds(
    Bar,
    job=st.text(min_size=1, max_size=9),
    name=st.text(max_size=9),
    gpu=st.none() | st.integers(0, 3),
    begin_s=moments,
    end_s=moments,
    kind=st.sampled_from([*lanes.FILLS, "new"]),
)


@given(bars=st.lists(drawn, max_size=9), width=st.integers(40, 90))
def test_no_line_of_a_timeline_is_wider_than_the_terminal(bars: list[Bar], width: int) -> None:
    answer = Bars(now_s=NOW_S, gpus=4, bars=tuple(bars))
    text = lanes.text(answer, question=Gantt(), width=width)

    assert not set(text) & set("\x00\x07\x1b\r\x9b\u202e\u2066")
    assert max(width_of(line) for line in text.split("\n")) <= width


def test_a_drawing_is_xml_in_which_nothing_is_obeyed(
    noljima: Run, desk: OpenDesk, tmp_path: Path
) -> None:
    desk({Gantt: BARS})
    result = noljima("gantt", "--svg", tmp_path / "t.svg", "--html", tmp_path / "t.html")
    drawing = (tmp_path / "t.svg").read_text(encoding="utf-8")
    found = ET.fromstring(drawing)  # noqa: S314 - our own
    texts = ["".join(each.itertext()) for each in found.iter()]

    assert result.exit_code == 0
    assert any("7 \\x1b[2J<script>\\u202e&" in text for text in texts)
    assert not any(each.tag.endswith("script") for each in found.iter())
    assert drawing in (tmp_path / "t.html").read_text(encoding="utf-8")


def test_an_impossible_timeline_is_refused(noljima: Run) -> None:
    assert noljima("gantt", "--back", "0s", "--ahead", "1s").exit_code == 2
    assert "is no time" in noljima("gantt", "--back", "-1h").stderr
    assert "60 m" in noljima("gantt", "--back", "60 m").stderr


# --- What if ---

COMPARED = Compared(
    now_s=NOW_S,
    change="without GPU 0",
    shifts=(
        Shift(job="1", user="kim", name="a", start_s=NOW_S + 60, would_s=NOW_S + 3660),
        Shift(job="2", start_s=NOW_S + 3660, would_s=NOW_S + 60),
        Shift(job="3", start_s=NOW_S, would_s=NOW_S + 0.5),
        Shift(job="4", start_s=NOW_S),
        Shift(job="5", would_s=NOW_S),
    ),
    mean_wait_s=(60.0, 120.0),
    end_s=(NOW_S + 600, NOW_S + 1200),
)


def test_what_if_tells_who_starts_earlier_and_who_later(noljima: Run, desk: OpenDesk) -> None:
    here = desk({WhatIf: COMPARED})
    lines = noljima("whatif", "--drain", "0-1,3").stdout.splitlines()

    assert here.asked == [WhatIf(drain=(0, 1, 3))]
    assert lines[0] == "without GPU 0"
    assert [" ".join(line.split()) for line in lines[2:]] == [
        "1 kim a 12:44 13:44 1 h later",
        "2 - - 13:44 12:44 1 h earlier",
        "3 - - 12:43 12:43 same",
        "4 - - 12:43 - never",
        "5 - - - 12:43 new",
        "mean wait 1 min, would be 2 min",
        "all ended 12:53, would be 13:03",
    ]


def test_what_if_changes_one_job_or_adds_one(noljima: Run, desk: OpenDesk, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("command: [x]\nworkdir: /\n")
    here = desk({WhatIf: COMPARED})
    noljima("whatif", "--job", "812", "--gpus", "0.5", "--workers", 3, "--limit", "2h")
    noljima("whatif", "--policy", "efficient", "--file", tmp_path / "job.yaml")
    added = Submission(
        name="x", argv=("x",), folder="/", gang=gang_of(1, Resources(gpu_milli=1000))
    )

    assert here.asked == [
        WhatIf(job="812", gpu_milli=500, workers=3, limit_s=7200.0),
        WhatIf(policy="efficient", submissions=(added,)),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say what: --policy, --drain, --job or --file"),
        (("--gpus", "1"), "--gpus does nothing without --job"),
        (("--job", "1"), "--job needs --workers, --gpus or --limit"),
        (("--job", "1", "--gpus", "nan"), "--gpus: 'nan' is no number of GPUs"),
        (("--job", "1", "--workers", "0"), "--workers: 0 is outside 1 to 1,000,000"),
        (("--drain", "x"), "GPU: 'x' is no array"),
        (("--policy", "a\nb"), "--policy: 'a\\nb' has a control character"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    noljima: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = noljima("whatif", *arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


# --- Doctor ---

WELCOME = Welcome(
    noljima="9.9", pid=5, began_s=0, now_s=0, policy="fair", node="n", user="u", operator=True
)


def marks(result: Result) -> dict[str, str]:
    """Return what was found of each thing."""
    return {found["what"]: found["mark"] for found in json.loads(result.stdout)}


def test_the_doctor_works_without_a_scheduler(noljima: Run, tmp_path: Path) -> None:
    result = noljima("doctor", "--at", tmp_path / "state", "-o", "json")
    found = marks(result)

    assert result.exit_code == 0
    assert list(found) == [
        "versions",
        "kernel",
        "state folder",
        "disk",
        "socket",
        "scheduler",
        "control groups",
        "GPUs",
        "clock",
    ]
    assert found["state folder"] == found["socket"] == found["scheduler"] == "note"
    assert not (tmp_path / "state").exists()


def test_the_doctor_asks_a_scheduler_that_runs(
    noljima: Run, desk: OpenDesk, tmp_path: Path
) -> None:
    desk({Hello: WELCOME})
    (tmp_path / "state").chmod(0o700)
    told = noljima("doctor").stdout

    assert "pid 5 on n, policy fair, noljima 9.9; you are u, an operator" in told
    assert "restart it with this version" in told


def test_a_folder_that_others_may_write_to_is_broken(noljima: Run, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)
    result = noljima("doctor", "--at", state)

    assert result.exit_code == 1
    assert f"broken  state folder    {state} can be written to by others; `chmod go-w" in (
        result.stdout
    )


def test_a_file_in_the_place_of_the_folder_or_the_socket_is_broken(
    noljima: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    state = tmp_path / "state"
    state.mkdir(0o700)
    (state / "control").write_text("")

    assert marks(noljima("doctor", "--at", tmp_path / "file", "-o", "json"))["state folder"] == (
        "broken"
    )
    found = marks(noljima("doctor", "--at", state, "-o", "json"))
    assert found["state folder"] == "ok"
    assert found["socket"] == found["scheduler"] == "broken"


def test_a_scheduler_that_has_died_is_broken(noljima: Run, tmp_path: Path) -> None:
    state = tmp_path / "s"
    state.mkdir(0o700)
    left = socket.socket(socket.AF_UNIX)
    left.bind(os.path.relpath(state / "control"))
    left.close()
    result = noljima("doctor", "--at", state, "-o", "json")

    assert marks(result)["scheduler"] == "broken"
    assert result.exit_code == 1


def test_little_room_and_a_wrong_clock_are_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checkup, "_DISK_LEAST", 1 << 62)
    monkeypatch.setattr(checkup, "_YEAR_2024_S", 1e12)
    found = {finding.what: finding for finding in checkup.all_of(tmp_path)}

    assert found["disk"].mark == "note"
    assert "make room" in found["disk"].advice
    assert found["clock"].mark == "broken"


# --- Completion ---


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_the_program(noljima: Run, shell: str) -> None:
    result = noljima("completion", shell)

    assert result.exit_code == 0, result.output
    assert "_NOLJIMA_COMPLETE" in result.stdout
    assert f"{shell}_complete" in result.stdout


def completed(*words: str) -> list[str]:
    """Complete the last word, as bash does."""
    environment = {
        **os.environ,
        "_NOLJIMA_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("noljima", *words)),
        "COMP_CWORD": str(len(words)),
    }
    command = [sys.executable, "-c", "from noljima.cli import main; main(prog_name='noljima')"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_commands_and_options_are_completed() -> None:
    assert completed("que") == ["queue"]
    assert "--mine" in completed("queue", "--m")


def test_jobs_are_completed_from_the_scheduler(desk: OpenDesk) -> None:
    rows = tuple(JobRow(job=job, state="running", submitted_s=0.0) for job in ("812", "813", "9_0"))
    desk({Jobs: JobRows(now_s=0.0, rows=rows)})

    assert completed("stop", "81") == ["812", "813"]
    assert completed("why", "9") == ["9_0"]


def test_without_a_scheduler_there_is_nothing_to_complete_and_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, desk: OpenDesk
) -> None:
    monkeypatch.setenv("NOLJIMA_STATE", str(tmp_path / "nowhere"))

    assert completed("stop", "8") == []
    monkeypatch.setenv("NOLJIMA_STATE", str(tmp_path / "state"))
    desk({Jobs: Refused(why=Why.BUSY, words="not now")})
    assert completed("stop", "8") == []
