"""The page of the prediction log names every column and every metric, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from driftlead_inference.recorder import Recorder, RecorderSettings
from driftlead_log.row_tuples import MARKED_COLUMNS, Identity

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/prediction-log.md").read_text()

OTHER_TABLES = {
    "log_spools",
    "drift_hist",
    "inference_logs_rejected",
    "inference_logs_dropped",
    "feedback",
    "driftlead_migrations",
}


def first_cells(section: str) -> Iterator[str]:
    for line in PAGE.split(section)[1].split("\n\n**")[0].split("\n## ")[0].splitlines():
        if line.startswith("| `"):
            yield from re.findall(r"`([^`]+)`", line.split("|")[1])


def test_every_column_that_is_written_is_described() -> None:
    described = set(first_cells("**`inference_logs`**"))
    assert set(MARKED_COLUMNS) | {"id", "logged_at"} == described - OTHER_TABLES


def test_the_metrics_are_those_of_the_code(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    settings = RecorderSettings(dsn=lambda: "", spool_dir=tmp_path, spool_bytes=2**20)
    Recorder.open(settings, Identity(model_name="m", model_version="1", deployment="prod"), None, registry)
    exported = {sample.name for family in registry.collect() for sample in family.samples}
    assert exported == {f"driftlead_inference_log_{name}" for name in first_cells("\n## Metrics\n")}
