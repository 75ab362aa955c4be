"""The ablation of the history: every part is left out once, beside the same jobs."""

from __future__ import annotations

from pathlib import Path

from bench import ablation

from noljima.prediction.parts import EXPERTS


def test_each_variant_changes_one_thing_and_every_expert_is_in_one() -> None:
    variants = list(ablation.VARIANTS.values())

    assert variants[0] == ablation.WHOLE
    assert len(set(variants)) == len(variants)
    assert {name for parts in variants for name in parts.experts} == set(EXPERTS)


def test_the_table_has_a_row_for_each_variant(tmp_path: Path) -> None:
    fields = "{n} {at} -1 {run} 2 -1 -1 2 3600 -1 1 {user} -1 -1 -1 -1 -1 -1"
    rows = [fields.format(n=n, at=60 * n, run=100 + n % 5, user=n % 3) for n in range(1, 61)]
    log = tmp_path / "made-up.swf"
    log.write_text("; MaxProcs: 16\n" + "\n".join(rows) + "\n")
    witness = ablation.judged(log, ablation.VARIANTS, until_jobs=50)
    lines = ablation.table(witness).splitlines()

    assert len(witness) == 50
    assert len(lines) == 2 + len(ablation.VARIANTS)
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == list(
        ablation.VARIANTS
    )
    assert all(line.count("|") == lines[2].count("|") for line in lines[1:])
