"""The short documents that one component leaves for another: frozen classes, each with its JSON.

`dump` gives the document, `parse` reads it back: `parse(dump(x)) == x`. A reader meets documents of pods that
it cannot trust and of other releases, so `parse` never raises: it takes what has the right type, ignores
fields that it does not know, and returns None where the schema's name or an indispensable field is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from driftlead_formats import untrusted
from driftlead_formats.verdicts import CanaryVerdict, DriftVerdict, PredictionShift, RetrainingResult

LONGEST_TEXT: Final = 1024
TOP_FEATURES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TopFeature:
    """A feature that moved far: the statistic's value and its interval, as decimals in text."""

    name: str
    value: str
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSummary:
    """`drift-summary/v1`: what a check leaves in its termination message, read by the operator.

    `report` is the run's id, `uri` its page; `version` the model version whose rows were judged, `exit_code`
    what the command ends with unless told otherwise. `top` holds at most five features, the farthest first,
    by `statistic`. `window_from` and `window_to` are ISO 8601.
    """

    SCHEMA = "drift-summary/v1"

    report: str
    version: str
    verdict: DriftVerdict
    exit_code: int
    rows: int = 0
    consecutive: int = 0
    window_from: str = ""
    window_to: str = ""
    uri: str = ""
    message: str = ""
    independence_assumed: bool = False
    statistic: str = "psi"
    top: tuple[TopFeature, ...] = ()

    def dump(self) -> dict[str, Any]:
        """The document, fit for a termination message; `termination.fitted` cuts `top` first."""
        return {
            "schema": self.SCHEMA,
            "report": self.report,
            "version": self.version,
            "verdict": str(self.verdict),
            "exit_code": int(self.exit_code),
            "rows": self.rows,
            "consecutive": self.consecutive,
            "window": {"from": self.window_from, "to": self.window_to},
            "uri": self.uri,
            "message": self.message,
            "independence_assumed": self.independence_assumed,
            "statistic": self.statistic,
            "top": [
                {"name": each.name, "value": each.value, "low": each.low, "high": each.high}
                for each in self.top
            ],
        }

    @classmethod
    def parse(cls, document: Any) -> DriftSummary | None:
        """The summary in a document. A verdict that this release does not know is an error."""
        said = _of_schema(document, cls.SCHEMA)
        if said is None:
            return None
        window = untrusted.mapping(said.get("window"))
        return cls(
            report=_text(said.get("report")),
            version=_text(said.get("version")),
            verdict=untrusted.word(DriftVerdict, said.get("verdict")) or DriftVerdict.ERROR,
            exit_code=untrusted.whole(said.get("exit_code")),
            rows=untrusted.whole(said.get("rows")),
            consecutive=untrusted.whole(said.get("consecutive")),
            window_from=_text(window.get("from")),
            window_to=_text(window.get("to")),
            uri=_text(said.get("uri")),
            message=_text(said.get("message")),
            independence_assumed=said.get("independence_assumed") is True,
            statistic=_text(said.get("statistic")) or "psi",
            top=tuple(_top(said.get("top"))),
        )


