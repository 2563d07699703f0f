"""What `kubectl driftlead tree` and `why` print of recorded resources, word for word."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from driftlead_cli import pods, render
from driftlead_cli.__main__ import OF_EVERY_VERB, after_the_verb, app
from driftlead_cli.facts import Family, age
from driftlead_cli.view import stage_words
from driftlead_cli.why import why

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Manifest = dict[str, Any]


def printed(what: RenderableType, width: int = 160) -> str:
    console = Console(width=width, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(what)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Manifest:
    since = "2026-11-24T11:50:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


def stage(version: str, **more: Any) -> Manifest:
    target = {"version": version, "source": "stage Production"}
    return {
        "target": target,
        "version": version,
        "display": version,
        "replicas": 2,
        "readyReplicas": 2,
        **more,
    }


def resource(*conditions: Manifest, **status: Any) -> Manifest:
    return {
        "metadata": {
            "name": "demo",
            "namespace": "models",
            "uid": "u-demo",
            "generation": 3,
            "creationTimestamp": "2026-11-15T12:00:00Z",
        },
        "spec": {
            "model": "DriftAwareDemoModel",
            "prod": {"stage": "Production"},
            "canary": {"stage": "Staging"},
            "drift": {"schedule": "*/15 * * * *"},
        },
        "status": {
            "observedGeneration": 3,
            "url": "http://demo.models.svc",
            "prod": stage("3"),
            "conditions": list(conditions),
            **status,
        },
    }


def child(name: str, component: str, **rest: Any) -> Manifest:
    metadata = {
        "name": name,
        "uid": f"u-{name}",
        "labels": {"driftlead.dev/name": "demo", "app.kubernetes.io/component": component},
        "creationTimestamp": "2026-11-24T10:00:00Z",
    }
    return {"metadata": metadata, **rest}


def deployment(component: str, version: str, ready: int = 2) -> Manifest:
    template = {"metadata": {"labels": {"driftlead.dev/version": version}}}
    status = {"readyReplicas": ready, "updatedReplicas": 2}
    return child(f"demo-{component}", component, spec={"replicas": 2, "template": template}, status=status)


def pod(name: str, component: str, version: str, **status: Any) -> Manifest:
    made = child(name, component, status={"phase": "Running", **status})
    made["metadata"]["labels"]["driftlead.dev/version"] = version
    return made


def ready_pod(name: str, component: str, version: str) -> Manifest:
    return pod(name, component, version, conditions=[{"type": "Ready", "status": "True"}])


def ended(code: int, message: str | Mapping[str, Any], reason: str = "Error") -> Manifest:
    text = message if isinstance(message, str) else json.dumps(message)
    return {
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        "lastState": {"terminated": {"exitCode": code, "reason": reason, "message": text}},
    }


def owned(job: Manifest, owner: str) -> Manifest:
    job["metadata"]["ownerReferences"] = [{"uid": f"u-{owner}", "controller": True}]
    return job


HEALTHY = Family(
    resource=resource(
        condition("Ready", "True", "Serving", "version 3 serves on 2 of 2 pods"),
        condition("Available", "True", "Serving"),
        canary=stage("4", target={"version": "4", "source": "stage Staging"}, replicas=1, readyReplicas=1),
        drift={
            "verdict": "drift",
            "lastRunTime": "2026-11-24T11:55:00Z",
            "version": "3",
            "rows": 41667,
            "consecutive": 2,
            "reportURI": "s3://mlflow/driftlead/reports/default/models/demo/prod/latest/report.html",
            "topFeatures": [{"name": "temp", "psi": "9.81", "low": "9.55", "high": "10.1"}],
        },
    ),
    now=NOW,
    deployments=[deployment("canary", "4"), deployment("prod", "3")],
    pods=[
        ready_pod("demo-prod-b", "prod", "3"),
        ready_pod("demo-prod-a", "prod", "3"),
        ready_pod("demo-canary-a", "canary", "4"),
    ],
    cronjobs=[
        child(
            "demo-drift",
            "drift",
            spec={"schedule": "*/15 * * * *"},
            status={"lastScheduleTime": "2026-11-24T11:55:00Z"},
        )
    ],
    jobs=[
        owned(
            child("demo-drift-1", "drift", status={"conditions": [{"type": "Complete", "status": "True"}]}),
            "demo-drift",
        ),
        child("demo-retrain-3-a1b2c", "retrain", status={"active": 1}),
    ],
)

HEALTHY_TREE = """\
Name:    models/demo
Status:  ✔ Ready
Model:   DriftAwareDemoModel
Prod:    version 3 (stage Production)  2/2
Canary:  version 4 (stage Staging)  1/1
Drift:   ⚠ drift, temp PSI 9.81 (true PSI 9.55 to 10.1), 41,667 rows, 5m ago
URL:     http://demo.models.svc

