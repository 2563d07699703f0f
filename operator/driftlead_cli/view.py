"""What `tree` and `watch` show: a head of a few lines and a tree of rows. `render` draws it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from driftlead_cli import pods
from driftlead_cli.facts import (
    Family,
    Manifest,
    age,
    component,
    condition,
    is_true,
    name_of,
    owned_by,
    status_of,
    version_label,
)
from driftlead_cli.verdicts import comparison_of, drift_of, of_another_version, verdict_words
from driftlead_formats.verdicts import CanaryVerdict, DriftVerdict

STAGES = ("prod", "canary")
JOBS_SHOWN = 3


class Mark(Enum):
    """How something is: its sign on a terminal, and the colour of that sign."""

    GOOD = ("✔", "green")
    BAD = ("✖", "red")
    WARNING = ("⚠", "yellow")
    BUSY = ("◌", "cyan")
    NONE = ("·", "dim")


@dataclass(frozen=True, slots=True)
class Field:
    """One labelled fact of the head."""

    label: str
    text: str
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One object of the tree; `children` stand below it."""

    icon: str
    role: str
    name: str
    kind: str
    mark: Mark
    status: str
    age: str
    info: str = ""
    children: Sequence["Row"] = ()


def health(resource: Manifest) -> tuple[Mark, str]:
    """The resource in a sign and a few words."""
    ready = condition(resource, "Ready")
    if resource.get("spec", {}).get("suspend"):
        return Mark.NONE, "suspended"
    if is_true(resource, "Stalled"):
        stalled = condition(resource, "Stalled") or {}
        mark = Mark.WARNING if is_true(resource, "Available") else Mark.BAD
        return mark, f"stalled: {stalled.get('reason', '')}"
    if is_true(resource, "Ready"):
        return Mark.GOOD, "Ready"
    reason = (ready or {}).get("reason", "Pending")
    if is_true(resource, "Reconciling"):
        return Mark.BUSY, str(reason)
    return (Mark.WARNING if is_true(resource, "Available") else Mark.BAD), str(reason)


def stage_words(stage: Manifest | None, otherwise: str) -> str:
    """A stage in a few words: the versions, the pods, where the target comes from. `otherwise`: of none."""
    if not stage:
        return otherwise
    target = stage.get("target", {})
    display = str(stage.get("display") or stage.get("version") or "")
    serves = "nothing yet"
    if display.startswith(">"):
        serves = f"nothing yet, version {display[1:]} wanted"
    elif display.startswith("none, "):
        serves = f"nothing, version {display.removeprefix('none, not ')} was given up"
    elif display:
        serves = f"version {display}"
    replicas = f"{stage.get('readyReplicas', 0)}/{stage.get('replicas', 0)}"
    source = f" ({target['source']})" if target.get("source") else ""
    return f"{serves}{source}  {replicas}"


COMPARED_MARKS: Mapping[CanaryVerdict, Mark] = {
    CanaryVerdict.WORSE: Mark.BAD,
    CanaryVerdict.NON_INFERIOR: Mark.GOOD,
    CanaryVerdict.UNDECIDED: Mark.BUSY,
}
VERDICT_MARKS: Mapping[DriftVerdict, Mark] = {
    DriftVerdict.STABLE: Mark.GOOD,
    DriftVerdict.CHANGED: Mark.GOOD,
    DriftVerdict.DRIFT: Mark.WARNING,
    DriftVerdict.SEVERE: Mark.WARNING,
    DriftVerdict.INSUFFICIENT: Mark.NONE,
    DriftVerdict.ERROR: Mark.BAD,
}


def drift_words(family: Family) -> tuple[Mark, list[str]]:
    """The verdict that holds in a sign and a few words, with its age, and that no check after it gave one."""
    memory = drift_of(family.resource)
    failed = condition(family.resource, "DriftCheckFailed")
    problem = f"check failed: {failed.get('reason', '')}" if failed and failed["status"] == "True" else ""
    words = verdict_words(memory, family.now) if memory else []
    if memory is None or not words:
        asked = "not checked yet" if "drift" in family.resource.get("spec", {}) else "not asked for"
        return (Mark.BAD, [problem]) if problem else (Mark.NONE, [asked])
    verdict = DriftVerdict.INSUFFICIENT if of_another_version(memory) else memory.standing.verdict
    mark = VERDICT_MARKS[verdict or DriftVerdict.INSUFFICIENT]
    if problem:
        return (mark if mark is Mark.WARNING else Mark.BAD), [*words, problem]
    if memory.standing is not memory.last:
        words.append(f"the check {age(memory.last.last_run, family.now)} ago could not tell")
    return mark, words


def head(family: Family) -> list[Field]:
    """The lines above the tree."""
    resource, status = family.resource, status_of(family.resource)
    mark, words = health(resource)
    ready = condition(resource, "Ready") or {}
    fields = [
        Field("Name", f"{resource['metadata'].get('namespace', 'default')}/{name_of(resource)}"),
        Field("Status", words, mark),
        Field("Model", str(resource.get("spec", {}).get("model", ""))),
        Field("Prod", stage_words(status.get("prod"), "nothing to serve yet")),
    ]
    if "canary" in resource.get("spec", {}):
        none = "none (no version newer than prod's)" if status.get("prod") else "none yet"
        fields.append(Field("Canary", stage_words(status.get("canary"), none)))
        if compared := comparison_of(resource):
            fields.append(Field("Compared", compared.words, COMPARED_MARKS[compared.verdict]))
    drift_mark, drift = drift_words(family)
    fields.append(Field("Drift", ", ".join(drift), drift_mark))
    if is_true(resource, "ChildrenModified"):
        modified = condition(resource, "ChildrenModified") or {}
        fields.append(Field("Changed", str(modified.get("message", "")), Mark.WARNING))
    if url := status.get("url"):
        fields.append(Field("URL", str(url)))
    if mark is not Mark.GOOD and ready.get("message"):
        fields.append(Field("Why", str(ready["message"])))
    return fields


