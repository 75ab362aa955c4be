"""The page of forecast quality: whole in one file, and drawn in a browser without a complaint."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from noljima.report import evaluation
from noljima.report.forecasts import Witness
from noljima.report.page import quality

Driven = Callable[[Path], tuple[str, list[str]]]
Witnessed = Callable[[Sequence[float]], Witness]

HOSTILE = "</script><script>document.body.dataset.owned='1'</script><img src=x onerror=owned()>"

# Works every control of the page, then notes how many colours each canvas holds.
PROBE = """
<script>
const after = () => {
  document.querySelectorAll(".tools button").forEach((chip) => { chip.click(); chip.click(); });
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  document.querySelectorAll("select").forEach((select) => {
    select.selectedIndex = 1;
    select.dispatchEvent(new Event("change"));
  });
  const cells = document.querySelector("#density canvas");
  const box = cells.getBoundingClientRect();
  for (let x = 0; x < box.width; x += 4) {
    for (let y = 0; y < box.height; y += 4) {
      const told = document.body.dataset.tip || "";
      cells.dispatchEvent(new PointerEvent("pointermove",
        { bubbles: true, clientX: box.left + x, clientY: box.top + y }));
      const tip = document.querySelector("#density .tip");
      document.body.dataset.tip = tip.style.display === "block" ? tip.textContent : told;
    }
  }
  setTimeout(() => {
    const ink = [...document.querySelectorAll("canvas")].map((canvas) => {
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      return new Set(new Uint32Array(pixels.buffer)).size;
    });
    document.body.dataset.ink = JSON.stringify(ink);
    document.body.dataset.tables = document.querySelectorAll("details table").length;
  }, 300);
};
const wait = () => (document.documentElement.dataset.ready ? after() : setTimeout(wait, 20));
wait();
</script>
"""


def text_of(witness: Witness, title: str = "made up") -> str:
    found = evaluation.evaluate(title, witness)
    return quality.text(title, {"trace": title}, found, witness)


def data_of(text: str) -> Any:  # noqa: ANN401 - JSON
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None
    return json.loads(found[1])


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path: Path, witnessed: Witnessed) -> None:
    witness = witnessed([30.0] * 5)
    found = evaluation.evaluate("made up", witness)
    path = quality.write(tmp_path / "new", "A log", {}, found, witness)
    text = path.read_text(encoding="utf-8")

    assert path == tmp_path / "new" / "index.html"
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert "default-src 'none'" in text
    assert "pinball loss of q80" in text.split('<script type="application/json"')[0]


def test_a_hostile_name_is_text(witnessed: Witnessed) -> None:
    text = text_of(witnessed([30.0]), HOSTILE)

    assert text.count("<script") == 3
    assert "<img" not in text


def test_every_job_is_in_one_cell_for_each_source(witnessed: Witnessed) -> None:
    told = data_of(text_of(witnessed([1.0, 30.0, 99.0, 30.0])))["density"]

    assert [sum(counts) for _, _, counts in told["cells"]] == [4, 4, 4]
    # The limit is always the same.
    assert len(set(told["cells"][2][1])) == 1


def test_curves_are_as_long_as_their_axes(witnessed: Witnessed) -> None:
    told = data_of(text_of(witnessed([30.0, 40.0] * 20)))

    assert [len(values) for values in told["coverage"]["off"]] == [1, 1, 1]
    assert told["coverage"]["jobs"] == 40
    assert {len(values) for values in told["loss"]["mean"]} == {len(told["loss"]["levels"])}
    assert sum(value is not None for value in told["reliability"]["quantiles"]) == 3
    assert len(told["reliability"]["curve"]) == len(told["reliability"]["levels"])


@pytest.mark.parametrize("jobs", [1, 60])
def test_the_page_draws_everything_in_a_browser_and_its_controls_work(
    jobs: int, tmp_path: Path, driven: Driven, witnessed: Witnessed
) -> None:
    text = text_of(witnessed([20.0 + 3 * (number % 7) for number in range(jobs)]), HOSTILE)
    # The policy against foreign scripts would keep out the probe, too.
    text = re.sub(r"<meta http-equiv=[^>]*>", "", text).replace("</body>", PROBE)
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8")
    elements, complaints = driven(path)
    ink = re.search(r'data-ink="\[([0-9,]*)\]"', elements)

    assert complaints == []
    assert ink is not None
    assert len(ink[1].split(",")) == 4
    assert all(int(colours) > 4 for colours in ink[1].split(","))
    assert 'data-tables="3"' in elements
    assert f"of {jobs} jobs" in elements
    assert "data-owned" not in elements
