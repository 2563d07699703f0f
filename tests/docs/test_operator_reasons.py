"""Every condition, reason and event that the operator writes stands in the reference, and no other does."""

import re
from pathlib import Path

import pytest

from driftlead_operator.decisions.reasons import Condition, Documented, EventReason, Reason

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/conditions.md").read_text()


@pytest.mark.parametrize(
    "word", [*Condition, *Reason, *EventReason], ids=lambda word: f"{type(word).__name__}-{word}"
)
def test_each_word_stands_in_the_reference_with_its_meaning(word: Documented) -> None:
    assert f"| `{word}` | {word.meaning} |" in PAGE


def test_the_reference_explains_no_word_that_is_never_written() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert explained == {str(word) for kind in (Condition, Reason, EventReason) for word in kind}


def test_each_word_is_written_by_some_module_of_the_operator() -> None:
    package = Path(__file__).resolve().parents[2] / "operator/driftlead_operator"
    code = "".join(each.read_text() for each in package.rglob("*.py") if each.name != "reasons.py")
    unused = [
        f"{kind.__name__}.{word.name}"
        for kind in (Condition, Reason, EventReason)
        for word in kind
        if f"{kind.__name__}.{word.name}" not in code and word is not Reason.PENDING  # the CRD's own default
    ]
    assert unused == []