def pod_row(pod: Manifest, family: Family) -> Row:
    """A pod, and when it is not ready the reason."""
    state = pods.word(pod)
    mark = {"Ready": Mark.GOOD, "Succeeded": Mark.GOOD, "Starting": Mark.BUSY, "Pending": Mark.BUSY}
    words = [f"version {version_label(pod)}"] if version_label(pod) else []
    if count := pods.restarts(pod):
        words.append(f"{count} restart{'s' if count > 1 else ''}")
    if state != "Ready" and (said := pods.last_words(pod)):
        words.append(f"{said[0]}: {said[1]}")
    since = age(pod["metadata"].get("creationTimestamp"), family.now)
    found = mark.get(state, Mark.NONE if state == "Terminating" else Mark.BAD)
    return Row("", "", name_of(pod), "Pod", found, state, since, ", ".join(words))


def deployment_row(deployment: Manifest, family: Family) -> Row:
    """A Deployment with its pods."""
    status, role = status_of(deployment), component(deployment)
    wanted, ready = deployment["spec"].get("replicas", 1), status.get("readyReplicas", 0)
    behind = status.get("updatedReplicas", 0) < wanted or ready < wanted
    mark = Mark.BUSY if behind else Mark.GOOD if wanted else Mark.NONE
    template = deployment["spec"].get("template", {"metadata": {}})
    info = f"version {version_label(template)}" if version_label(template) else ""
    own = [pod_row(each, family) for each in family.pods if component(each) == role]
    since = age(deployment["metadata"].get("creationTimestamp"), family.now)
    children = sorted(own, key=lambda row: row.name)
    icon = "▣" if role in STAGES else "⚖"
    return Row(
        icon, role, name_of(deployment), "Deployment", mark, f"{ready}/{wanted}", since, info, children
    )


# The condition that says why a Job of a component has no pod.
OF_JOBS = {"drift": "DriftCheckFailed", "retrain": "RetrainingFailed"}


def job_row(job: Manifest, family: Family) -> Row:
    """A Job and how it ended, in the words of its pod; before it runs, why it does not."""
    own = list(owned_by(family.pods, job))
    said = [found for pod in own if (found := pods.last_words(pod))]
    if is_true(job, "Complete"):
        mark, words = Mark.GOOD, "Complete"
    elif is_true(job, "Failed"):
        mark, words = Mark.BAD, "Failed"
    elif held := _held(job, own, family):
        mark, words, said = Mark.BAD, held[0], [held]
    else:
        mark, words = Mark.BUSY, "Running" if status_of(job).get("active") else "Pending"
    info = f"{said[-1][0]}: {said[-1][1]}" if said else ""
    since = age(job["metadata"].get("creationTimestamp"), family.now)
    return Row("", "", name_of(job), "Job", mark, words, since, info)


def _held(job: Manifest, own: Sequence[Manifest], family: Family) -> tuple[str, str] | None:
    """Why a Job's pod does not run: its own words, or, where there is no pod, those of the condition."""
    if own:
        return next((found for pod in own if (found := pods.waiting(pod))), None)
    told = condition(family.resource, OF_JOBS.get(component(job), "")) or {}
    mine = told.get("status") == "True" and f"Job {name_of(job)}: " in str(told.get("message"))
    return (str(told.get("reason")), str(told.get("message"))) if mine else None


def newest(jobs: Sequence[Manifest]) -> list[Manifest]:
    """The last few Jobs, newest first."""
    ordered = sorted(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp", "")), reverse=True)
    return ordered[:JOBS_SHOWN]


def cronjob_row(cronjob: Manifest, family: Family) -> Row:
    """The drift check with its last runs."""
    mark, words = drift_words(family)
    runs = [job_row(each, family) for each in newest(list(owned_by(family.jobs, cronjob)))]
    since = age(cronjob["metadata"].get("creationTimestamp"), family.now)
    suspended = cronjob["spec"].get("suspend")
    last = age(status_of(cronjob).get("lastScheduleTime"), family.now)
    ran = "never run" if last == "-" else f"started {last} ago"
    info = f"{cronjob['spec']['schedule']}, {'suspended' if suspended else ran}"
    return Row("≈", "drift", name_of(cronjob), "CronJob", mark, words[0], since, info, runs)


def _children(family: Family) -> Iterator[Row]:
    order = {role: place for place, role in enumerate((*STAGES, "judge"))}
    for deployment in sorted(family.deployments, key=lambda each: order.get(component(each), len(order))):
        yield deployment_row(deployment, family)
    for cronjob in family.cronjobs:
        yield cronjob_row(cronjob, family)
    for job in newest([each for each in family.jobs if component(each) == "retrain"]):
        row = job_row(job, family)
        yield Row("↻", "retrain", row.name, row.kind, row.mark, row.status, row.age, row.info)


def tree(family: Family) -> Row:
    """The resource and all that hangs on it."""
    resource = family.resource
    mark, words = health(resource)
    since = age(resource["metadata"].get("creationTimestamp"), family.now)
    rollout = status_of(resource).get("rollout", {}) if mark is Mark.GOOD else {}
    return Row(
        "⟳",
        "",
        name_of(resource),
        "ModelDeployment",
        mark,
        words,
        since,
        str(rollout.get("message", "")),
        list(_children(family)),
    )
