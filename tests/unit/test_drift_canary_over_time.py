"""The comparison over its time: curves, since when the canary is worse, whether evidence still grows."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from driftlead_drift.judging.canary import judge_canary
from driftlead_drift.judging.canary_over_time import over_time
from driftlead_drift.judging.comparison import CanaryPolicy
from driftlead_drift.judging.evidence import Evidence, Minutes, PodMinute, arms, whole_minutes
from driftlead_drift.report import canary_document, canary_page, curves
from driftlead_drift.report.schemas import encode
from driftlead_formats.histograms import LATENCY_EDGES_MS, latency_counts, latency_quantile
from driftlead_formats.traffic import Traffic

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = CanaryPolicy(latency_threshold_ms=50.0)


def side(name: str, seed: int, *, each: int, minutes: int, bad_from: int | None = None) -> Minutes:
    """A side that fails 1 % of its requests, from a minute on a fifth, and is then twice as slow."""
    random = np.random.default_rng(seed)
    pods = {}
    for minute in range(minutes):
        worse = bad_from is not None and minute >= bad_from
        failed = random.binomial(each, 0.2 if worse else 0.01)
        latency = random.lognormal(3.5 if worse else 2.5, 0.5, each - failed)
        pods[START + timedelta(minutes=minute)] = {
            "pod": PodMinute(each, failed, latency_counts(latency), rows=5 * each)
        }
    traffic = Traffic(model_name="m", model_version=name, deployment=name)
    return Minutes(traffic=traffic, pods=pods)


def evidence(minutes: int, bad_from: int | None, seed: int = 0) -> Evidence:
    sides = (
        side("prod", seed, each=90, minutes=minutes),
        side("canary", seed + 1, each=30, minutes=minutes, bad_from=bad_from),
    )
    end = START + timedelta(minutes=minutes)
    judgement = judge_canary(*arms(*sides, whole_minutes(START, end)), POLICY)
    return Evidence(
        prod=sides[0].traffic, canary=sides[1].traffic, start=START, end=end, judgement=judgement, bins=None,
        sides=sides, notes=(),
    )  # fmt: skip


def document(look: Evidence) -> dict[str, Any]:
    found = canary_document.report("run", START, look, POLICY, "1")
    encode(found)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_a_canary_that_becomes_worse_is_dated_to_within_some_minutes(seed: int) -> None:
    found = over_time(evidence(90, 40, seed), POLICY)
    assert found is not None
    for check in found.checks:
        assert check.began is not None
        assert abs(check.began - (START + timedelta(minutes=40)).timestamp()) <= 4 * 60
        assert check.sentence.startswith("Since about 2026-01-01 00:")


def test_one_that_is_worse_from_the_start_has_no_date() -> None:
    found = over_time(evidence(60, 0), POLICY)
    assert found is not None
    assert [check.began for check in found.checks] == [None, None]
    assert all(check.passed is not None for check in found.checks)
    assert all(check.sentence.startswith("From the start on") for check in found.checks)


def test_of_an_equal_canary_no_date_is_said() -> None:
    found = over_time(evidence(60, None), POLICY)
    assert found is not None
    for check in found.checks:
        assert (check.began, check.passed, check.sentence) == (None, None, "")


def test_the_curves_add_up_to_what_was_compared() -> None:
    look = evidence(61, 40)
    found = document(look)
    seen = found["over_time"]
    for name, minutes in zip(("prod", "canary"), look.sides, strict=True):
        assert sum(seen[name]["requests"]) == minutes.requests == found[name]["requests"]
        assert sum(seen[name]["failed"]) == minutes.errors
        assert sum(seen[name]["rows"]) == found[name]["rows"] == 5 * minutes.requests
        assert sum(seen[name]["answered"]) == minutes.requests - minutes.errors
    assert len(seen["edges"]) == len(seen["prod"]["p50_ms"]) + 1 <= 49
    late = seen["canary"]["p50_ms"][-1] / seen["prod"]["p50_ms"][-1]
    assert late == pytest.approx(np.e, rel=0.4)
    assert all(p99 >= p50 for p50, p99 in zip(seen["prod"]["p50_ms"], seen["prod"]["p99_ms"], strict=True))


def test_the_last_point_of_evidence_is_what_the_check_says() -> None:
    look = evidence(90, 40)
    for drawn, check in zip(document(look)["over_time"]["checks"], look.judgement.checks, strict=True):
        assert drawn["worse"][-1] == pytest.approx(check.log_worse, rel=1e-3)
        assert drawn["needed"] == pytest.approx(check.needed)
        assert drawn["worse"] == sorted(drawn["worse"])


def test_the_page_has_a_picture_of_each_and_says_since_when() -> None:
    found = document(evidence(90, 40))
    html = canary_page.render(found)
    for title in ("requests failed", "slower than", "latency", "evidence in errors", "requests in 2 minutes"):
        assert title in html
    assert "Since about 2026-01-01 00:" in html
    assert "rows" in html
    assert "nan" not in html.lower().replace("driftlead", "")
    assert "Since about" in canary_page.words(found, "")


def test_a_difference_beside_its_interval_is_explained() -> None:
    check = {"interval": [0.11, 0.14], "canary": 0.19, "prod": 0.01}
    assert "changed over time" in canary_page.moved(check)
    assert canary_page.moved({**check, "canary": 0.14}) == ""
    assert canary_page.moved({**check, "interval": None}) == ""


def test_much_evidence_is_drawn_so_that_the_threshold_is_still_seen() -> None:
    found = document(evidence(300, 0))
    drawn = {panel.title: panel for panel in curves.panels(found["over_time"], 57.9)}["evidence in errors"]
    assert drawn.logarithmic
    line = re.search(r"M40 ([\d.]+)H342M", curves.draw(drawn, found["over_time"]["edges"]).split("since")[-1])
    assert line is not None
    assert curves.TOP + 10 < float(line[1]) < curves.BASE - 10


def test_what_has_no_histograms_has_no_curves() -> None:
    look = evidence(60, None)
    bare = tuple(Minutes(traffic=each.traffic) for each in look.sides)
    found = document(Evidence(**{**{n: getattr(look, n) for n in look.__slots__}, "sides": bare}))
    assert found["over_time"] is None
    assert "evidence in" not in canary_page.render(found)


def test_the_terminal_says_what_was_not_tested() -> None:
    found = document(evidence(60, None))
    assert found["not_tested"]
    lines = canary_page.words(found, "").splitlines()
    assert [line for line in lines if line.startswith("not tested: ")] == [
        f"not tested: {each}" for each in found["not_tested"]
    ]


@pytest.mark.parametrize("values", [[], [0.0], [3.0], [0.2, 1e7], [None, 5.0, None]])
def test_a_picture_stays_within_its_frame(values: list[float | None]) -> None:
    edges = [(START + timedelta(minutes=at)).isoformat() for at in range(len(values) + 1)]
    for logarithmic in (False, True):
        line = curves.Line(style="prod", label="prod", values=values)
        panel = curves.Panel(title="t", said="", lines=[line], logarithmic=logarithmic)
        picture = curves.draw(panel, edges if values else [*edges, edges[0]])
        for y in re.findall(r"[ML][\d.]+ ([\d.]+)", picture):
            assert 0 <= float(y) <= curves.HEIGHT


@pytest.mark.parametrize("level", [0.5, 0.99])
def test_a_latency_quantile_lies_within_a_bin_of_the_requests_own(level: float) -> None:
    latency = np.random.default_rng(0).lognormal(2, 0.7, 5000)
    found = latency_quantile(latency_counts(latency), level)
    assert found == pytest.approx(np.quantile(latency, level), rel=0.1)
    assert np.isnan(latency_quantile(latency_counts([]), level))
    assert latency_quantile(latency_counts([1e9]), level) == LATENCY_EDGES_MS[-1]
