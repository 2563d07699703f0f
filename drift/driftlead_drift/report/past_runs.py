"""A run as its report tells of it: what later checks need of it, for persistence and sparklines. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from driftlead_drift.judging.facts import Run
from driftlead_formats.verdicts import DriftVerdict


def from_report(report: Mapping[str, Any]) -> Run:
    """A run as its report tells of it."""
    window, verdict = report["window"], report["verdict"]
    return Run(
        run_id=report["run_id"],
        window_from=datetime.fromisoformat(window["from"]),
        window_to=datetime.fromisoformat(window["to"]),
        rows=window["rows"],
        scheduled=window.get("scheduled", True),
        verdict=known_verdict(verdict["status"]),
        exit_code=verdict["exit_code"],
        consecutive=verdict["consecutive"],
        message=verdict["summary"],
        features=features_of(report),
        baseline_sha256=report["baseline"]["sha256"],
    )


def features_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """Per feature what later runs need: its status and its PSI."""
    every = [*report["features"], *([report["prediction"]] if report.get("prediction") else [])]
    return {
        each["name"]: {
            name: each.get(name) for name in ("status", "psi", "psi_corrected", "psi_ci90", "dof", "noise")
        }
        for each in every
    }


def known_verdict(word: str) -> DriftVerdict:
    """A recorded verdict; one of another release, which this one does not know, says nothing."""
    return DriftVerdict(word) if word in set(DriftVerdict) else DriftVerdict.ERROR
