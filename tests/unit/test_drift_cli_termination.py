import json
from pathlib import Path

from driftlead_formats.termination import LIMIT, fitted, write


def message(**more: object) -> dict[str, object]:
    return {"schema": "drift-summary/v1", "report": "r1", "message": "short", "top": [], **more}


def test_a_short_message_stays_whole_and_begins_with_schema_and_report() -> None:
    text = fitted(message())
    assert text == '{"schema":"drift-summary/v1","report":"r1","message":"short","top":[]}'


def test_a_message_of_any_length_fits_and_keeps_its_identity() -> None:
    top = [{"name": "ä" * 900, "psi": "1"} for _ in range(5)]
    text = fitted(message(message="ö" * 9000, top=top, uri="s3://b/" + "x" * 500))
    assert len(text.encode()) <= LIMIT
    kept = json.loads(text)
    assert kept["report"] == "r1"
    assert " [...] " in kept["message"]


def test_a_place_that_cannot_be_written_changes_nothing() -> None:
    write(Path("/nonexistent/folder/log"), message())
    write(None, message())
    assert not Path("/nonexistent").exists()
