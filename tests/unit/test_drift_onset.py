"""When within a window it began: stretches of time, the change found in them, and what is said of it."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from driftlead_drift.__main__ import main
from driftlead_drift.judging.facts import WindowCounts
from driftlead_drift.judging.features import FeatureJudgement
from driftlead_drift.judging.judge import Judgement, judge
from driftlead_drift.judging.policy import Policy
from driftlead_drift.judging.stretches import FEWEST, MOST, edges
from driftlead_drift.statistics import onset
from driftlead_drift.statistics.psi import psi
from driftlead_drift.traffic.counting import Counter
from driftlead_formats.baseline import Baseline, build
from driftlead_formats.durations import DAY, HOUR, ROUND_LENGTHS

START = datetime(2011, 7, 1, tzinfo=UTC).timestamp()
POLICY = Policy(persistence=1, period=7.0 * DAY, window=7.0 * DAY)


def traffic(
    random: np.random.Generator, rows: int, start: float, days: float
) -> tuple[np.ndarray, np.ndarray]:
    """Times, and a measure that is warmer by day."""
    seconds = np.sort(random.uniform(start, start + days * DAY, rows))
    return seconds, random.normal(size=rows) + np.sin(2 * np.pi * seconds / DAY)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    seconds, values = traffic(np.random.default_rng(0), 20_000, START - 180 * DAY, 60)
    return build({"x": values}, time=seconds)


def judged(baseline: Baseline, seconds: np.ndarray, values: np.ndarray) -> Judgement:
    counter = Counter(baseline, edges(seconds.min(), seconds.max(), len(seconds)))
    counter.add(values[:, None].astype(np.float32), np.full(len(values), np.nan), seconds)
    window = WindowCounts(
        features=counter.features,
        rows=len(values),
        start=float(seconds.min()),
        end=float(seconds.max()) + 1,
        stretches=counter.stretches,
    )
    return judge(baseline, window, POLICY)


def shifted(baseline: Baseline, seed: int, began: float, ended: float, by: float = 1.5) -> FeatureJudgement:
    """A week in which values are larger from day `began` to day `ended`."""
    seconds, values = traffic(np.random.default_rng(seed), 5000, START, 7)
    values[(seconds >= START + began * DAY) & (seconds < START + ended * DAY)] += by
    return judged(baseline, seconds, values).features[0]


@pytest.mark.parametrize("seed", range(10))
def test_a_shift_is_dated_to_within_a_few_hours_although_every_day_has_its_own_course(
    baseline: Baseline, seed: int
) -> None:
    seen = shifted(baseline, seed, 2.6, 7).over_time
    assert seen is not None
    assert seen.began is not None
    assert abs(seen.began - (START + 2.6 * DAY)) <= 6 * HOUR
    assert seen.ended is None
    assert seen.sentence.startswith("Since about 2011-07-03 ")


@pytest.mark.parametrize("seed", range(5))
def test_what_is_over_again_is_not_said_to_go_on(baseline: Baseline, seed: int) -> None:
    seen = shifted(baseline, seed, 2, 4, by=2.5).over_time
    assert seen is not None
    assert seen.began is not None
    assert seen.ended is not None
    assert abs(seen.began - (START + 2 * DAY)) <= 6 * HOUR
    assert abs(seen.ended - (START + 4 * DAY)) <= 6 * HOUR
    assert seen.sentence.startswith("From about 2011-07-0")


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_of_the_whole_window_has_no_date(baseline: Baseline, seed: int) -> None:
    seen = shifted(baseline, seed, 0, 7).over_time
    assert seen is not None
    assert (seen.began, seen.ended) == (None, None)
    assert seen.sentence == "All through the window, from its start on"


@pytest.mark.parametrize("seed", range(10))
def test_of_a_quiet_week_nothing_is_said_and_hardly_a_stretch_stands_out(
    baseline: Baseline, seed: int
) -> None:
    judgement = shifted(baseline, seed, 0, 0)
    assert judgement.status == "stable"
    assert judgement.over_time is not None
    assert judgement.over_time.sentence == ""
    assert len(judgement.over_time.apart) <= 1


def test_what_cannot_be_dated_is_not_dated(baseline: Baseline) -> None:
    seconds, values = traffic(np.random.default_rng(0), 5000, START, 7)
    every_other = (seconds - START) // (12 * HOUR) % 2 == 1
    values[every_other] += 2.5
    seen = judged(baseline, seconds, values).features[0]
    assert seen.status.is_drift
    assert seen.over_time is not None
    assert not seen.over_time.sentence.startswith(("Since", "From"))


def test_the_verdicts_sentence_says_since_when(baseline: Baseline) -> None:
    seconds, values = traffic(np.random.default_rng(1), 5000, START, 7)
    values[seconds >= START + 2.6 * DAY] += 1.5
    assert "Since about 2011-07-03 " in judged(baseline, seconds, values).summary


def test_without_times_there_is_nothing_to_say(baseline: Baseline) -> None:
    _, values = traffic(np.random.default_rng(1), 5000, START, 7)
    counts = WindowCounts(features=baseline.count(values[:, None] + 2), rows=5000)
    judgement = judge(baseline, counts, Policy(period=None, persistence=1))
    assert judgement.features[0].over_time is None


def test_the_order_of_a_files_rows_does_not_matter_and_the_terminal_says_since_when(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(3)
    said = []
    for name, order in (("reference", 1), ("sorted", 1), ("reversed", -1)):
        days, start = (60, START - 90 * DAY) if name == "reference" else (7, START)
        seconds, values = traffic(np.random.default_rng(len(name)), 4000, start, days)
        if name != "reference":
            seconds, values = traffic(np.random.default_rng(9), 4000, start, days)
            values[seconds >= START + 4.5 * DAY] += 2
        kind = random.choice(["a", "b"], 4000)
        lines = [
            f"{datetime.fromtimestamp(when, UTC).isoformat()},{value},{each}"
            for when, value, each in zip(seconds, values, kind, strict=True)
        ]
        (tmp_path / f"{name}.csv").write_text("\n".join(["when,x,kind", *lines[::order]]))
    make = ["baseline", "--data", f"{tmp_path}/reference.csv", "--time-column", "when"]
    assert main([*make, "--out", f"{tmp_path}/b.json"]) == 0
    for name in ("sorted", "reversed"):
        capsys.readouterr()
        check = ["check", "--baseline", f"{tmp_path}/b.json", "--data", f"{tmp_path}/{name}.csv"]
        assert main([*check, "--time-column", "when", "--report", f"{tmp_path}/{name}"]) == 2
        said.append(capsys.readouterr().out.splitlines()[0])
    assert said[0].split("Since about ")[1] == said[1].split("Since about ")[1]
    assert "Since about 2011-07-05 1" in said[0]


@pytest.mark.parametrize("rows", [10, 800, 3000, 1_000_000])
@pytest.mark.parametrize("span", [30.0, 3600.0, 26 * HOUR, 7.0 * DAY, 400.0 * DAY, 4000.0 * DAY])
def test_stretches_cover_the_window_and_are_neither_few_nor_many(span: float, rows: int) -> None:
    found = edges(START + 17.5, START + 17.5 + span, rows)
    assert found is not None
    assert found[0] <= START + 17.5
    assert found[-1] > START + 17.5 + span
    assert len(found) - 1 <= (MOST if rows > 4800 else max(FEWEST, rows // 100))
    lengths = np.diff(found)
    assert lengths == pytest.approx(lengths[0])
    if lengths[0] in ROUND_LENGTHS:
        assert found[0] % min(lengths[0], DAY) == 0


def test_a_window_of_one_moment_has_no_stretches() -> None:
    assert edges(START, START, 500) is None


def test_a_stretchs_distance_is_its_psi_less_what_chance_adds() -> None:
    random = np.random.default_rng(2)
    reference, counts = random.multinomial(5000, [0.1] * 10), random.multinomial(300, [0.1] * 10, 4)
    found = onset.distances(reference, counts)
    for corrected, stretch in zip(found.corrected, counts, strict=True):
        index = psi(reference, stretch)
        assert corrected == pytest.approx(index.value - index.freedom * index.noise)


def test_chance_makes_some_stretch_stand_out_in_one_of_a_hundred_features() -> None:
    random = np.random.default_rng(4)
    reference = random.multinomial(100_000, [0.1] * 10)
    stands_out = [
        onset.distances(reference, random.multinomial(200, [0.1] * 10, 40)).significant.any()
        for _ in range(500)
    ]
    assert np.mean(stands_out) <= 0.03