def _top(value: Any) -> Iterator[TopFeature]:
    for each in untrusted.items(value)[:TOP_FEATURES]:
        name, *figures = (_text(each.get(key)) for key in ("name", "value", "low", "high"))
        yield TopFeature(name=name, value=figures[0], low=figures[1], high=figures[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingSummary:
    """`retrain-summary/v1`: what a retraining leaves in its termination message, read by the operator.

    `version` is the one that was registered, empty for none; `metrics` are figures of the hold-out.
    """

    SCHEMA = "retrain-summary/v1"

    result: RetrainingResult
    message: str = ""
    version: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """The document; figures keep six digits."""
        return {
            "schema": self.SCHEMA,
            "result": str(self.result),
            "version": self.version,
            "message": self.message,
            "metrics": {name: float(f"{value:.6g}") for name, value in self.metrics.items()},
        }

    @classmethod
    def parse(cls, document: Any) -> RetrainingSummary | None:
        """The summary in a document. A result that this release does not know is a failure."""
        said = _of_schema(document, cls.SCHEMA)
        if said is None:
            return None
        metrics = {
            str(name): value
            for name, value in untrusted.mapping(said.get("metrics")).items()
            if _is_number(value)
        }
        return cls(
            result=untrusted.word(RetrainingResult, said.get("result")) or RetrainingResult.FAILED,
            message=_text(said.get("message")),
            version=_text(said.get("version")),
            metrics=metrics,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryAssessment:
    """`canary-verdict/v1`: what the judge answers at GET /verdict, read by the operator.

    `prod` and `canary` are model versions, `since` and `at` ISO 8601; `checks` holds the verdict of whatever
    decides by itself. `uri` is the report's page. `error` says why the answer is old, empty while it is not.
    """

    SCHEMA = "canary-verdict/v1"

    verdict: CanaryVerdict
    message: str = ""
    prod: str = ""
    canary: str = ""
    since: str = ""
    at: str = ""
    minutes: int = 0
    prod_requests: int = 0
    canary_requests: int = 0
    requests_needed: int | None = None
    checks: Mapping[str, CanaryVerdict] = field(default_factory=dict)
    predictions: PredictionShift = PredictionShift.NOT_TESTED
    split_mismatch: bool = False
    not_tested: Sequence[str] = ()
    uri: str = ""
    error: str = ""

    def dump(self) -> dict[str, Any]:
        """The document."""
        return {
            "schema": self.SCHEMA,
            "verdict": str(self.verdict),
            "message": self.message,
            "prod": self.prod,
            "canary": self.canary,
            "since": self.since,
            "at": self.at,
            "minutes": self.minutes,
            "requests": {"prod": self.prod_requests, "canary": self.canary_requests},
            "requests_needed": self.requests_needed,
            "checks": {name: str(verdict) for name, verdict in self.checks.items()},
            "predictions": str(self.predictions),
            "split_mismatch": self.split_mismatch,
            "not_tested": list(self.not_tested),
            "uri": self.uri,
            "error": self.error,
        }

    @classmethod
    def parse(cls, document: Any) -> CanaryAssessment | None:
        """The assessment in a document. A verdict that this release does not know is undecided."""
        said = _of_schema(document, cls.SCHEMA)
        if said is None:
            return None
        requests, needed = untrusted.mapping(said.get("requests")), said.get("requests_needed")
        return cls(
            verdict=untrusted.word(CanaryVerdict, said.get("verdict")) or CanaryVerdict.UNDECIDED,
            message=_text(said.get("message")),
            prod=_text(said.get("prod")),
            canary=_text(said.get("canary")),
            since=_text(said.get("since")),
            at=_text(said.get("at")),
            minutes=untrusted.whole(said.get("minutes")),
            prod_requests=untrusted.whole(requests.get("prod")),
            canary_requests=untrusted.whole(requests.get("canary")),
            requests_needed=None if needed is None else untrusted.whole(needed),
            checks={
                str(name): untrusted.word(CanaryVerdict, verdict) or CanaryVerdict.UNDECIDED
                for name, verdict in untrusted.mapping(said.get("checks")).items()
            },
            predictions=untrusted.word(PredictionShift, said.get("predictions"))
            or PredictionShift.NOT_TESTED,
            split_mismatch=said.get("split_mismatch") is True,
            not_tested=tuple(_text(each) for each in untrusted.sequence(said.get("not_tested"))),
            uri=_text(said.get("uri")),
            error=_text(said.get("error")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFailure:
    """`server-failure/v1`: what an inference server that cannot go on leaves in its termination message.

    `reason` is its exit code's word (`LoadFailed`), `version` the model version that it was to serve, empty
    while it does not know it.
    """

    SCHEMA = "server-failure/v1"

    reason: str
    message: str
    version: str = ""

    def dump(self) -> dict[str, Any]:
        """The document; `termination.fitted` takes the middle out of a long message."""
        return {
            "schema": self.SCHEMA,
            "reason": self.reason,
            "message": self.message,
            "version": self.version,
        }

    @classmethod
    def parse(cls, document: Any) -> ServerFailure | None:
        """The failure in a document."""
        said = _of_schema(document, cls.SCHEMA)
        if said is None:
            return None
        return cls(
            reason=_text(said.get("reason")),
            message=_text(said.get("message")),
            version=_text(said.get("version")),
        )


def _of_schema(document: Any, schema: str) -> Mapping[str, Any] | None:
    said = untrusted.mapping(document)
    return said if said.get("schema") == schema else None


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:LONGEST_TEXT]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
