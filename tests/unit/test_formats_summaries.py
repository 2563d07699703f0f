"""The documents that components leave for one another: each is read back as it was written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftlead_formats.summaries import (
    LONGEST_TEXT,
    TOP_FEATURES,
    CanaryAssessment,
    DriftSummary,
    RetrainingSummary,
    ServerFailure,
    TopFeature,
)
from driftlead_formats.verdicts import CanaryVerdict, DriftVerdict, PredictionShift, RetrainingResult

texts = st.text(max_size=40)
counts = st.integers(0, 2**53)
tops = st.builds(TopFeature, name=texts, value=texts, low=texts, high=texts)
drift_summaries = st.builds(
    DriftSummary,
    report=texts,
    version=texts,
    verdict=st.sampled_from(DriftVerdict),
    exit_code=st.integers(0, 255),
    rows=counts,
    consecutive=counts,
    window_from=texts,
    window_to=texts,
    uri=texts,
    message=texts,
    independence_assumed=st.booleans(),
    statistic=st.text(min_size=1, max_size=9),
    top=st.lists(tops, max_size=TOP_FEATURES).map(tuple),
)
retraining_summaries = st.builds(
    RetrainingSummary,
    result=st.sampled_from(RetrainingResult),
    message=texts,
    version=texts,
    metrics=st.dictionaries(texts, st.integers(-99999, 99999).map(float), max_size=3),
)
assessments = st.builds(
    CanaryAssessment,
    verdict=st.sampled_from(CanaryVerdict),
    message=texts,
    prod=texts,
    canary=texts,
    since=texts,
    at=texts,
    minutes=counts,
    prod_requests=counts,
    canary_requests=counts,
    requests_needed=st.none() | counts,
    checks=st.dictionaries(texts, st.sampled_from(CanaryVerdict), max_size=3),
    predictions=st.sampled_from(PredictionShift),
    split_mismatch=st.booleans(),
    not_tested=st.lists(texts, max_size=3).map(tuple),
    error=texts,
)
server_failures = st.builds(ServerFailure, reason=texts, message=texts, version=texts)
Document = DriftSummary | RetrainingSummary | CanaryAssessment | ServerFailure
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@given(drift_summaries | retraining_summaries | assessments | server_failures)
def test_what_was_written_is_read_back(document: Document) -> None:
    assert type(document).parse(document.dump()) == document


@pytest.mark.parametrize("kind", [DriftSummary, RetrainingSummary, CanaryAssessment, ServerFailure])
def test_a_document_of_another_schema_is_not_read(kind: type[Document]) -> None:
    assert kind.parse({"schema": "something/v1", "verdict": "drift"}) is None
    assert kind.parse(None) is kind.parse([]) is kind.parse("text") is None


@given(st.sampled_from([DriftSummary, RetrainingSummary, CanaryAssessment, ServerFailure]), st.data())
def test_whatever_stands_in_a_document_reading_it_never_raises(kind: Any, data: st.DataObject) -> None:
    fields = {name: data.draw(anything) for name in kind.__dataclass_fields__}
    extra = {"window": data.draw(anything), "requests": data.draw(anything)}
    assert kind.parse({**fields, **extra, "schema": kind.SCHEMA}) is not None


def test_words_of_a_newer_release_are_read_with_care() -> None:
    drift = DriftSummary.parse({"schema": DriftSummary.SCHEMA, "verdict": "catastrophic"})
    retraining = RetrainingSummary.parse({"schema": RetrainingSummary.SCHEMA, "result": "Postponed"})
    canary = CanaryAssessment.parse({"schema": CanaryAssessment.SCHEMA, "verdict": "superior"})
    assert drift is not None and drift.verdict is DriftVerdict.ERROR
    assert retraining is not None and retraining.result is RetrainingResult.FAILED
    assert canary is not None and canary.verdict is CanaryVerdict.UNDECIDED


def test_texts_of_a_pod_are_cut_to_what_status_can_hold() -> None:
    said = DriftSummary.parse({"schema": DriftSummary.SCHEMA, "message": "x" * 5000, "top": [{}] * 50})
    assert said is not None
    assert (len(said.message), len(said.top)) == (LONGEST_TEXT, TOP_FEATURES)
