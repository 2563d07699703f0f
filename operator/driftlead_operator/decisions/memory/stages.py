"""What is remembered of prod and of the canary: what serves, what is to serve, what was given up."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from driftlead_formats.untrusted import sequence, word
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.memory.comparison import ComparisonMemory
from driftlead_operator.decisions.memory.values import number, text


class LoadState(StrEnum):
    """How far the wanted version of a stage is."""

    LOADING = "Loading"
    LOADED = "Loaded"
    FAILED_TO_LOAD = "FailedToLoad"
    ABSENT = "Absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMemory:
    """What a stage is to serve: the version, who says so, and the run that made it."""

    version: str = ""
    source: str = ""
    run_id: str = ""

    @classmethod
    def read(cls, value: Any) -> Self:
        """From status."""
        found = objects.mapping(value)
        return cls(
            version=text(found.get("version")),
            source=text(found.get("source")),
            run_id=text(found.get("runID")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {"version": self.version, "source": self.source, "runID": self.run_id}
        return objects.without_empty(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """The template to go back to, by its pod-template-hash, and the version that it serves."""

    version: str
    template: str

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where no template is named."""
        found = objects.mapping(value)
        template = text(found.get("template"))
        return cls(version=text(found.get("version")), template=template) if template else None

    def write(self) -> dict[str, Any]:
        """As status."""
        return {"version": self.version, "template": self.template}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A version given up: for one generation of spec, or, by a person, for every one until a retry."""

    version: str
    generation: int
    aborted: bool = False

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where no version is named."""
        found = objects.mapping(value)
        version = text(found.get("version"))
        if not version:
            return None
        generation = objects.whole(found.get("generation"))
        return cls(version=version, generation=generation, aborted=found.get("aborted") is True)

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {"version": self.version, "generation": self.generation}
        return {**fields, "aborted": True} if self.aborted else fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a version failed that was given up: the reason in one word, and the loader's words."""

    version: str
    reason: str
    message: str
    exit_code: int | None = None
    at: str = ""

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where no version is named."""
        found = objects.mapping(value)
        version = text(found.get("version"))
        if not version:
            return None
        return cls(
            version=version,
            reason=text(found.get("reason")),
            message=text(found.get("message")),
            exit_code=number(found.get("exitCode")),
            at=text(found.get("at")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        fields = {"version": self.version, "reason": self.reason, "message": self.message}
        return objects.without_empty({**fields, "exitCode": self.exit_code, "at": self.at})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The version to which spec pins prod, since which generation, and whether the registry says the same."""

    version: str
    generation: int
    written: bool

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where no version is named."""
        found = objects.mapping(value)
        version = text(found.get("version"))
        if not version:
            return None
        generation = objects.whole(found.get("generation"))
        return cls(version=version, generation=generation, written=found.get("written") is True)

    def write(self) -> dict[str, Any]:
        """As status."""
        return {"version": self.version, "generation": self.generation, "written": self.written}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMemory:
    """One stage. `version` is what every ready pod serves, None for none; `url`, `display` are for people."""

    target: TargetMemory = TargetMemory()
    version: str | None = None
    display: str = ""
    run_id: str = ""
    replicas: int = 0
    ready_replicas: int = 0
    selector: str = ""
    outdated: bool = False
    load_state: LoadState | None = None
    url: str = ""
    ambiguous: tuple[str, ...] = ()
    last_failure: Failure | None = None
    rejected: Rejected | None = None
    last_good: LastGood | None = None
    pin: Pin | None = None
    comparison: ComparisonMemory | None = None

    @property
    def last_served(self) -> str | None:
        """What the stage serves, or served before its pods fell silent."""
        return self.version or (self.last_good.version or None if self.last_good else None)

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """From status; None where there is nothing."""
        found = objects.mapping(value)
        if not found:
            return None
        return cls(
            target=TargetMemory.read(found.get("target")),
            version=text(found.get("version")) or None,
            display=text(found.get("display")),
            run_id=text(found.get("runID")),
            replicas=objects.whole(found.get("replicas")),
            ready_replicas=objects.whole(found.get("readyReplicas")),
            selector=text(found.get("selector")),
            outdated=found.get("outdated") is True,
            load_state=word(LoadState, found.get("loadState")),
            url=text(found.get("url")),
            ambiguous=tuple(filter(None, map(text, sequence(found.get("ambiguous"))))),
            last_failure=Failure.read(found.get("lastFailure")),
            rejected=Rejected.read(found.get("rejected")),
            last_good=LastGood.read(found.get("lastGood")),
            pin=Pin.read(found.get("pin")),
            comparison=ComparisonMemory.read(found.get("comparison")),
        )

    def write(self) -> dict[str, Any]:
        """As status."""
        return objects.without_empty(
            {
                "target": self.target.write(),
                "version": self.version,
                "display": self.display,
                "runID": self.run_id,
                "replicas": self.replicas,
                "readyReplicas": self.ready_replicas,
                "selector": self.selector,
                "outdated": self.outdated or None,
                "loadState": self.load_state and str(self.load_state),
                "url": self.url,
                "ambiguous": list(self.ambiguous),
                "lastFailure": self.last_failure and self.last_failure.write(),
                "rejected": self.rejected and self.rejected.write(),
                "lastGood": self.last_good and self.last_good.write(),
                "pin": self.pin and self.pin.write(),
                "comparison": self.comparison and self.comparison.write(),
            }
        )
