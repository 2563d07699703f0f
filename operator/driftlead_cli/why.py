"""What `why` says: from the resource down to the pod to blame, with what was seen and what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from driftlead_cli import pods
from driftlead_cli.facts import (
    Family,
    Manifest,
    age,
    component,
    is_true,
    moment,
    name_of,
    status_of,
)
from driftlead_cli.verdicts import comparison_of, drift_of, feature_words, of_another_version
from driftlead_cli.view import STAGES, Mark, health
from driftlead_formats.verdicts import CanaryVerdict
from driftlead_operator.decisions import names

EVENTS_FROM = timedelta(hours=1)
EVENTS_SHOWN = 5
RETRIED = {"VersionRejected": "register a mended version", "Aborted": "promote another version"}
BAD_WHEN_TRUE = ("Stalled", "DriftDetected", "DriftCheckFailed", "RetrainingFailed", "ChildrenModified")
# Reasons with which CanaryHealthy is Unknown although nothing is wrong.
ON_ITS_WAY = ("CanaryStarting",)
BAD_WHEN_FALSE = ("Ready", "Available", "CanaryHealthy", "PredictionLogHealthy")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing: what it is, what was seen, what to do (empty where nothing is to be done)."""

    mark: Mark
    what: str
    seen: Sequence[str] = ()
    do: str = ""


def is_bad(each: Manifest) -> bool:
    """Whether a condition says that something is not as it should be."""
    kind, status = str(each["type"]), str(each["status"])
    if status == "Unknown":
        return kind == "Ready" or (kind == "CanaryHealthy" and each.get("reason") not in ON_ITS_WAY)
    return kind in (BAD_WHEN_TRUE if status == "True" else BAD_WHEN_FALSE)


def _operator_absent(family: Family) -> Iterator[Finding]:
    """Nobody has looked at this generation of the resource."""
    generation = family.resource["metadata"].get("generation", 0)
    seen = status_of(family.resource).get("observedGeneration", 0)
    if seen < generation:
        yield Finding(
            Mark.WARNING,
            "The operator has not seen the newest spec",
            [f"spec is at generation {generation}, status at {seen or 'none'}"],
            "kubectl get pods -A -l app.kubernetes.io/component=operator,app.kubernetes.io/part-of=driftlead",
        )


def _mark(group: Sequence[Manifest], resource: Manifest) -> Mark:
    """How bad it is: nothing is down while prod answers, or while the first model is awaited."""
    kinds = {each["type"] for each in group}
    if "Reconciling" in kinds:
        return Mark.BUSY
    unavailable = "Available" in kinds and not is_true(resource, "Reconciling")
    stalled = "Stalled" in kinds and not is_true(resource, "Available")
    return Mark.BAD if unavailable or stalled else Mark.WARNING


def _conditions(family: Family) -> Iterator[Finding]:
    """What is wrong, said once however many conditions say it."""
    groups: dict[tuple[str, str], list[Manifest]] = {}
    for each in status_of(family.resource).get("conditions", []):
        moves = each["type"] == "Reconciling" and each["status"] == "True"
        if moves or (is_bad(each) and each["type"] != "DriftDetected"):
            groups.setdefault((str(each.get("reason", "")), str(each.get("message", ""))), []).append(each)
    for (reason, message), group in groups.items():
        said = ", ".join(f"{each['type']} is {each['status']}" for each in group)
        passed = age(group[0].get("lastTransitionTime"), family.now)
        since = "" if passed == "-" else f" for {passed}"
        do = _retry(family, reason) if reason in RETRIED else ""
        seen = [message] if message else []
        yield Finding(_mark(group, family.resource), f"{reason}: {said}{since}", seen, do)


def _retry(family: Family, reason: str) -> str:
    namespace, name = family.resource["metadata"].get("namespace", "default"), name_of(family.resource)
    return (
        f"{RETRIED[reason]}, or try this one again: kubectl annotate modeldeployment {name}"
        f" -n {namespace} --overwrite {names.REQUESTED_AT}=$(date -u +%FT%TZ)"
    )


def _last_failures(family: Family) -> Iterator[Finding]:
    """What failed before, unless a condition says it already."""
    said = " ".join(
        str(each.get("message")) for each in status_of(family.resource).get("conditions", []) if is_bad(each)
    )
    for stage in STAGES:
        failure = status_of(family.resource).get(stage, {}).get("lastFailure")
        if not failure or str(failure.get("message")) in said:
            continue
        code = f", exit code {failure['exitCode']}" if "exitCode" in failure else ""
        version, reason = failure.get("version", "?"), failure.get("reason", "?")
        what = f"Version {version} failed on {stage}: {reason}{code}"
        now = f"{age(failure.get('at'), family.now)} ago: {failure.get('message', '')}"
        yield Finding(Mark.NONE, what, [now])


