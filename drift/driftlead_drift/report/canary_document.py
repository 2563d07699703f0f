"""The comparison's report as a JSON document (`canary-report/v1`). Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead_drift.judging.canary_over_time import CanaryOverTime, SideOverTime, over_time
from driftlead_drift.judging.comparison import CanaryPolicy, Measure
from driftlead_drift.judging.evidence import Evidence
from driftlead_drift.report.time_axis import iso

SCHEMA = "canary-report/v1"


def report(
    run_id: str, created: datetime, evidence: Evidence, policy: CanaryPolicy, tool_version: str
) -> dict[str, Any]:
    """The document of one look at both sides."""
    judgement = evidence.judgement
    return {
        "schema": SCHEMA,
        "run_id": run_id,
        "created": created.isoformat(),
        "prod": _side(evidence, 0),
        "canary": _side(evidence, 1),
        "window": {
            "from": evidence.start.isoformat(),
            "to": evidence.end.isoformat(),
            "minutes": judgement.minutes,
        },
        "policy": {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in asdict(policy).items()
        },
        "verdict": {
            "status": str(judgement.verdict),
            "summary": judgement.summary,
            "requests_needed": judgement.requests_needed,
            "latency_threshold_ms": judgement.latency_threshold_ms,
        },
        "checks": [
            {
                **asdict(check),
                "interval": None if check.interval is None else list(check.interval),
            }
            for check in judgement.checks
        ],
        "predictions": {
            **asdict(judgement.predictions),
            "labels": list(evidence.bins.labels) if evidence.bins else [],
            "kind": evidence.bins.kind if evidence.bins else "numeric",
            "prod_counts": _total(evidence, 0),
            "canary_counts": _total(evidence, 1),
        },
        "split": asdict(judgement.split),
        "measures": [_measure(measure) for measure in judgement.measures],
        "own": [_measure(measure) for measure in evidence.own],
        "not_tested": list(judgement.not_tested),
        "notes": list(evidence.notes),
        "over_time": _over_time(over_time(evidence, policy)),
        "tool": {"name": "driftlead-drift", "version": tool_version},
    }


def _over_time(seen: CanaryOverTime | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    return {
        "edges": [iso(edge) for edge in seen.edges],
        "prod": _curves(seen.prod),
        "canary": _curves(seen.canary),
        "checks": [
            {
                "name": check.name,
                "worse": [round(float(value), 3) for value in check.worse],
                "non_inferior": [round(float(value), 3) for value in check.non_inferior],
                "needed": check.needed,
                "passed": None if check.passed is None else iso(check.passed),
                "began": None if check.began is None else iso(check.began),
                "sentence": check.sentence,
            }
            for check in seen.checks
        ],
    }


def _curves(side: SideOverTime) -> dict[str, Any]:
    return {
        "requests": side.requests.tolist(),
        "rows": side.rows.tolist(),
        "failed": side.failed.tolist(),
        "answered": side.answered.tolist(),
        "slow": None if side.slow is None else side.slow.tolist(),
        "p50_ms": _milliseconds(side.p50),
        "p99_ms": _milliseconds(side.p99),
    }


def _milliseconds(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.4g}") for value in values]


def _measure(measure: Measure) -> dict[str, Any]:
    ends = None if measure.interval is None else list(measure.interval)
    return {**asdict(measure), "rows": list(measure.rows), "interval": ends}


def _side(evidence: Evidence, place: int) -> dict[str, Any]:
    side = evidence.sides[place]
    return {
        "model": side.traffic.model_name,
        "version": side.traffic.model_version,
        "deployment": side.traffic.deployment,
        "requests": side.requests,
        "errors": side.errors,
        "rows": side.rows,
        "predictions": sum(_total(evidence, place)),
    }


def _total(evidence: Evidence, place: int) -> list[int]:
    counts = list(evidence.sides[place].predictions.values())
    return [int(count) for count in np.sum(counts, axis=0)] if counts else []


def summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "schema": "canary-summary/v1",
        "report": document["run_id"],
        "verdict": document["verdict"]["status"],
        "message": document["verdict"]["summary"],
        "prod": document["prod"]["version"],
        "canary": document["canary"]["version"],
        "requests_needed": document["verdict"]["requests_needed"],
        "checks": {
            each["name"]: each["verdict"]
            for each in (*document["checks"], *document["measures"])
            if each["verdict"]
        },
        "predictions": document["predictions"]["verdict"],
    }
