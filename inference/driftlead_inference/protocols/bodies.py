"""What the protocols share: JSON objects, tables of rows, answers row by row."""

from typing import Any

import msgspec

from driftlead_inference.engines.outputs import Outputs
from driftlead_inference.jobs import Job
from driftlead_inference.problems import Refused, shown, unprocessable
from driftlead_inference.rows.validation import RowValidator

# What decoding raises; the last two come of text that is not UTF-8, and of lists nested too deep.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


NOT_JSON = {
    "NaN": "send null for a missing value",
    "Infinity": "send a finite number, or null for a missing value",
}


def invalid_json(body: bytes, error: Exception) -> Refused:
    """The refusal of a body that is not valid JSON."""
    words = str(error)
    hint = "".join(
        f"; {word} is not valid JSON: {do}" for word, do in NOT_JSON.items() if word.encode() in body
    )
    return unprocessable(f"the body is not valid JSON: {words}{hint}", expected="JSON")


def check_count(rows: int, limit: int) -> None:
    """Refuses no rows and too many rows."""
    if not 0 < rows <= limit:
        raise unprocessable(
            f"a request carries 1 to {limit} rows, seen {rows}; split it",
            field="features",
            seen=f"{rows} rows",
            expected=f"1 to {limit} rows",
        )


def wants_probabilities(query: bytes) -> bool:
    """Whether the query says `probabilities=true`. Raises `Refused` where it says neither true nor false."""
    if not query:
        return False
    pairs = [part.partition(b"=") for part in query.split(b"&")]
    values = {value for name, _, value in pairs if name == b"probabilities"}
    if odd := values - {b"true", b"false"}:
        word = min(odd).decode(errors="replace")[:60]
        raise unprocessable(
            f"`probabilities` is {word!r}; expected true or false",
            field="probabilities",
            seen=word,
            expected="true or false",
        )
    return b"true" in values


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object that a body must be. Raises `Refused`."""
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise invalid_json(body, error) from error
    if not isinstance(document, dict):
        raise unprocessable(f"the body must be a JSON object, seen {shown(document)}", expected="an object")
    return document


def table(value: object, validator: RowValidator, limit: int, field: str) -> list[list[Any]]:
    """Rows by position or by name. Raises `Refused`."""
    if not isinstance(value, list):
        raise unprocessable(
            f"`{field}` is {shown(value)}; expected a list of rows",
            field=field,
            seen=shown(value),
            expected="a list",
        )
    check_count(len(value), limit)
    return validator.admit(value)


def answered(job: Job) -> Outputs:
    """The outputs of a job that was answered."""
    if job.outputs is None:
        raise RuntimeError("a reply without outputs")
    return job.outputs


def answers(job: Job) -> list[msgspec.Raw]:
    """The job's answers as JSON, row by row."""
    texts = answered(job).texts[job.start : job.start + len(job.rows)]
    return [msgspec.Raw(text) for text in texts]


def class_probabilities(job: Job) -> list[list[float]] | None:
    """The job's probabilities, row by row, where it asked for them and the model has them."""
    probabilities = answered(job).probabilities
    if not job.probabilities or probabilities is None:
        return None
    return probabilities[job.start : job.start + len(job.rows)]


def predictions(job: Job) -> dict[str, Any]:
    """`predictions`, and `probabilities` where they were asked for."""
    document: dict[str, Any] = {"predictions": answers(job)}
    likely = class_probabilities(job)
    if likely is not None:
        document["probabilities"] = likely
    return document


def once(columns: list[Any], field: str) -> None:
    """Refuses a name that stands twice: nobody knows which of the two is meant."""
    names = [str(column) for column in columns]
    if len(set(names)) < len(names):
        name = next(name for name in names if names.count(name) > 1)
        raise unprocessable(f"column {name!r} came {names.count(name)} times; send it once", field=name)


def by_column(columns: list[Any], row: object) -> dict[str, Any]:
    """One row of the split form."""
    if not isinstance(row, list) or len(row) != len(columns):
        raise unprocessable(
            f"`data` holds {shown(row)}; expected a list of {len(columns)} values, one a column",
            field="data",
            expected=f"{len(columns)} values",
        )
    return {str(column): item for column, item in zip(columns, row, strict=True)}


def in_place(columns: list[str], validator: RowValidator, field: str) -> None:
    """Refuses names for features without names, where they say another number or order than the model's.

    Any names are taken for the columns in the model's order; numbers from 0 on, and f0, f1, ..., say which.
    """
    if len(columns) != validator.width:
        raise unprocessable(
            f"`{field}` names {len(columns)} columns ({shown(columns)}); the model takes {validator.width} "
            "by place",
            field=field,
            seen=f"{len(columns)} columns",
            expected=f"{validator.width} columns",
        )
    places = [str(at) for at in range(validator.width)]
    for order in (places, validator.signature.names):
        if columns != order and sorted(columns) == sorted(order):
            raise unprocessable(
                f"`{field}` names the columns {shown(columns)}; the model knows them by place only, send "
                f"them in the order {shown(order)}",
                field=field,
                seen=shown(columns),
                expected=shown(order),
            )
