"""How a column of text is meant: numbers in some notation, truth values, dates, or text. Pure.

A file is read twice: first every cell of a column adds to its `Profile`, then the profile says how all of
them are read. One cell must never decide for a column, nor one chunk for another; and a column that was meant
as numbers must not become text because of a notation: as a category it can neither drift nor be seen.

- Numbers may have a decimal point or a comma, and their thousands set apart (`1,234.5`, `1.234,5`, `1 234`,
  `1'234`, `1_234`, `12,34,567` as in India). Where every cell of a column fits both notations (`1,234`), the
  file's other columns decide, else it is refused.
- Words for "no value" (`?`, `n/a`, `-`, `NA`) are missing among numbers only. Among text they are text, as
  the log and Parquet have it: NA is Namibia.
- Whole numbers with zeros in front (`01067`) are codes: text.
- Numbers with a unit, and numbers among which other text stands, are refused: the file says what the model is
  not asked with.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite, nan
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

NO_VALUE: Final = frozenset(
    {
        "", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "1.#qnan", "1.#ind", "nat", "null",
        "none", "nil", "-", "--", "\u2013", "\u2014", "?", "??", ".", "..", "*", "missing", "(null)", "\\n",
        "#div/0!",
        "#value!", "#ref!", "#num!", "#name?", "#null!", "inf", "-inf", "+inf", "infinity", "-infinity",
    }
)  # fmt: skip
TRUTH: Final = {"true": True, "false": False}
FEW: Final = 20  # distinct values up to which a column of mixed text is told apart value by value
MOSTLY: Final = 0.9  # share of numbers from which other text among them is taken for an accident

EXPONENT: Final = r"([eE][+-]?\d+|[dD][+-]\d{2,3})?"  # Fortran writes D
APART: Final = r"\d{1,3}([ '\u2019_]\d{3})+"
POINT: Final = re.compile(rf"[+-]?(\d+|\d{{1,3}}(,\d{{2,3}})*,\d{{3}}|{APART})?(\.\d*)?{EXPONENT}")
COMMA: Final = re.compile(rf"[+-]?(\d+|[1-9]\d{{0,2}}(\.\d{{3}})+|{APART})?(,\d*)?{EXPONENT}")
FORTRAN: Final = re.compile(r"[dD](?=[+-]\d{2,3}$)")
CODE: Final = re.compile(r"[+-]?0\d+")
AFFIX: Final = re.compile(r"\(?[+-]?\s*([^\d\s.,+-]{0,3})\s*([+-]?\d[\d.,' ]*)\s*([^\d\s]{0,5})\)?")
LETTERED: Final = re.compile(
    r"(?!(EUR|USD|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|RUB|TRY|KRW|Rs|Fr|kr)\d)"
    r"[A-Za-z]{1,3}\d"
)
TIME: Final = r"([T :]\d{1,2}:\d{2}.*)?"
MONTH: Final = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
WEEKDAY: Final = r"((mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?"
DATES: Final = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}",
    r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}",
    r"\d{1,2}[-/]\d{1,2}[-/]\d{2}",
    rf"{WEEKDAY}\d{{1,2}}[-/ ]{MONTH}[-/ ]\d{{2,4}}",
    rf"{WEEKDAY}{MONTH} \d{{1,2}}(,? \d{{4}})?",
    r"(19|20)\d{2}[-/](0[1-9]|1[0-2])",  # a month, a quarter, a week
    r"(19|20)\d{2}[- ]?(Q[1-4]|W[0-5]\d)",
    r"(19|20)\d{6}T\d{4,6}Z?",
)
DATE: Final = re.compile(rf"({'|'.join(DATES)}){TIME}", re.IGNORECASE)
GROUPS: Final = str.maketrans("", "", " '\u2019_")
BLANKS: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-"})


class Reading(StrEnum):
    """How the cells of a column are read."""

    PLAIN = "numbers"
    POINT = "numbers with a decimal point"
    COMMA = "numbers with a decimal comma"
    TRUTH = "truth values"
    DATE = "dates"
    TEXT = "text"


class Seen(NamedTuple):
    """A cell as an example: its line (or row) and its text."""

    line: int
    text: str


class MeantOtherwiseError(ValueError):
    """The column may have been meant as numbers, and is not written as such; the message is a sentence."""


@dataclass
class Profile:
    """What all cells of a column have in common. `add` takes them chunk by chunk.

    `rows`, `empty`, `words`: cells, those without anything, and those with a word for "no value". `plain`,
    `point`, `comma`: those that are numbers as Python reads them, and in either notation. `codes`: whole
    numbers with zeros in front. `other`: text that is a number in neither notation; `affixed`: those of
    them that are a number with a unit. `values`: some distinct ones.
    """

    rows: int = 0
    empty: int = 0
    words: int = 0
    plain: int = 0
    point: int = 0
    comma: int = 0
    codes: int = 0
    fractions: int = 0
    dates: int = 0
    truths: int = 0
    other: int = 0
    affixed: int = 0
    values: set[str] = field(default_factory=set)
    examples: dict[str, Seen] = field(default_factory=dict)

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Adds cells; `lines`: where each stands."""
        self.rows += len(cells)
        if len(self.values) <= FEW:
            self.values.update(cells[:1000])
        if self._all_plain(cells):
            return
        for line, cell in zip(lines, cells, strict=True):
            self._one(cell.strip(), line)

    def _all_plain(self, cells: Sequence[str]) -> bool:
        """The usual case, without a look at each cell's form: numbers as Python writes them, and gaps."""
        try:
            numbers = np.array([float(cell) if cell else nan for cell in cells])
        except ValueError:
            return False
        empty = sum(not cell for cell in cells)
        finite = bool(np.isfinite(numbers).sum() == len(cells) - empty)
        if (
            not finite
            or "_" in "".join(cells)
            or any(cell[0] == "0" and CODE.fullmatch(cell) for cell in cells if cell)
        ):
            return False
        present = len(cells) - empty
        grouped = sum("." in cell and not COMMA.fullmatch(cell) for cell in cells)
        self.empty += empty
        self.plain += present
        self.point += present
        self.comma += present - grouped
        self.fractions += sum("." in cell for cell in cells)
        return True

    def _one(self, bare: str, line: int) -> None:
        if not bare:
            self.empty += 1
            return
        if bare.lower() in NO_VALUE:
            self.words += 1
            self.examples.setdefault("word", Seen(line, bare))
            return
        text = bare.translate(BLANKS)
        point, comma = _is_number(POINT, text), _is_number(COMMA, text)
        if not point and not comma:
            self._text(bare, text, line)
            return
        plain = _float(text) is not None
        self.plain += plain
        self.point += point
        self.comma += comma
        self.codes += CODE.fullmatch(text) is not None
        self.fractions += not text.lstrip("+-").isdigit()
        if not plain:
            self.examples.setdefault("notation", Seen(line, bare))

    def _text(self, bare: str, text: str, line: int) -> None:
        self.other += 1
        self.dates += DATE.fullmatch(text) is not None
        self.truths += text.lower() in TRUTH
        self.examples.setdefault("other", Seen(line, bare))
        if has_unit(text):
            self.affixed += 1
            self.examples.setdefault("affixed", Seen(line, bare))

    @property
    def present(self) -> int:
        """Cells that hold anything but a word for "no value"."""
        return self.rows - self.empty - self.words

    @property
    def numbers(self) -> int:
        """Cells that are numbers in the notation that fits most."""
        return max(self.point, self.comma)

    @property
    def notation(self) -> Reading | None:
        """The one that fits all numbers of the column; None where both do and differ, or neither does."""
        numbers = self.present - self.other
        if self.plain == numbers:
            return Reading.PLAIN
        point, comma = self.point == numbers, self.comma == numbers
        if point == comma:
            return None
        return Reading.POINT if point else Reading.COMMA

    def reading(self, others: Reading | None = None) -> Reading:
        """How the column is read where nobody knows what it holds. Raises MeantOtherwiseError.

        `others`: the notation that the file's other columns have for certain.
        """
        if not self.present:
            return Reading.PLAIN
        if self.truths == self.present:
            return Reading.TRUTH
        if self.dates == self.present:
            return Reading.DATE
        if self.numbers and not self.other:
            return Reading.TEXT if self.codes and not self.fractions else self.as_numbers(others)
        if len(self.values) > FEW:
            if self.affixed + self.numbers >= MOSTLY * self.present and self.affixed:
                raise MeantOtherwiseError(self._unit())
            if self.numbers >= MOSTLY * self.present:
                raise MeantOtherwiseError(self._among_numbers())
        return Reading.TEXT

    def as_numbers(self, others: Reading | None = None) -> Reading:
        """How a column is read that must hold numbers. Raises MeantOtherwiseError."""
        if self.truths and self.truths + self.numbers == self.present:
            return Reading.TRUTH
        if self.affixed:
            raise MeantOtherwiseError(self._unit())
        if self.other:
            raise MeantOtherwiseError(self._among_numbers())
        if others is Reading.COMMA and self.comma == self.present:
            return Reading.COMMA
        found = self.notation
        if found is None and self.point == self.comma == self.present and others is not None:
            return others
        if found is None:
            raise MeantOtherwiseError(self._ambiguous())
        return found

    def _unit(self) -> str:
        line, text = self.examples["affixed"]
        return f"holds '{text[:40]}' in line {line}, a number with a sign or unit; write the number alone"

    def _among_numbers(self) -> str:
        line, text = self.examples["other"]
        return (
            f"holds numbers, and '{text[:40]}' in line {line}; leave the cell empty where there is no value"
        )

    def _ambiguous(self) -> str:
        line, text = self.examples["notation"]
        return (
            f"holds '{text[:40]}' in line {line}, and nothing tells whether a comma or a point divides its "
            "decimals from its thousands; write a decimal point and no thousands separators"
        )