def _pods(family: Family) -> Iterator[Finding]:
    namespace = family.resource["metadata"].get("namespace", "default")
    for pod in family.pods:
        state = pods.word(pod)
        if state in ("Ready", "Succeeded", "Terminating") or not _must_run(pod):
            continue
        words = filter(None, (pods.waiting(pod), pods.last_words(pod)))
        seen = [f"{reason}: {message}" if message else reason for reason, message in words]
        logs = f"kubectl logs -n {namespace} {name_of(pod)}{' --previous' if pods.restarts(pod) else ''}"
        do = logs if pods.has_started(pod) else f"kubectl describe pod -n {namespace} {name_of(pod)}"
        mark = Mark.BUSY if state in ("Starting", "Pending") and not seen else Mark.BAD
        yield Finding(mark, f"Pod {name_of(pod)} of {component(pod)} is not ready: {state}", seen, do)


def _must_run(pod: Manifest) -> bool:
    """Whether a pod that does not run is a fault: one of a Job is only until it has started."""
    return component(pod) in (*STAGES, "judge") or (
        not pods.has_started(pod) and pods.waiting(pod) is not None
    )


def _drift(family: Family) -> Iterator[Finding]:
    """What DriftDetected says, with the features and the report."""
    memory = drift_of(family.resource)
    if memory is None or of_another_version(memory):
        return
    standing = memory.standing
    if standing.verdict is None or not standing.verdict.is_drift:
        return
    seen = [standing.message] if standing.message else []
    seen += map(feature_words, standing.top_features)
    windows = standing.consecutive or 1
    what = f"The traffic drifted from the training data of version {standing.version or '?'}"
    what += f", {windows} windows in a row" if windows > 1 else ""
    if standing is not memory.last:
        what += f"; seen {age(standing.last_run, family.now)} ago, and no check since could tell"
    report = f"read the report {standing.report_uri}" if standing.report_uri else ""
    yield Finding(Mark.WARNING, what, seen, report)


def _comparison(family: Family) -> Iterator[Finding]:
    """How the canary does beside prod, and how far the judge is."""
    found = comparison_of(family.resource)
    if found is None:
        return
    mark = Mark.WARNING if found.verdict is CanaryVerdict.WORSE else Mark.NONE
    report = f"read the report {found.report_uri}" if found.report_uri else ""
    beside = f"prod's version {found.prod}" if found.prod else "prod"
    what = f"Canary version {found.version} beside {beside}: {found.verdict}"
    yield Finding(mark, what, [found.words], report)


def _undelivered(family: Family) -> Iterator[Finding]:
    """Rows of the prediction log that may have been lost with their pods."""
    lines = [
        f"{age(each.get('at'), family.now)} ago {each.get('pod', '?')}: up to {each.get('rows', 0):,} rows"
        for each in status_of(family.resource).get("undelivered", [])
    ]
    if lines:
        yield Finding(Mark.WARNING, "Pods vanished with rows that had not reached the prediction log", lines)


def _retraining(family: Family) -> Iterator[Finding]:
    retraining = status_of(family.resource).get("retraining", {})
    until = moment(retraining.get("notBefore"))
    if until and until > family.now:
        what = f"Retraining waits until {retraining['notBefore']}"
        last = f"{retraining.get('lastJob', 'the last Job')}: {retraining.get('lastResult', 'unknown')}"
        attempts = retraining.get("attemptsToday")
        yield Finding(
            Mark.NONE,
            what,
            [last, *([f"{attempts} attempt{'s' if attempts > 1 else ''} today"] if attempts else [])],
        )


def _events(family: Family) -> Iterator[Finding]:
    def when(event: Manifest) -> str:
        return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")

    recent = [
        each
        for each in family.events
        if each.get("type") == "Warning"
        and (at := moment(when(each))) is not None
        and family.now - at <= EVENTS_FROM
    ]
    lines = [
        f"{age(when(each), family.now)} ago {each.get('reason', '')}: {each.get('message', '')}"
        for each in sorted(recent, key=when, reverse=True)[:EVENTS_SHOWN]
    ]
    if lines:
        yield Finding(Mark.NONE, "Warnings of the last hour", lines)


CHAPTERS = (
    _operator_absent,
    _conditions,
    _last_failures,
    _pods,
    _drift,
    _comparison,
    _undelivered,
    _retraining,
    _events,
)


def why(family: Family) -> list[Finding]:
    """Everything that is not as it should be; one finding that says so when all is well."""
    found = [finding for chapter in CHAPTERS for finding in chapter(family)]
    if any(each.mark is not Mark.NONE for each in found):
        return found
    mark, words = health(family.resource)
    served = status_of(family.resource).get("prod", {}).get("version", "none")
    ready = f"{name_of(family.resource)} is {words}: prod serves version {served}"
    return [Finding(mark, ready if is_true(family.resource, "Ready") else words), *found]
