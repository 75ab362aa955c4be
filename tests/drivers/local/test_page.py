"""The page on the workstation driver says what is there, and its program runs."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from noljima.drivers.local.shim import folder as files
from noljima.drivers.local.shim.environment import compose
from noljima.drivers.local.shim.orders import Orders, Worker
from noljima.drivers.local.spec import PASSED_ON, RunSpec

PAGE = Path(__file__).parents[3] / "docs" / "workstation-driver.md"


def test_its_program_runs_a_job() -> None:
    text = PAGE.read_text()
    (block,) = re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    source = "\n" * text.count("\n", 0, block.start(1)) + block[1]

    exec(compile(source, str(PAGE), "exec"), {"__name__": "page"})  # noqa: S102 - our own page


def test_every_file_and_every_variable_is_on_it() -> None:
    text = PAGE.read_text()
    here = ["true"]
    gang = [Worker("worker", rank, {}) for rank in range(2)]
    token = "t"  # noqa: S105 - no secret
    orders = Orders("j", 1, token, here, "/", {}, gang, None)
    names = {*compose(orders, 0, [1, 2], "/"), *PASSED_ON} - {"NOLJIMA_RUN"}
    for name in [*names, files.ORDERS, files.CLAIM, files.STATE, files.REQUEST, files.EXIT]:
        assert f"`{name}`" in text, name


def test_every_grace_is_on_it() -> None:
    text = PAGE.read_text()
    for field in msgspec.structs.fields(RunSpec):
        if field.name.endswith("_grace_s"):
            assert f"`{field.name}`" in text, field.name
