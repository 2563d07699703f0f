"""The report's page in a real browser: its layout holds at 360 and 1,400 px, in light and dark."""

import html
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftlead_drift.__main__ import main
from driftlead_drift.judging.canary import judge_canary
from driftlead_drift.judging.comparison import Arm, CanaryPolicy
from driftlead_drift.judging.evidence import Evidence, Minutes, PodMinute
from driftlead_drift.judging.performance import changed
from driftlead_drift.judging.truth import Labelled, Tally, label_result
from driftlead_drift.report import canary_document, canary_page
from driftlead_drift.report.schemas import encode
from driftlead_formats.baseline import build
from driftlead_formats.histograms import latency_counts
from driftlead_formats.traffic import Traffic

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here; run: apt-get install chromium")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=2000"]
MEASURE = """<!doctype html><body style="margin:0">
<iframe id="f" width="{width}" height="1200" style="border:0" srcdoc="{page}"></iframe>
<pre id="r"></pre><script>
addEventListener("load", () => {{
  const d = document.getElementById("f").contentDocument, w = {width}, out = [];
  for (const e of d.querySelectorAll("h1, h2, h3, p, dl, article, table, svg.bins, tr, svg text")) {{
    const b = e.getBoundingClientRect();
    if (b.right > w + 1 || b.left < -1) out.push(e.tagName + " " + Math.round(b.right));
  }}
  document.getElementById("r").textContent = JSON.stringify({{
    scroll: d.documentElement.scrollWidth, height: d.documentElement.scrollHeight, out,
    requests: performance.getEntriesByType("resource").length, cards: d.querySelectorAll("article").length,
    ground: document.getElementById("f").contentWindow.getComputedStyle(d.body).backgroundColor}});
}});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with drift since some day, a long hostile name, a category with many values, gaps."""
    folder = tmp_path_factory.mktemp("page")
    random = np.random.default_rng(0)
    for name, shift, start in (("reference", 0.0, 1.7e9), ("current", 1.0, 1.71e9)):
        columns = {f"feature_{i}": random.normal(0, 1, 3000) for i in range(18)}
        for i in range(3):
            columns[f"feature_{i}"][1000:] += shift
        columns["a_name_without_any_place_to_break_" * 4] = random.normal(size=3000)
        kinds = random.integers(0, 40, 3000)
        lines = [",".join([*columns, "<b>kind</b>", "time"])]
        rows = zip(*columns.values(), kinds, strict=True)
        lines += [
            ",".join(
                [
                    *(f"{v:.6f}" if abs(v) < 2.2 else "" for v in row[:-1]),
                    f"kind {row[-1]}",
                    f"{start + 200 * at}",
                ]
            )
            for at, row in enumerate(rows)
        ]
        (folder / f"{name}.csv").write_text("\n".join(lines))
    time = ["--time-column", "time"]
    assert main(["baseline", "--data", f"{folder}/reference.csv", "--out", f"{folder}/b.json", *time]) == 0
    check = ["check", "--baseline", f"{folder}/b.json", "--data", f"{folder}/current.csv"]
    assert main([*check, "--report", f"{folder}/out", *time, "--period", "none"]) == 2
    page = folder / "out/report.html"
    assert "Since about 2024-03-1" in page.read_text()
    return page


