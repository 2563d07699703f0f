"""The report as a JSON document, from what was judged. Pure: the same facts give the same document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from driftlead_drift.judging.facts import OverTime, Run
from driftlead_drift.judging.features import STATISTIC, FeatureJudgement
from driftlead_drift.judging.judge import Judgement
from driftlead_drift.judging.policy import Policy
from driftlead_drift.report.time_axis import iso
from driftlead_drift.statistics import quantiles
from driftlead_formats.baseline import Baseline
from driftlead_formats.baseline.binning import FeatureBins
from driftlead_formats.summaries import TOP_FEATURES, DriftSummary, TopFeature
from driftlead_formats.traffic import Traffic
from driftlead_formats.verdicts import CommandExit, DriftVerdict

SCHEMA = "drift-report/v1"
SPARKS = 24
"""How many earlier windows a sparkline shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was judged: whose rows, from when to when, read how, against which baseline.

    `baseline_source`: where the baseline came from, in words or as URI. `notes`: sentences that a reader
    should know (late rows, additional columns, a first-window baseline). `every`: each k-th row was taken.
    """

    run_id: str
    created: datetime
    traffic: Traffic
    start: datetime
    end: datetime
    rows: int = 0
    scanned: int = 0
    every: int = 1
    path: str = ""
    scheduled: bool = True
    baseline_source: str = ""
    notes: Sequence[str] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    tool_version: str = ""


def report(
    subject: Subject,
    baseline: Baseline,
    judgement: Judgement,
    *,
    policy: Policy,
    history: Sequence[Run],
    exit_code: CommandExit,
) -> dict[str, Any]:
    """The document of a judged window; `exit_code` is the command's, --strict considered."""
    bins = {bins.name: bins for bins in baseline.features}
    past, outputs = history[-SPARKS:], judgement.prediction
    head = _head(subject)
    stretches = judgement.stretches
    if stretches is not None:
        edges = [iso(edge) for edge in stretches.edges]
        head["window"]["stretches"] = {"edges": edges, "rows": [int(rows) for rows in stretches.rows]}
    return {
        **head,
        "baseline": _baseline(subject, baseline, judgement),
        "policy": asdict(policy),
        "verdict": _verdict(judgement, exit_code),
        "features": [_feature(each, bins.get(each.name), past) for each in judgement.features],
        "prediction": None if outputs is None else _feature(outputs, baseline.prediction, past),
        "not_tested": list(judgement.not_tested),
        "history": [
            {
                "run_id": run.run_id,
                "to": run.window_to.isoformat(),
                "rows": run.rows,
                "verdict": str(run.verdict),
            }
            for run in past
        ],
    }


def _baseline(subject: Subject, baseline: Baseline, judgement: Judgement) -> dict[str, Any]:
    return {
        "source": subject.baseline_source,
        "sha256": baseline.sha256,
        "rows": baseline.rows,
        "independence": baseline.independence,
        "blocks": baseline.blocks.length if baseline.blocks else 0,
        "from": baseline.time_from,
        "to": baseline.time_to,
        "note": baseline.note,
        "reference": judgement.reference,
        "matched": judgement.matched,
    }


def _verdict(judgement: Judgement, exit_code: CommandExit) -> dict[str, Any]:
    return {
        "status": str(judgement.status),
        "exit_code": int(exit_code),
        "reasons": list(judgement.reasons),
        "consecutive": judgement.consecutive,
        "alarm": judgement.alarm,
        "broad_shift": judgement.broad,
        "summary": judgement.summary,
        "what_to_do": judgement.what_to_do,
        "independence": judgement.independence,
        "independence_assumed": judgement.independence_assumed,
        "min_rows": judgement.min_rows,
        "expected_false_alarm_rate": judgement.expected_false_alarm_rate,
    }


def failure(subject: Subject, sentence: str, policy: Policy, *, early: bool = False) -> dict[str, Any]:
    """The document of a window that could not be judged: the sentence is all there is.

    `early`: nothing is wrong, there is only nothing to judge against yet.
    """
    return {
        **_head(subject),
        "baseline": None,
        "policy": asdict(policy),
        "verdict": {
            "status": str(DriftVerdict.INSUFFICIENT if early else DriftVerdict.ERROR),
            "exit_code": int(CommandExit.NO_DRIFT if early else CommandExit.CANNOT_JUDGE),
            "reasons": [],
            "consecutive": 0,
            "alarm": False,
            "broad_shift": False,
            "summary": sentence,
            "what_to_do": "wait" if early else "repair what the sentence names, and run the check again",
            "independence": "assumed",
            "independence_assumed": False,
            "min_rows": None,
            "expected_false_alarm_rate": 0.0,
        },
        "features": [],
        "prediction": None,
        "not_tested": ["everything: the window could not be judged"],
        "history": [],
    }


