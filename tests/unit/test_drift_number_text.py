"""How a column of text is meant, from all its cells."""

import numpy as np
import pytest

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.traffic.number_text import MeantOtherwiseError, Profile, Reading, converter
from driftlead_drift.traffic.times import epoch_seconds
from driftlead_formats.baseline import BaselineError, build
from driftlead_formats.baseline.binning import category_text
from driftlead_formats.baseline.bulk import in_bulk


def profile(*cells: str) -> Profile:
    found = Profile()
    found.add(cells, range(2, 2 + len(cells)))
    return found


@pytest.mark.parametrize(
    ("cells", "reading", "values"),
    [
        (["1.5", "", "-2e3"], Reading.PLAIN, [1.5, np.nan, -2000]),
        (["1,5", "2", "1.234,5"], Reading.COMMA, [1.5, 2, 1234.5]),
        (["1,234.5", "1,234"], Reading.POINT, [1234.5, 1234]),
        (["1,234,567", "12"], Reading.POINT, [1234567, 12]),
        (["1 234,5"], Reading.COMMA, [1234.5]),
        (["1\u202f234.5", "\u22122.0"], Reading.POINT, [1234.5, -2]),
        (["1'234.50"], Reading.POINT, [1234.5]),
        (["1.5", "?", "n/a", "-", "NA", "#DIV/0!"], Reading.PLAIN, [1.5, *[np.nan] * 5]),
        ([" 0.5 ", "007.5"], Reading.PLAIN, [0.5, 7.5]),
    ],
)
def test_numbers_are_read_in_the_notation_that_fits_all_cells(
    cells: list[str], reading: Reading, values: list[float]
) -> None:
    found = profile(*cells).reading()
    assert found is reading
    np.testing.assert_allclose(converter(found)(cells), values)


@pytest.mark.parametrize(
    ("cells", "reading"),
    [
        (["01067", "99423"], Reading.TEXT),
        (["NA", "DE"], Reading.TEXT),
        (["True", "FALSE", ""], Reading.TRUTH),
        (["2026-01-31", "2026-02-01T10:00"], Reading.DATE),
        (["31.01.2026"], Reading.DATE),
        (["10%", "20%"], Reading.TEXT),
        (["1", "A 2", "3"], Reading.TEXT),
    ],
)
def test_what_is_not_meant_as_numbers_is_not_read_so(cells: list[str], reading: Reading) -> None:
    assert profile(*cells).reading() is reading


@pytest.mark.parametrize(
    ("cells", "seen"),
    [
        (["1,234", "2,345"], "'1,234' in line 2"),
        ([f"{n}.5 kg" for n in range(30)], "'0.5 kg' in line 2"),
        ([*map(str, range(100)), "broken"], "'broken' in line 102"),
        (["1,5", "1.5"], "'1,5' in line 2"),
    ],
)
def test_what_cannot_be_read_as_meant_is_refused_by_line_and_value(cells: list[str], seen: str) -> None:
    with pytest.raises(MeantOtherwiseError, match=seen):
        profile(*cells).reading()


def test_other_columns_of_the_file_settle_what_a_comma_is() -> None:
    assert profile("1,234").reading(Reading.COMMA) is Reading.COMMA
    assert profile("1,234").reading(Reading.POINT) is Reading.POINT


@pytest.mark.parametrize("value", [20240101, 20240101.0, "20240101", "20240101.0", "2.0240101e+07"])
def test_a_whole_number_is_one_category_however_written(value: object) -> None:
    assert category_text(value) == "20240101"


@pytest.mark.parametrize("value", ["01067", "1.5", "1.10", "v1.0", "", "12345678901234567890.0"])
def test_other_text_stays_as_it_is(value: str) -> None:
    assert category_text(value) == value


def test_a_stray_time_and_a_row_without_time_are_not_in_the_bulk() -> None:
    times = np.append(np.arange(1000.0), [np.nan, 1e9, -1e9])
    assert in_bulk(times).tolist() == [*[True] * 1000, False, False, False]
    assert in_bulk(np.arange(0, 1e6, 1000.0)).all()


def test_times_that_are_none_are_nan_and_other_units_are_refused() -> None:
    assert np.isnan(epoch_seconds(np.array(["NaT", "2026-01-01"], dtype="datetime64[us]"), "t")[0])
    assert np.isnan(epoch_seconds(np.array(["", None, "2026-01-01"], dtype=object), "t")[:2]).all()
    with pytest.raises(CannotJudgeError, match="row 2: 'yesterday'"):
        epoch_seconds(np.array(["2026-01-01", "yesterday"], dtype=object), "t")
    with pytest.raises(CannotJudgeError, match="milliseconds"):
        epoch_seconds(np.array([1.77e12, 1.78e12]), "t")


def test_times_of_training_never_make_blocks_without_end() -> None:
    x = np.arange(1000.0)
    hours = 1.7e9 + x * 3600
    hours[3] = 0
    baseline = build({"x": x}, time=hours)
    assert baseline.blocks is not None
    assert baseline.blocks.length < 1100
    assert "1 rows" in baseline.note
    with pytest.raises(BaselineError, match="years"):
        build({"x": x}, time=x * 1e10)
    with pytest.raises(BaselineError, match="no time"):
        build({"x": x}, time=np.append(hours[1:], np.nan))