def tallies(random: np.random.Generator, minutes: int, each: int, *, odds: float) -> list[Tally]:
    """Labels of a classifier whose log odds are this many times the truth's."""
    found = []
    for _ in range(minutes):
        tally = Tally()
        for log_odds in random.normal(0, 1.5, each):
            label, said = random.random() < 1 / (1 + np.exp(-log_odds)), 1 / (1 + np.exp(-odds * log_odds))
            tally.add(label_result(Labelled(float(label), None, float(said), None, None)))
        found.append(tally)
    return found


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a comparison with every check, labels, and names that are hostile or long."""
    random = np.random.default_rng(1)
    start, minutes = datetime(2026, 1, 1, tzinfo=UTC), 60
    bins = build({"x": random.normal(size=500)}, prediction=random.normal(size=500)).prediction
    assert bins is not None
    arms, sides = [], []
    for version, each, odds in (("1", 90, 1.0), ("<i>2</i>", 30, -0.3)):
        requests = np.full(minutes, each)
        latency = np.stack([latency_counts(random.lognormal(2, 0.5, each)) for _ in requests])
        predictions = np.stack(
            [random.multinomial(each, np.full(bins.bin_count, 1 / bins.bin_count)) for _ in requests]
        )
        labels = tallies(random, minutes, each // 3, odds=odds)
        arms.append(
            Arm(
                requests=requests, errors=random.binomial(requests, 0.01), latency=latency,
                predictions=predictions, labels=labels,
            )
        )  # fmt: skip
        traffic = Traffic(
            model_name="a_model_without_any_place_to_break" * 3, model_version=version, deployment=version
        )
        when = {start + timedelta(minutes=at): count for at, count in enumerate(predictions.astype(float))}
        pods = {
            minute: {"pod": PodMinute(each, int(errors), counts)}
            for minute, errors, counts in zip(when, arms[-1].errors, latency, strict=True)
        }
        sides.append(Minutes(traffic=traffic, pods=pods, predictions=when))
    policy = CanaryPolicy(log_loss_margin=0.05)
    look = Evidence(
        prod=sides[0].traffic, canary=sides[1].traffic, start=start, end=start + timedelta(hours=1),
        judgement=judge_canary(arms[0], arms[1], policy), bins=bins, sides=(sides[0], sides[1]), notes=(),
        own=changed(tallies(random, 20, 50, odds=1.0), arms[0].labels or (), policy, 0.025),
    )  # fmt: skip
    document = canary_document.report("run", start, look, policy, "1")
    encode(document)
    file = tmp_path_factory.mktemp("comparison") / "compare.html"
    file.write_text(canary_page.render(document))
    return file


def browse(*arguments: str) -> str:
    assert BROWSER is not None
    run = subprocess.run(
        [BROWSER, *FLAGS, *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    return run.stdout


def measured(page: Path, folder: Path, width: int, *flags: str) -> dict[str, Any]:
    """What the browser made of the page in a frame of this width; the script that asks is the frame's."""
    frame = folder / "frame.html"
    frame.write_text(MEASURE.format(width=width, page=html.escape(page.read_text(), quote=True)))
    found = re.search(r'<pre id="r">(.*?)</pre>', browse(*flags, "--dump-dom", frame.as_uri()))
    assert found is not None
    seen: dict[str, Any] = json.loads(html.unescape(found[1]))
    return seen


@pytest.mark.timeout(240)
@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_sticks_out_and_nothing_is_fetched(page: Path, tmp_path: Path, width: int) -> None:
    seen = measured(page, tmp_path, width)
    assert seen["scroll"] <= width, seen
    assert seen["out"] == []
    assert seen["requests"] == 0
    assert seen["cards"] == 20
    assert seen["height"] > 2000


@pytest.mark.timeout(240)
@pytest.mark.parametrize("width", [360, 1400])
def test_the_comparisons_page_holds_too_with_all_that_labels_tell(
    comparison: Path, tmp_path: Path, width: int
) -> None:
    seen = measured(comparison, tmp_path, width)
    assert seen["scroll"] <= width, seen
    assert seen["out"] == []
    assert seen["requests"] == 0
    # errors, latency, quality, predictions; six curves; log loss and AUC; three of prod's own
    assert seen["cards"] == 15


@pytest.mark.timeout(240)
def test_light_and_dark_follow_the_reader_and_a_screenshot_is_not_empty(page: Path, tmp_path: Path) -> None:
    grounds = []
    for scheme in (0, 1):
        setting = f"--blink-settings=preferredColorScheme={scheme}"
        grounds.append(measured(page, tmp_path, 600, setting)["ground"])
        shot = tmp_path / f"{scheme}.png"
        browse(setting, "--window-size=600,900", f"--screenshot={shot}", page.as_uri())
        assert shot.read_bytes().startswith(b"\x89PNG")
        assert shot.stat().st_size > 30_000
    assert sorted(grounds) == ["rgb(22, 23, 21)", "rgb(255, 255, 255)"]