def _head(subject: Subject) -> dict[str, Any]:
    traffic = subject.traffic
    return {
        "schema": SCHEMA,
        "run_id": subject.run_id,
        "created": subject.created.isoformat(),
        "model": {
            "name": traffic.model_name,
            "version": traffic.model_version,
            "deployment": traffic.deployment,
            "cluster": traffic.cluster,
            "namespace": traffic.namespace,
            "resource": traffic.resource,
        },
        "window": {
            "from": subject.start.isoformat(),
            "to": subject.end.isoformat(),
            "rows": subject.rows,
            "rows_scanned": subject.scanned,
            "sampling": 1 / subject.every,
            "path": subject.path,
            "scheduled": subject.scheduled,
        },
        "notes": list(subject.notes),
        "timings": {name: round(seconds, 4) for name, seconds in subject.timings.items()},
        "tool": {"name": "driftlead-drift", "version": subject.tool_version},
    }


def _feature(judged: FeatureJudgement, bins: FeatureBins | None, past: Sequence[Run]) -> dict[str, Any]:
    return {
        "name": judged.name,
        "kind": judged.kind,
        "status": str(judged.status),
        "calendar": judged.calendar,
        "psi": judged.value,
        "psi_corrected": judged.corrected,
        "psi_ci90": list(judged.interval),
        "p_value": judged.p_value,
        "p_adjusted": judged.p_adjusted,
        "detectable": judged.detectable,
        "phi": judged.phi,
        "tau2": judged.tau2,
        "dof": judged.dof,
        "noise": judged.noise,
        "missing": {"baseline": judged.missing[0], "current": judged.missing[1]},
        "tested": judged.tested,
        "values": None if bins is None else _values(bins, judged),
        "edges": [] if bins is None else [float(edge) for edge in bins.edges],
        "labels": list(judged.labels),
        "baseline_counts": [int(count) for count in judged.reference],
        "current_counts": [int(count) for count in judged.counts],
        "contribution": [float(part) for part in judged.contribution],
        "findings": [{"kind": found.kind, "sentence": found.sentence} for found in judged.findings],
        "sentence": judged.sentence,
        "history": [run.features[judged.name].get("psi") for run in past if judged.name in run.features],
        "over_time": None if judged.over_time is None else _over_time(judged.over_time),
    }


def _values(bins: FeatureBins, judged: FeatureJudgement) -> dict[str, Any] | None:
    before, now = (quantiles.values(bins, counts) for counts in (judged.reference, judged.counts))
    if before is None and now is None:
        return None
    return {
        "from": "bins",
        "baseline": None if before is None else asdict(before),
        "current": None if now is None else asdict(now),
    }


def _over_time(seen: OverTime) -> dict[str, Any]:
    return {
        "psi_corrected": [None if psi is None else round(psi, 4) for psi in seen.distances],
        "apart": list(seen.apart),
        "began": None if seen.began is None else iso(seen.began),
        "ended": None if seen.ended is None else iso(seen.ended),
        "sentence": seen.sentence,
    }


def summary(document: Mapping[str, Any], uri: str) -> DriftSummary:
    """What the operator reads from the termination message. `uri`: where the report's page is."""
    verdict, window = document["verdict"], document["window"]
    tested = [feature for feature in document["features"] if feature["tested"]]
    ranked = sorted(tested, key=lambda feature: feature["psi"], reverse=True)
    return DriftSummary(
        report=document["run_id"],
        version=document["model"]["version"],
        verdict=DriftVerdict(verdict["status"]),
        exit_code=verdict["exit_code"],
        rows=window["rows"],
        consecutive=verdict["consecutive"],
        window_from=window["from"],
        window_to=window["to"],
        uri=uri,
        message=verdict["summary"],
        independence_assumed=verdict["independence_assumed"],
        statistic=STATISTIC.name,
        top=tuple(
            TopFeature(
                name=feature["name"],
                value=f"{feature['psi']:.4g}",
                low=f"{feature['psi_ci90'][0]:.4g}",
                high=f"{feature['psi_ci90'][1]:.4g}",
            )
            for feature in ranked[:TOP_FEATURES]
        ),
    )