def has_unit(text: str) -> bool:
    """Whether it is a number with something before or after: a currency, a per cent sign, brackets.

    Letters directly before the digits are a code (c12, P0034), unless they are a currency.
    """
    found = None if LETTERED.match(text) else AFFIX.fullmatch(text)
    return found is not None and bool(found[1] or found[3] or text[0] == "(")


def _is_number(notation: re.Pattern[str], text: str) -> bool:
    return (text[-1:].isdigit() and notation.fullmatch(text) is not None) or (
        text[-1:] in ".," and len(text) > 1 and text[-2].isdigit() and notation.fullmatch(text) is not None
    )


def _float(text: str) -> float | None:
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def converter(reading: Reading) -> Callable[[Sequence[str]], NDArray[Any]]:
    """Turns the cells of a column into an array: float64, or objects (bool, str, None)."""
    if reading in (Reading.PLAIN, Reading.POINT, Reading.COMMA):
        return lambda cells: np.array(_numbers(cells, reading), dtype=np.float64)
    each = truth if reading is Reading.TRUTH else text_or_none
    return lambda cells: _objects(map(each, cells))


def _numbers(cells: Sequence[str], reading: Reading) -> list[float]:
    try:
        if reading is Reading.PLAIN:
            return [float(cell) if cell else nan for cell in cells]
    except ValueError:
        pass
    return [number(cell, comma=reading is Reading.COMMA) for cell in cells]


def number(cell: str, *, comma: bool = False) -> float:
    """A cell's number in either notation; NaN where it has none."""
    text = cell.strip().translate(BLANKS)
    if text.lower() in NO_VALUE:
        return nan
    text = FORTRAN.sub("e", text.translate(GROUPS))
    text = text.replace(".", "").replace(",", ".") if comma else text.replace(",", "")
    value = _float(text)
    return nan if value is None or not isfinite(value) else value


def truth(cell: str) -> bool | float | None:
    """A cell's truth value; 0 and 1 are such as well."""
    bare = cell.strip().lower()
    if bare in TRUTH:
        return TRUTH[bare]
    value = number(cell)
    return None if np.isnan(value) else value


def text_or_none(cell: str) -> str | None:
    """A cell's text; only an empty cell is without value."""
    return cell.strip() or None


def _objects(values: Iterable[object]) -> NDArray[Any]:
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array
