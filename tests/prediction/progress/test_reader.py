"""What programs really print, read: steps of the whole job, and evaluations that are no progress.

The output is in `samples`, one file for each version of each program.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from noljima.model.phase import Phase
from noljima.prediction.progress.observation import Observation
from noljima.prediction.progress.reader import Reader

SAMPLES = Path(__file__).parent / "samples"
TRAINER = sorted(
    path.name for path in SAMPLES.glob("transformers-*.log") if "no-bar" not in path.name
)
TQDM = ["tqdm-4.70.1.log", "tqdm-4.70.1-terminal.log"]


def parts(name: str) -> dict[str, bytes]:
    """Return the loops of a sample by name; all of it where they have none."""
    found: dict[str, bytes] = {}
    for part in (SAMPLES / name).read_bytes().split(b"=== "):
        heading, _, output = part.partition(b"\n")
        found[heading.decode().strip()] = output
    return found


def read(output: bytes, epochs: float | None = None) -> list[Observation]:
    return Reader(epochs=epochs).feed(output + b"\n")


def trained(observations: Sequence[Observation]) -> list[Observation]:
    return [one for one in observations if one.phase is Phase.TRAIN]


def fractions(observations: Sequence[Observation]) -> list[float]:
    """Return how much of the job was done, each time it was told; it is known and never falls."""
    done = [one.fraction for one in trained(observations)]
    known = [fraction for fraction in done if fraction is not None]
    assert len(known) == len(done)
    assert all(one <= next_ for one, next_ in itertools.pairwise(known)), known
    return known


def pauses(observations: Sequence[Observation]) -> list[tuple[float, float | None]]:
    return [(one.step, one.epoch) for one in observations if one.phase is Phase.EVALUATE]


@pytest.mark.parametrize(("name", "first"), [("keras-2.15.0.log", 60), ("keras-3.15.1.log", 60)])
def test_keras_epochs_and_steps_come_to_one_fraction(name: str, first: int) -> None:
    told = trained(read((SAMPLES / name).read_bytes()))[:first]

    assert {(one.total, one.epochs) for one in told} == {(20.0, 3.0)}
    assert fractions(told)[0] == pytest.approx(1 / 60)
    assert told[-1].fraction == 1.0


@pytest.mark.parametrize("name", ["keras-2.15.0.log", "keras-3.15.1.log"])
def test_keras_evaluations_and_predictions_before_and_after_are_not_training(name: str) -> None:
    told = read((SAMPLES / name).read_bytes())

    # They have three steps, and no training has.
    assert 3.0 not in {one.total for one in told}
    assert told[0].step == 1.0


def test_keras_learns_the_length_of_an_epoch_from_the_one_before() -> None:
    told = read((SAMPLES / "keras-2.15.0.log").read_bytes())
    second = [one for one in trained(told) if one.epochs == 2.0 and one.total != 20.0]
    unknown = [one for one in second if one.total is None]

    assert [one.step for one in unknown] == list(range(1, 11))
    assert {one.fraction for one in unknown} == {None}
    assert fractions(second[10:])[0] == 0.5
    assert second[-1].fraction == 1.0


def test_keras_with_one_line_an_epoch() -> None:
    told = read((SAMPLES / "keras-3.15.1.log").read_bytes())

    assert [one.fraction for one in told[-2:]] == [0.5, 1.0]


def test_lightnings_rich_bar_tells_how_many_epochs_there_are() -> None:
    told = read((SAMPLES / "lightning-2.6.6-rich-terminal.log").read_bytes())

    assert {(one.total, one.epochs) for one in told} == {(10.0, 3.0)}
    assert fractions(told)[-1] == 1.0
    assert pauses(told) == [(10.0, 1.0), (10.0, 2.0)]


def test_lightnings_tqdm_bar_does_not_tell_how_many_epochs_there_are() -> None:
    output = (SAMPLES / "lightning-2.6.6-tqdm.log").read_bytes()
    told, told_with_epochs = read(output), read(output, epochs=3)

    assert {one.fraction for one in told} == {None}
    assert (told[-1].step, told[-1].total, told[-1].epoch) == (20.0, 20.0, 3.0)
    # First it draws a bar without a total.
    assert fractions([one for one in told_with_epochs if one.total is not None])[-1] == 1.0
    # Twice an epoch, but for the one after the last step.
    assert pauses(told_with_epochs) == [(s, e) for e in (1, 2, 3) for s in (10, 20)][:-1]


@pytest.mark.parametrize("name", TRAINER)
def test_the_trainers_bar_is_of_the_whole_job_and_its_evaluations_are_not(name: str) -> None:
    told = read((SAMPLES / name).read_bytes())

    assert {one.total for one in told} == {60.0}
    assert fractions(told)[-1] == 1.0
    assert {step for step, _ in pauses(told)} >= {15.0, 30.0, 45.0}
    assert 60.0 not in {step for step, _ in pauses(told)}


@pytest.mark.parametrize("version", ["4.46.3", "5.23.0"])
def test_without_a_bar_the_trainer_tells_of_epochs(version: str) -> None:
    output = (SAMPLES / f"transformers-{version}-no-bar.log").read_bytes()
    told = read(b"  Num Epochs = 3\n" + output)

    assert [one.step for one in told] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert fractions(told)[-1] == 1.0
    assert {one.total for one in read(output)} == {None}


@pytest.mark.parametrize("name", TQDM)
@pytest.mark.parametrize(
    ("loop", "steps", "total"),
    [
        ("whole", 10, 20.0),
        ("nested", 24, 3.0),
        ("nested without names", 18, 3.0),
        ("scaled units", 9, 3400.0),
        ("slow steps", 3, 3.0),
        ("download, then training", 10, 20.0),
        ("no bar", 6, 6.0),
    ],
)
def test_tqdm_loops_over_a_whole_job(name: str, loop: str, steps: int, total: float) -> None:
    told = read(parts(name)[loop])

    assert {one.total for one in told} == {total}
    assert fractions(told)[-1] == 1.0
    assert abs(len(told) - 1 - steps) <= 1
    assert pauses(told) == []


@pytest.mark.parametrize("name", TQDM)
def test_tqdm_with_epochs_in_names_and_validation_between(name: str) -> None:
    told = read(parts(name)["numbered epochs with validation"])

    assert {(one.total, one.epochs) for one in told} == {(8.0, 3.0)}
    assert fractions(told)[-1] == 1.0
    assert pauses(told) == [(8.0, 1.0), (8.0, 2.0)]


@pytest.mark.parametrize("name", TQDM)
def test_a_bar_over_epochs_says_how_often_the_one_inside_comes(name: str) -> None:
    told = read(parts(name)["epochs over train"])

    assert told[-2].epochs == 2.0
    assert told[-2].fraction == told[-1].fraction == 1.0
    assert pauses(told) == [(6.0, 1.0)]


@pytest.mark.parametrize("name", TQDM)
def test_a_bar_that_begins_anew_was_of_an_epoch_and_nobody_knows_of_how_many(name: str) -> None:
    told = read(parts(name)["one bar an epoch"])
    first = [one for one in told if one.epoch is None]
    later = [one for one in told if one.epoch is not None]

    assert first[-1].fraction == 1.0
    assert {one.fraction for one in later} == {None}
    assert {one.epoch for one in later} == {2.0, 3.0}
    assert pauses(later) == [(8.0, 2.0), (8.0, 3.0)]


@pytest.mark.parametrize("name", TQDM)
def test_a_count_without_a_total_is_told_as_one(name: str) -> None:
    told = read(parts(name)["no total"])

    assert {one.total for one in told} == {None}
    assert told[-1].step == 12.0


def test_rich_bars() -> None:
    found = parts("rich-15.0.0-terminal.log")

    assert fractions(read(found["one bar"]))[-1] == 1.0
    assert read(found["nested"])[-1].fraction == pytest.approx(29 / 30)


def test_the_seconds_of_a_step_are_passed_on_where_they_are_printed() -> None:
    (told,) = read(b"Epoch 2/10: 45%|####  | 450/1000 [00:32<00:40, 12.5it/s]\n")

    assert (told.step_s, told.unit) == (0.08, "it")


def test_headings_may_count_from_zero() -> None:
    told = read(b"Epoch 0/1\n1/2 [=>..]\n2/2 [==]\nEpoch 1/1\n1/2 [=>..]\n2/2 [==]\n")

    assert [one.epoch for one in told if one.phase is Phase.TRAIN] == [1.0, 1.0, 2.0, 2.0]
    assert told[-1].fraction == 1.0


def test_preparation_without_a_name_gives_way_to_what_outlasts_it() -> None:
    reader = Reader()
    reader.feed(b"100%|##| 30/30 [00:01<00:00, 30it/s]\n")
    reader.feed(b"  1%|  | 1/100 [00:01<01:39, 1s/it]\n")
    (told,) = reader.feed(b"  2%|  | 2/100 [00:02<01:38, 1s/it]\n")

    assert (told.step, told.total, told.phase) == (2.0, 100.0, Phase.TRAIN)


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.log")), ids=lambda path: path.name)
def test_pieces_cut_anywhere_tell_the_same(path: Path, size: int) -> None:
    output = path.read_bytes()
    reader = Reader()
    told = [
        one
        for first in range(0, len(output), size)
        for one in reader.feed(output[first : first + size])
    ]

    assert told == Reader().feed(output)
