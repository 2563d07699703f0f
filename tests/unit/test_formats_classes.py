"""A class that the server writes is found by the label that comes for it later, whatever type either has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftlead_drift.judging.truth import Labelled, label_result
from driftlead_formats.classes import class_name

# The log's column `label` keeps doubles, which tell integers apart up to some 15 digits.
whole = st.integers(-(10**15), 10**15)


@given(whole)
def test_a_number_is_spelled_alike_whatever_holds_it(number: int) -> None:
    spelled = {class_name(each) for each in (number, float(number), np.int64(number), np.float64(number))}
    assert len(spelled) == 1


@given(st.booleans())
def test_a_truth_value_is_spelled_as_its_number(value: bool) -> None:
    assert class_name(value) == class_name(np.bool_(value)) == class_name(int(value)) == f"{value:d}"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_small_float_is_spelled_as_the_double_of_its_value(value: float) -> None:
    assert class_name(np.float32(value)) == class_name(value)


@given(st.text(st.characters(exclude_characters="\0")))  # NumPy and Postgres know no text with a NUL
def test_text_is_spelled_as_it_is(text: str) -> None:
    assert class_name(text) == class_name(np.str_(text)) == text


@given(st.lists(whole, min_size=2, max_size=4, unique=True), st.data())
def test_the_true_class_is_found_among_the_probabilities_that_the_server_wrote(
    classes: list[int], data: st.DataObject
) -> None:
    shares = {class_name(each): (place + 1) / 16 for place, each in enumerate(classes)}
    true = data.draw(st.sampled_from(classes))
    said = data.draw(st.sampled_from(classes))
    found = label_result(Labelled(float(true), None, float(said), None, shares))
    assert found.truth == pytest.approx(shares[class_name(true)])
    assert found.wrong is (true != said)


@given(st.lists(st.text(max_size=5), min_size=2, max_size=4, unique=True), st.data())
def test_the_true_text_is_found_among_the_probabilities_that_the_server_wrote(
    classes: list[str], data: st.DataObject
) -> None:
    shares = {class_name(each): (place + 1) / 16 for place, each in enumerate(classes)}
    true = data.draw(st.sampled_from(classes))
    found = label_result(Labelled(None, true, float(classes.index(true)), true, shares))
    assert (found.wrong, found.truth) == (False, shares[true])
