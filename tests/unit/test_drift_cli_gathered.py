from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from driftlead_drift.check.from_database import not_kept, notes
from driftlead_drift.check.gathered import Gathered
from driftlead_drift.commandline import settings_from
from driftlead_drift.judging.facts import Window, WindowCounts
from driftlead_drift.judging.judge import judge
from driftlead_drift.judging.policy import Policy
from driftlead_drift.report.document import Subject
from driftlead_drift.settings import CheckSettings
from driftlead_drift.traffic.counting import Counter, Counts
from driftlead_formats.baseline import Baseline, build
from driftlead_formats.traffic import Traffic

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RANDOM = np.random.default_rng(3)
COLUMNS = {name: RANDOM.normal(size=4000) for name in ("a", "secret", "c")}


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    hours = np.arange(4000) * 600.0
    return build(COLUMNS, time=hours, prediction=RANDOM.integers(0, 2, 4000).astype(float))


def gathered(baseline: Baseline, *names: str) -> Gathered:
    counter = Counter(baseline)
    matrix = np.column_stack([RANDOM.normal(size=2000), np.full(2000, np.nan), RANDOM.normal(size=2000)])
    counter.add(matrix.astype(np.float32), RANDOM.integers(0, 2, 2000).astype(float))
    window = WindowCounts(
        features=counter.features,
        prediction=counter.prediction,
        rows=2000,
        version="1",
        baseline_sha256=baseline.sha256,
    )
    subject = Subject(
        run_id="r",
        created=NOW,
        traffic=Traffic(model_name="m", model_version="1", deployment="prod"),
        start=NOW,
        end=NOW,
    )
    return Gathered(subject=subject, baseline=baseline, window=window, not_kept=names)


def test_a_feature_that_is_never_logged_does_not_drift(baseline: Baseline) -> None:
    policy = Policy(period=None, persistence=1)
    assert judge(*gathered(baseline).judged(), policy).status == "severe"
    told = judge(*gathered(baseline, "secret").judged(), policy)
    assert told.status == "stable"
    assert [feature.name for feature in told.features] == ["a", "c"]
    assert told.prediction is not None
    assert told.independence == "time"


def test_features_are_missing_from_the_log_by_setting_or_because_no_histogram_counts_them(
    baseline: Baseline,
) -> None:
    vectors = gathered(baseline).window.features
    counts = Counts(features=vectors, prediction=None, rows=2000, scanned=2000)
    assert not_kept(settings_from(CheckSettings, {}), baseline, counts) == []
    assert not_kept(settings_from(CheckSettings, {"log_redact": "secret, x"}), baseline, counts) == ["secret"]
    nothing = [vectors[0], np.zeros_like(vectors[1]), vectors[2]]
    assert not_kept(settings_from(CheckSettings, {}), baseline, replace(counts, features=nothing)) == [
        "secret"
    ]


def test_a_reader_is_told_what_is_peculiar_about_a_window(baseline: Baseline) -> None:
    window = Window(start=NOW, end=NOW, cut=True, pending_since=NOW)
    counts = Counts(features=[], prediction=None, rows=10, scanned=100, every=10)
    said = " ".join(notes(window, counts, replace(baseline, note="made of a window"), ["secret"]))
    for part in (
        "another version",
        "every 10th of 100",
        "delivered its log only up to",
        "secret",
        "made of a window",
    ):
        assert part in said
    assert notes(Window(start=NOW, end=NOW), replace(counts, every=1), baseline) == []
