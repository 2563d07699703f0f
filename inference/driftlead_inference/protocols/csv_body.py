"""Rows from CSV: cut by commas, with a header, UTF-8. Pure."""

import csv
import io
import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

from driftlead_inference.problems import shown, unprocessable
from driftlead_inference.protocols.bodies import by_column, check_count, in_place, once
from driftlead_inference.rows.validation import RowValidator

# What pandas, R and Java write for a missing number or time.
NO_VALUE = frozenset({"nan", "nat", "na", "n/a", "null", "none"})
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # Python also takes 1_0
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
INDEX = ("", "Unnamed: 0")  # what pandas calls the column of row numbers that it writes unasked


def from_csv(body: bytes, validator: RowValidator, limit: int) -> list[list[Any]]:
    """The rows; an empty cell is a missing value, a byte order mark does not count. Raises `Refused`."""
    try:
        lines = [line for line in csv.reader(io.StringIO(body.decode("utf-8-sig"))) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise unprocessable(f"the body is not valid CSV: {error}", expected="CSV in UTF-8") from error
    if not lines:
        raise unprocessable("the body is empty; expected CSV with a header", expected="CSV")
    header, cells = lines[0], lines[1:]
    check_count(len(cells), limit)
    rows = (
        by_name(header, cells, validator) if validator.signature.named else by_place(header, cells, validator)
    )
    return validator.admit(rows)


def by_name(header: Sequence[str], cells: list[list[str]], validator: RowValidator) -> list[object]:
    """Rows by the header's names; blanks around them count only where the model's own name has them."""
    kinds = {feature.name: feature.kind for feature in validator.signature.features}
    names = [name if name in kinds else name.strip() for name in header]
    check_header(names, validator)
    rows = [by_column(names, line) for line in cells]
    return [{name: cell(row[name], kinds[name]) for name in names if name in kinds} for row in rows]


def by_place(header: Sequence[str], cells: list[list[str]], validator: RowValidator) -> list[object]:
    """Rows of features without names, in the model's order; pandas' row numbers are left out."""
    names = [name.strip() for name in header]
    first = int(len(names) == validator.width + 1 and names[0] in INDEX)
    if all(NUMBER.fullmatch(name) for name in names) and sorted(map(float, names)) != list(range(len(names))):
        raise unprocessable(
            f"the first line of the CSV holds numbers ({shown(names)}); it must name the columns",
            field="features",
            seen=shown(names),
            expected="a header",
        )
    in_place(names[first:], validator, "CSV")
    kinds = [feature.kind for feature in validator.signature.features]
    lines = [list(by_column([str(at) for at in range(len(names))], line).values())[first:] for line in cells]
    return [[cell(text, kind) for text, kind in zip(line, kinds, strict=True)] for line in lines]


def check_header(header: list[str], validator: RowValidator) -> None:
    """Refuses a header without a required column, or with one that came twice."""
    known = set(validator.signature.names)
    once([name for name in header if name in known], "features")
    if not (absent := validator.required.difference(header)):
        return
    cut = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0]), None)
    if cut is None:
        raise validator.absent(absent, header)
    name = next(name for name in validator.signature.names if name in absent)
    raise unprocessable(
        f"column {name!r} was not sent: the header is {shown(header[0])}, cut by {cut!r}; send commas",
        field=name,
        seen=shown(header[0]),
        expected="columns separated by commas",
    )


def cell(text: str, kind: str) -> object:
    """A cell as the JSON value that it stands for; in a column of text only an empty cell is missing."""
    if kind != "string":
        text = text.strip()
    if text == "" or (kind != "string" and text.lower() in NO_VALUE):
        return None
    if kind in ("string", "datetime"):
        return text
    if kind == "boolean":
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    return number(text)


def number(text: str) -> int | float | str:
    """A number; the text itself where it is none, for the sentence that refuses it."""
    if not NUMBER.fullmatch(text):
        return text
    try:
        value = int(text) if WHOLE.fullmatch(text) else float(text)
    except ValueError:  # more digits than Python reads
        return text
    return value if isfinite(value) else text
