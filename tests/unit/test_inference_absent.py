"""A column that was not sent is refused by name, whatever the protocol; null must be written."""

import pytest

from driftlead_inference.problems import Refused
from driftlead_inference.protocols import mlflow
from driftlead_inference.rows.signature import Feature, Signature
from driftlead_inference.rows.validation import RowValidator

SIGNATURE = Signature((Feature("a"), Feature("b"), Feature("c", required=False)), named=True)
TAKES_NULLS = RowValidator(SIGNATURE, frozenset({0, 1, 2}))


def csv(body: bytes) -> list[list[object]]:
    return mlflow.decode(body, b"text/csv", TAKES_NULLS, 100)


def test_an_absent_column_is_refused_and_an_optional_one_is_null() -> None:
    with pytest.raises(Refused) as refused:
        TAKES_NULLS.admit_row({"a": 1, "c": 2})
    assert refused.value.problem.about["field"] == "b"
    assert TAKES_NULLS.admit_row({"a": 1, "b": None}) == [1.0, None, None]


@pytest.mark.parametrize(
    "body",
    [b"a,b\n1,2\n", b"\xef\xbb\xbfa,b\n1,2\n", b" a , b\n1, 2\n", b"x,b,a,x\n0,2,1,0\n", b"a,b,c\n1,2,NaN\n"],
)
def test_csv_with_every_required_column_is_read(body: bytes) -> None:
    assert csv(body) == [[1.0, 2.0, None]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"a\n1\n", "'b' was not sent"),
        (b"a;b;c\n1;2;3\n", "cut by ';'"),
        (b"a\tb\n1\t2\n", "cut by"),
        (b"1,2,3\n4,5,6\n", "'a' was not sent"),
        (b"a,b,a\n1,2,3\n", "'a' came 2 times"),
    ],
)
def test_csv_without_one_is_refused_by_name(body: bytes, words: str) -> None:
    with pytest.raises(Refused) as refused:
        csv(body)
    assert words in refused.value.problem.detail
