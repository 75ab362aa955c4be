"""What can be handed in: options, directives, YAML and TOML that say the same are the same job."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from noljima.model.job import Checkpoint, Priority
from noljima.model.resources import Gang, Resources, TaskGroup, gang_of
from noljima.submission import amounts, arrays, dependencies, directives, files, texts
from noljima.submission.drafts import Draft, Surroundings, finished, over
from noljima.submission.nouns import After, Submission, When

HERE = Surroundings("/home/kim/work", {"HOME": "/home/kim", "LANG": "ko_KR.UTF-8"})


def of_yaml(text: str) -> Submission:
    return finished(files.read("job.yaml", text.encode(), HERE), HERE)


def of_toml(text: str) -> Submission:
    return finished(files.read("job.toml", text.encode(), HERE), HERE)


def of_directives(lines: str) -> Submission:
    script = "#!/bin/sh\n" + "".join(f"#NOLJIMA {line}\n" for line in lines.splitlines()) + "ls\n"
    return finished(over(directives.read("x.sh", script, HERE).draft, Draft(script=script)), HERE)


WHOLE_YAML = """
name: 학습
command: [python, train.py, --lr, "3e-4"]
workdir: runs/7
workers: 8
gpus: 2
gpu_type: [A100, H100]
gpu_memory: 40G
cpus: 7.5
memory: 512M
env: {OMP_NUM_THREADS: 8, LR: "3e-4"}
queue: vision
priority: urgent
limit: 1-12:00:00
evictable: true
checkpoint: 10m
restart: 30s
after: ok:12,any:13
hold: true
array: 0-9:2,12%3
watched: false
silence: 1h
checkpoint_grace: 2m
stop_grace: 20s
log_size: 16M
notify: [started, ended]
"""

WHOLE_TOML = """
name = "학습"
command = ["python", "train.py", "--lr", "3e-4"]
workdir = "runs/7"
workers = 8
gpus = 2
gpu_type = ["A100", "H100"]
gpu_memory = "40G"
cpus = 7.5
memory = "512M"
queue = "vision"
priority = "urgent"
limit = "36h"
evictable = true
checkpoint = "10m"
restart = "30s"
after = ["12", "any:13"]
hold = true
array = "0-9:2,12%3"
watched = false
silence = "1h"
checkpoint_grace = "2m"
stop_grace = "20s"
log_size = "16M"
notify = ["started", "ended"]
[env]
OMP_NUM_THREADS = 8
LR = "3e-4"
"""

WHOLE_LINES = """\
--name 학습 -D runs/7 -w 8 -g2 --gpu-type A100,H100 --gpu-memory=40G  # a comment
-c 7.5 --mem 512M -e OMP_NUM_THREADS=8 --env LR=3e-4
--queue vision -p urgent --time 1-12:00:00 --evictable --checkpoint 10m --restart 30s
--dependency afterok:12,afterany:13 -H -a 0-9:2,12%3
--unwatched --silence 1h --checkpoint-grace 2m --stop-grace 20s --log-size 16M
--notify started,ended
"""

WHOLE = Submission(
    name="학습",
    argv=("python", "train.py", "--lr", "3e-4"),
    folder="/home/kim/work/runs/7",
    gang=Gang(
        (
            TaskGroup(
                workers=8,
                each=Resources(
                    gpu_milli=2000, gpu_memory_mib=40_960, cpu_milli=7500, memory_mib=512
                ),
                gpu_types=("A100", "H100"),
            ),
        )
    ),
    environment={"OMP_NUM_THREADS": "8", "LR": "3e-4"},
    queue="vision",
    priority=Priority.URGENT,
    limit_s=129_600.0,
    evictable=True,
    checkpoint=Checkpoint(interval_s=600.0, restart_s=30.0),
    after=(After(job="12"), After(job="13", when=When.ANY)),
    held=True,
    array=(0, 2, 4, 6, 8, 12),
    array_at_most=3,
    watched=False,
    silence_s=3600.0,
    checkpoint_grace_s=120.0,
    stop_grace_s=20.0,
    log_bytes=16 << 20,
    notify=("started", "ended"),
)


def test_yaml_and_toml_say_the_same() -> None:
    assert of_yaml(WHOLE_YAML) == WHOLE
    assert of_toml(WHOLE_TOML) == WHOLE


def test_a_scripts_head_says_the_same() -> None:
    said = of_directives(WHOLE_LINES)

    assert said.script.startswith("#!/bin/sh\n#NOLJIMA --name")
    assert msgspec.structs.replace(said, script="", argv=WHOLE.argv) == WHOLE


def test_the_least_that_can_be_said_is_a_command() -> None:
    assert of_yaml("command: [python, train.py]") == Submission(
        name="train.py",
        argv=("python", "train.py"),
        folder="/home/kim/work",
        gang=gang_of(1, Resources(gpu_milli=1000)),
    )


def test_a_gang_may_have_workers_that_are_not_alike() -> None:
    gang = of_yaml(
        "command: ls\n"
        "groups:\n"
        "  - {name: master, gpus: 0, cpus: 4}\n"
        "  - {name: worker, workers: 7, gpus: 1, gpu_type: A100}\n"
    ).gang

    assert gang == Gang(
        (
            TaskGroup(name="master", workers=1, each=Resources(cpu_milli=4000)),
            TaskGroup(
                name="worker", workers=7, each=Resources(gpu_milli=1000), gpu_types=("A100",)
            ),
        )
    )


def test_words_of_yaml_that_others_take_for_something_else_are_words() -> None:
    said = of_yaml("command: [ls, no, on, 010, 0x1F, 12:30, 1_000, 2024-01-01, =]\nname: no")

    assert said.argv[1:] == ("no", "on", "010", "0x1F", "12:30", "1_000", "2024-01-01", "=")
    assert said.name == "no"


def test_what_a_shell_would_obey_arrives_as_it_is() -> None:
    evil = ["; rm -rf /", "$(touch x)", "`id`", "a'b\"c", "$HOME", "*", "&& ls", "\n", "--", "%s"]
    said = finished(Draft(command=texts.command("command", ["echo", *evil])), HERE)

    assert said.argv == ("echo", *evil)
    assert of_yaml(f"command: {msgspec.json.encode(['echo', *evil]).decode()}").argv == said.argv


def test_a_text_is_split_as_a_shell_splits_it_and_nothing_is_expanded() -> None:
    said = of_yaml("command: python train.py --name 'a b; c' \"$HOME\" --x=*")

    assert said.argv == ("python", "train.py", "--name", "a b; c", "$HOME", "--x=*")


def test_what_is_said_later_holds_and_variables_come_together() -> None:
    lower = Draft(gpus=1000, limit=60.0, env={"A": "1", "B": "1"}, hold=True)
    upper = Draft(gpus=2000, env={"B": "2"}, hold=False)

    assert over(upper, lower) == Draft(gpus=2000, limit=60.0, env={"A": "1", "B": "2"}, hold=False)


def test_a_name_alone_passes_on_ones_own_variable_and_only_that() -> None:
    said = of_yaml("command: ls\nenv: [HOME, A=1=2, EMPTY=]")

    assert said.environment == {"HOME": "/home/kim", "A": "1=2", "EMPTY": ""}


def test_directives_end_at_the_first_command_and_their_author_is_told() -> None:
    script = "#!/bin/sh\n\n# why\n#NOLJIMA --gpus 2\nset -e\n#NOLJIMA --gpus 4\n#NOLJIMAX -x\n"
    found = directives.read("x.sh", script, HERE)

    assert found.draft == Draft(gpus=2000)
    assert found.notices == (
        "x.sh, line 6: #NOLJIMA stands below the first command and is not read",
    )


@pytest.mark.parametrize(
    ("words", "time_s"),
    [
        ("90s", 90),
        ("90m", 5400),
        ("4h", 14_400),
        ("1d12h", 129_600),
        ("1.5h", 5400),
        ("1w", 604_800),
        ("1-12", 129_600),
        ("1-12:30", 131_400),
        ("1-12:00:00", 129_600),
        ("4:30:00", 16_200),
        ("100:00:00", 360_000),
        ("4H", 14_400),
    ],
)
def test_times_are_read(words: str, time_s: float) -> None:
    assert amounts.seconds("limit", words) == time_s


@pytest.mark.parametrize(
    ("words", "mib"),
    [
        ("16G", 16_384),
        ("512M", 512),
        ("1.5T", 1_572_864),
        ("1K", 1),
        ("16GiB", 16_384),
        ("2 gb", 2048),
    ],
)
def test_sizes_are_read(words: str, mib: int) -> None:
    assert amounts.memory_mib("memory", words) == mib


@pytest.mark.parametrize(
    ("raw", "milli"), [("0.5", 500), (0.3, 300), ("2", 2000), (8, 8000), (0, 0), ("0.001", 1)]
)
def test_gpus_are_read(raw: object, milli: int) -> None:
    assert amounts.gpu_milli("gpus", raw) == milli


def test_arrays_are_read() -> None:
    assert arrays.read("array", "5,1-3%2") == ((1, 2, 3, 5), 2)
    assert arrays.read("array", "0-10:5") == ((0, 5, 10), None)
    assert arrays.read("array", 7) == ((7,), None)


def test_dependencies_are_read_as_slurm_writes_them_too() -> None:
    assert dependencies.read("after", "afterok:12:13,afternotok:14") == (
        After(job="12"),
        After(job="13"),
        After(job="14", when=When.NOT_OK),
    )
    assert dependencies.read("after", 812) == (After(job="812"),)
    assert dependencies.read("after", "any:812_3") == (After(job="812_3", when=When.ANY),)


def test_every_option_of_a_directive_can_be_written_as_a_shell_quotes_it() -> None:
    said = of_directives(f"--name {shlex.quote('a b $(c)')}")

    assert said.name == "a b $(c)"


def test_light_parts_stay_light(tmp_path: Path) -> None:
    script = tmp_path / "loads.py"
    script.write_text(
        "import sys\nfrom noljima.submission import directives, files, drafts\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    loaded = set(done.stdout.split())

    assert not loaded & {"yaml", "numpy", "rich", "asyncio", "difflib", "subprocess", "click"}
