"""What is remembered of the comparison of a canary with prod."""

from dataclasses import dataclass
from typing import Any, Self

from driftlead_formats.untrusted import mapping, whole, word
from driftlead_formats.verdicts import CanaryVerdict
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.memory.values import number, text


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonMemory:
    """What the judge said of the canary `version` beside `prod`.

    `at` is the time of the look that it is of (ISO 8601), "" before the judge could look; `error` says why it
    cannot look since, "" while it can.
    """

    version: str
    prod: str = ""
    verdict: CanaryVerdict = CanaryVerdict.UNDECIDED
    message: str = ""
    prod_requests: int = 0
    canary_requests: int = 0
    requests_needed: int | None = None
    at: str = ""
    report_uri: str = ""
    error: str = ""

    @property
    def words(self) -> str:
        """The comparison in a sentence, with the requests that it is of."""
        if not self.message and self.error:
            return f"not compared yet: {self.error}"
        counts = f"prod {self.prod_requests:,} requests, canary {self.canary_requests:,}"
        old = f"; not looked again since {self.at}: {self.error}" if self.error else ""
        return f"{self.message or self.verdict}; {counts}{old}"

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where no version is named. A verdict of another release is undecided."""
        found = mapping(value)
        version, requests = text(found.get("version")), mapping(found.get("requests"))
        if not version:
            return None
        return cls(
            version=version,
            prod=text(found.get("prodVersion")),
            verdict=word(CanaryVerdict, found.get("verdict")) or CanaryVerdict.UNDECIDED,
            message=text(found.get("message")),
            prod_requests=whole(requests.get("prod")),
            canary_requests=whole(requests.get("canary")),
            requests_needed=number(requests.get("needed")),
            at=text(found.get("at")),
            report_uri=text(found.get("reportURI")),
            error=text(found.get("error")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        requests = {"prod": self.prod_requests, "canary": self.canary_requests}
        needed = {} if self.requests_needed is None else {"needed": self.requests_needed}
        return objects.without_empty(
            {
                "version": self.version,
                "prodVersion": self.prod,
                "verdict": str(self.verdict),
                "message": self.message,
                "requests": {**requests, **needed},
                "at": self.at,
                "reportURI": self.report_uri,
                "error": self.error,
            }
        )
