"""What takes its time: jobs that say how far they are, a machine switched off, what-ifs."""

from __future__ import annotations

import pytest

from noljima.control.client import RefusedError
from noljima.control.messages import Compared, Done, Down, WhatIf
from noljima.model.job import Checkpoint
from noljima.testing.premises import Premises

SAVES = """
trap 'touch "$NOLJIMA_CHECKPOINT"; exit 0' USR1
echo "attempt $NOLJIMA_ATTEMPT" >> attempts
while :; do sleep 0.05; done
"""


def test_how_far_a_job_is_reaches_people_and_the_engine(premises: Premises) -> None:
    premises.up()
    text = """
    echo '{"step": 50, "total": 200}' > $NOLJIMA_PROGRESS; sleep 1000
    """
    (row,) = premises.submit(premises.shell(text))
    premises.until_state(row.job, "running")
    premises.until(lambda: premises.rows()[row.job].progress == 0.25)
    premises.down()

    # It went through the journal, as everything that the engine learns.
    journal = (premises.state / "noljima.db").read_bytes()
    assert b'"type":"Progressed"' in journal


def test_before_the_machine_is_switched_off_jobs_save_and_go_on_after_it(
    premises: Premises,
) -> None:
    premises.up()
    job = premises.shell(SAVES, checkpoint=Checkpoint(interval_s=60.0), checkpoint_grace_s=30.0)
    (row,) = premises.submit(job)
    attempts = premises.root / "attempts"
    premises.until(attempts.exists)
    premises.ask(Down(stop_jobs=True), Done)
    assert premises.process is not None
    ended = premises.process.wait(60)
    premises.process = None
    before = attempts.read_text()
    premises.up()
    premises.until(lambda: attempts.read_text() != before)
    after = premises.until_state(row.job, "running")

    assert ended == 0
    assert before == "attempt 1\n"
    assert attempts.read_text() == "attempt 1\nattempt 2\n"
    assert (after.attempt, after.evictions) == (2, 1)


def test_what_if_tries_a_job_that_is_changed_and_jobs_that_are_added(premises: Premises) -> None:
    premises.up()
    (runs, waits) = premises.submit(
        premises.shell("sleep 1000", 6, evictable=False),
        premises.shell("true", 8, evictable=False),
    )
    premises.until_state(runs.job, "running")
    smaller = premises.ask(WhatIf(job=waits.job, workers=2), Compared)
    more = premises.ask(
        WhatIf(submissions=(premises.shell("true", 2, name="new", evictable=False),)), Compared
    )

    (shift,) = [each for each in smaller.shifts if each.job == waits.job]
    assert shift.start_s is not None
    assert shift.would_s == pytest.approx(smaller.now_s, abs=5.0)
    assert "2 workers" in smaller.change
    assert {each.job for each in more.shifts} == {waits.job, "(new)"}
    with pytest.raises(RefusedError, match="is running; only one that waits can be changed"):
        premises.client.ask(WhatIf(job=runs.job, workers=2))
    # Nothing of it is there.
    assert set(premises.rows()) == {runs.job, waits.job}
