"""What status says of drift and of the canary, read by the operator's own code, in words for people."""

from datetime import datetime

from driftlead_cli.facts import Manifest, age, status_of
from driftlead_formats.summaries import TopFeature
from driftlead_formats.verdicts import DriftVerdict
from driftlead_operator.decisions.memory.comparison import ComparisonMemory
from driftlead_operator.decisions.memory.loop import UNCHECKED, DriftMemory


def drift_of(resource: Manifest) -> DriftMemory | None:
    """The checks, None before there was one."""
    return DriftMemory.read(status_of(resource).get("drift"))


def comparison_of(resource: Manifest) -> ComparisonMemory | None:
    """What the judge said of the canary, None before it said anything."""
    return ComparisonMemory.read(status_of(resource).get("canary", {}).get("comparison"))


def of_another_version(memory: DriftMemory) -> bool:
    """Whether the verdict is about another version than the one that serves."""
    return memory.display == UNCHECKED


def feature_words(feature: TopFeature) -> str:
    """How far a feature moved, with the interval of its true index, chance and dependence taken off."""
    interval = f" (true PSI {feature.low} to {feature.high})" if feature.low and feature.high else ""
    return f"{feature.name or '?'} PSI {feature.value or '?'}{interval}"


def verdict_words(memory: DriftMemory, now: datetime) -> list[str]:
    """The verdict that holds, with its age; none before a check gave one."""
    standing = memory.standing
    if standing.verdict in (None, DriftVerdict.ERROR):
        return []
    if of_another_version(memory):
        return ["not checked yet", f"version {standing.version} was {standing.verdict}"]
    words = [str(standing.verdict), *map(feature_words, standing.top_features[:1])]
    if standing.rows is not None:
        words.append(f"{standing.rows:,} rows")
    return [*words, f"{age(standing.last_run, now)} ago"]