NAME                               KIND             STATUS      AGE  INFO
⟳ demo                             ModelDeployment  ✔ Ready     9d
├──▣ prod    demo-prod             Deployment       ✔ 2/2       2h   version 3
│  ├── demo-prod-a                 Pod              ✔ Ready     2h   version 3
│  └── demo-prod-b                 Pod              ✔ Ready     2h   version 3
├──▣ canary  demo-canary           Deployment       ✔ 2/2       2h   version 4
│  └── demo-canary-a               Pod              ✔ Ready     2h   version 4
├──≈ drift   demo-drift            CronJob          ⚠ drift     2h   */15 * * * *, started 5m ago
│  └── demo-drift-1                Job              ✔ Complete  2h
└──↻ retrain demo-retrain-3-a1b2c  Job              ◌ Running   2h"""


def test_the_tree_shows_stages_pods_drift_and_retraining_in_this_order() -> None:
    assert printed(render.overview(HEALTHY)) == HEALTHY_TREE


def test_why_of_drift_names_the_features_and_the_report() -> None:
    text = printed(render.findings(why(HEALTHY)))
    assert "The traffic drifted from the training data of version 3, 2 windows in a row" in text
    assert "temp PSI 9.81 (true PSI 9.55 to 10.1)" in text
    assert (
        "do: read the report s3://mlflow/driftlead/reports/default/models/demo/prod/latest/report.html"
        in text
    )


def drift_after(display: str, **last: Any) -> Family:
    """HEALTHY, and five minutes after its verdict another check."""
    kept = HEALTHY.resource["status"]["drift"]
    failed = condition("DriftCheckFailed", str(last["verdict"] == "error"), "CheckFailed", last["message"])
    drift = {"lastVerdict": kept, "display": display, "lastRunTime": "2026-11-24T11:59:00Z", **last}
    made = resource(condition("Ready", "True", "Serving"), failed, drift=drift)
    return Family(resource=made, now=NOW, cronjobs=HEALTHY.cronjobs)


def test_a_failed_check_leaves_the_verdict_with_its_age() -> None:
    family = drift_after("drift, then error", verdict="error", message="MLflow does not answer")
    text = printed(render.overview(family))
    words = "drift, temp PSI 9.81 (true PSI 9.55 to 10.1), 41,667 rows, 5m ago, check failed: CheckFailed"
    assert f"Drift:   ⚠ {words}" in text
    assert "CronJob          ⚠ drift" in text
    told = printed(render.findings(why(family)))
    assert "2 windows in a row; seen 5m ago, and no check since could tell" in told
    assert "do: read the report s3://mlflow/driftlead/reports" in told
    assert "CheckFailed: DriftCheckFailed is True" in told and "MLflow does not answer" in told


def test_a_check_that_could_not_tell_leaves_the_alarm_with_its_age() -> None:
    family = drift_after("drift, then insufficient", verdict="insufficient", message="12 rows")
    text = printed(render.overview(family))
    assert "41,667 rows, 5m ago, the check 60s ago could not tell" in text


def test_a_verdict_of_another_version_is_not_told_as_this_ones() -> None:
    family = drift_after("unchecked", verdict="error", message="MLflow does not answer")
    text = printed(render.overview(family))
    assert "Drift:   ✖ not checked yet, version 3 was drift, check failed: CheckFailed" in text
    assert "drifted from the training data" not in printed(render.findings(why(family)))


COMPARED = {
    "version": "4",
    "prodVersion": "3",
    "verdict": "undecided",
    "message": "undecided in errors: about 992 more requests should tell",
    "requests": {"prod": 1100, "canary": 1035, "needed": 992},
    "reportURI": "s3://mlflow/compare.html",
}


def test_how_far_the_comparison_of_the_canary_is() -> None:
    made = resource(
        condition("Ready", "True", "Serving"), canary=stage("4", target={"version": "4"}, comparison=COMPARED)
    )
    family = Family(resource=made, now=NOW)
    words = "undecided in errors: about 992 more requests should tell; prod 1,100 requests, canary 1,035"
    assert f"Compared:  ◌ {words}" in printed(render.overview(family))
    told = printed(render.findings(why(family)))
    assert "✔ demo is Ready: prod serves version 3" in told
    assert "Canary version 4 beside prod's version 3: undecided" in told and words in told
    assert "do: read the report s3://mlflow/compare.html" in told


def test_without_a_canary_it_is_said_why() -> None:
    family = Family(resource=resource(condition("Ready", "True", "Serving")), now=NOW)
    assert "Canary:  none (no version newer than prod's)" in printed(render.overview(family))
    new = resource(prod=None)
    text = printed(render.overview(Family(resource=new, now=NOW)))
    assert "Prod:    nothing to serve yet" in text and "Canary:  none yet" in text


def test_why_names_the_pods_that_vanished_with_their_rows() -> None:
    lost = [{"pod": "demo-prod-x", "rows": 1200, "at": "2026-11-24T11:00:00Z"}]
    made = resource(condition("Ready", "True", "Serving"), undelivered=lost)
    text = printed(render.findings(why(Family(resource=made, now=NOW))))
    assert "⚠ Pods vanished with rows that had not reached the prediction log" in text
    assert "60m ago demo-prod-x: up to 1,200 rows" in text


def test_why_of_a_healthy_resource_is_one_line() -> None:
    family = Family(resource=resource(condition("Ready", "True", "Serving")), now=NOW)
    assert printed(render.findings(why(family))) == "✔ demo is Ready: prod serves version 3"


BROKEN = Family(
    resource=resource(
        condition("Ready", "False", "VersionRejected", "version 4 does not load; version 3 serves on"),
        condition("Available", "True", "Serving"),
        prod=stage(
            "3",
            target={"version": "4", "source": "stage Production"},
            display="3>4",
            lastFailure={
                "version": "4",
                "reason": "LoadFailed",
                "message": "No module named 'lightgbm'",
                "exitCode": 3,
                "at": "2026-11-24T11:58:30Z",
            },
        ),
    ),
    now=NOW,
    deployments=[deployment("prod", "3", ready=1)],
    pods=[
        pod(
            "demo-prod-x",
            "prod",
            "4",
            containerStatuses=[
                ended(3, {"reason": "LoadFailed", "message": "No module named 'lightgbm'", "version": "4"})
            ],
        )
    ],
    events=[
        {
            "type": "Warning",
            "reason": "VersionRejected",
            "message": "version 4 does not load",
            "lastTimestamp": "2026-11-24T11:58:30Z",
        },
        {"type": "Warning", "reason": "Old", "message": "long ago", "lastTimestamp": "2026-11-23T11:58:30Z"},
        {"type": "Normal", "reason": "Applied", "message": "x", "lastTimestamp": "2026-11-24T11:59:00Z"},
    ],
    unseen=["jobs"],
)


def test_why_of_a_broken_version_gives_the_loaders_words_and_the_way_out() -> None:
    text = printed(render.findings(why(BROKEN)), width=250)
    assert "⚠ VersionRejected: Ready is False for 10m\n  version 4 does not load; version 3 serves on" in text
    assert (
        "· Version 4 failed on prod: LoadFailed, exit code 3\n  90s ago: No module named 'lightgbm'" in text
    )
    assert "--overwrite driftlead.dev/requestedAt=$(date -u +%FT%TZ)" in text
    assert "✖ Pod demo-prod-x of prod is not ready: CrashLoopBackOff" in text
    assert "do: kubectl logs -n models demo-prod-x --previous" in text
    assert "90s ago VersionRejected: version 4 does not load" in text
    assert "long ago" not in text
    assert "Applied" not in text


def test_the_tree_of_a_broken_version_says_why_and_what_it_could_not_see() -> None:
    text = printed(render.overview(BROKEN))
    assert "Status:  ⚠ VersionRejected" in text
    assert "Prod:    version 3>4 (stage Production)  2/2" in text
    assert "Why:     version 4 does not load; version 3 serves on" in text
    assert "✖ CrashLoopBackOff  2h   version 4, 3 restarts, LoadFailed: No module named 'lightgbm'" in text
    assert "not shown, since you may not list them: jobs" in text


def test_a_resource_that_nobody_has_seen_is_not_taken_for_ready() -> None:
    unseen = resource(condition("Ready", "Unknown", "Pending", "the operator has not reconciled it yet"))
    unseen["status"] = {"conditions": unseen["status"]["conditions"]}
    family = Family(resource=unseen, now=NOW)
    assert "Status:  ✖ Pending" in printed(render.overview(family))
    text = printed(render.findings(why(family)))
    assert "The operator has not seen the newest spec" in text
    assert "spec is at generation 3, status at none" in text
    assert "Ready is Unknown" in text


@pytest.mark.parametrize(
    ("conditions", "spec", "words"),
    [
        ([condition("Ready", "False", "RollingOut"), condition("Reconciling", "True")], {}, "◌ RollingOut"),
        ([condition("Ready", "False", "NameTaken")], {}, "✖ NameTaken"),
        (
            [condition("Ready", "False", "X"), condition("Stalled", "True", "NameTaken")],
            {},
            "✖ stalled: NameTaken",
        ),
        ([condition("Ready", "True", "Serving")], {"suspend": True}, "· suspended"),
    ],
)
def test_each_state_has_a_sign_and_a_word(conditions: list[Manifest], spec: Manifest, words: str) -> None:
    made = resource(*conditions)
    made["spec"] |= spec
    assert f"Status:  {words}" in printed(render.overview(Family(resource=made, now=NOW)))


def test_a_resource_without_drift_or_canary_shows_none() -> None:
    made = resource(condition("Ready", "True"))
    del made["spec"]["canary"], made["spec"]["drift"]
    text = printed(render.overview(Family(resource=made, now=NOW)))
    assert "Canary" not in text
    assert "Drift:   · not asked for" in text


def test_hostile_words_of_a_model_are_text_and_not_markup() -> None:
    broken = pod("p", "prod", "4", containerStatuses=[ended(1, "[bold red]boom[/] \x1b[31m")])
    family = Family(resource=resource(), now=NOW, deployments=[deployment("prod", "3")], pods=[broken])
    text = printed(render.overview(family))
    assert "[bold red]boom[/]" in text
    assert "\x1b" not in text
    assert "�[31m" in text


@pytest.mark.parametrize(
    ("status", "word", "words"),
    [
        ({"phase": "Pending"}, "Pending", None),
        ({"phase": "Running"}, "Starting", None),
        ({"phase": "Succeeded"}, "Succeeded", None),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m"}
                ]
            },
            "Unschedulable",
            None,
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}]},
            "ErrImagePull",
            None,
        ),
        (
            {"containerStatuses": [ended(137, "", "OOMKilled")]},
            "CrashLoopBackOff",
            ("OOMKilled", "exit code 137"),
        ),
        (
            {"containerStatuses": [ended(0, {"verdict": "drift", "message": "temp moved"})]},
            "CrashLoopBackOff",
            ("drift", "temp moved"),
        ),
    ],
)
def test_a_pod_is_said_in_one_word_and_by_its_last_words(
    status: Manifest, word: str, words: tuple[str, str] | None
) -> None:
    made = pod("p", "prod", "3", **status)
    assert pods.word(made) == word
    assert pods.last_words(made) == words


@pytest.mark.parametrize(
    ("since", "text"),
    [
        ("2026-11-24T11:59:48Z", "12s"),
        ("2026-11-24T11:30:00Z", "30m"),
        ("2026-11-24T02:00:00Z", "10h"),
        ("2026-11-01T12:00:00Z", "23d"),
        ("2026-11-24T12:00:01Z", "0s"),
        (None, "-"),
        ("yesterday", "-"),
    ],
)
def test_ages_are_as_kubectl_writes_them(since: str | None, text: str) -> None:
    assert age(since, NOW) == text


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("-n shop tree demo", "tree -n shop demo"),
        ("--namespace=shop --no-color why demo", "why --namespace=shop --no-color demo"),
        ("--context c -n shop promote demo 5 --wait 3", "promote --context c -n shop demo 5 --wait 3"),
        ("tree demo -n shop", "tree demo -n shop"),
        ("--help", "--help"),
        ("-n", "-n"),
        ("", ""),
    ],
)
def test_what_every_verb_takes_may_stand_before_the_verb(words: str, wanted: str) -> None:
    assert " ".join(after_the_verb(words.split())) == wanted


@pytest.mark.parametrize("verb", ["tree", "watch", "why", "promote", "abort", "lint"])
def test_every_verb_takes_the_same_options(verb: str) -> None:
    said = CliRunner().invoke(app, [verb, "--help"]).output
    assert all(option in said for option in OF_EVERY_VERB)


def test_a_version_that_was_given_up_is_no_rollout() -> None:
    given_up = {"display": "none, not 3", "readyReplicas": 0, "replicas": 0}
    assert stage_words(given_up, "none") == "nothing, version 3 was given up  0/0"
