"""The demo is a test: each of its steps checks its own outcome, and each is a test of its own here."""

from collections.abc import Callable, Iterator

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from driftlead_operator.kinds import KINDS
from hack.demo.shell import run
from hack.demo.steps import STEPS, Demo
from hack.demo.system import System

pytestmark = pytest.mark.cluster
FAILED: list[str] = []


@pytest.mark.parametrize("step", STEPS[1:], ids=[step.__name__ for step in STEPS[1:]])
def test_the_demo_keeps_what_it_promises(step: Callable[[Demo], None], demo: Demo) -> None:
    if FAILED:
        pytest.fail(f"the step before failed: {FAILED[0]}")
    FAILED.append(step.__name__)
    step(demo)
    FAILED.clear()


def test_every_pod_that_ran_was_restricted_and_none_restarted(demo: Demo) -> None:
    pods = demo.system.get("pods")["items"]
    restarts = {
        f"{pod['metadata']['name']}/{each['name']}": each["restartCount"]
        for pod in pods
        for each in pod["status"].get("containerStatuses", [])
    }
    assert len(restarts) > 8
    assert {name: count for name, count in restarts.items() if count} == {}
    enforced = demo.system.get("namespace", demo.system.namespace)["metadata"]["labels"]
    assert enforced["pod-security.kubernetes.io/enforce"] == "restricted"


Verb = tuple[str, str, str]
"""API group, resource with subresource, verb."""


def granted(system: System) -> set[Verb]:
    """What the roles of the installed operator list."""
    manifest = run("helm", "get", "manifest", system.release, "--namespace", system.namespace)
    return {
        (group, name, verb)
        for each in yaml.safe_load_all(manifest)
        if each and each["kind"] in ("Role", "ClusterRole")
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "operator"
        for rule in each["rules"]
        for group in rule["apiGroups"]
        for name in rule["resources"]
        for verb in rule["verbs"]
    }


def requested(system: System) -> Iterator[tuple[Verb, str]]:
    """What the operator's pods requested of the API server since they started, and the answer's code."""
    labels = f"app.kubernetes.io/component=operator,app.kubernetes.io/instance={system.release}"
    for pod in system.get("pods", "-l", labels)["items"]:
        path = f"/api/v1/namespaces/{system.namespace}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
        families = text_string_to_metric_families(run("kubectl", "get", "--raw", path))
        counted = next(each for each in families if each.name == "driftlead_operator_api_requests")
        for sample in counted.samples:
            if not sample.name.endswith("_total"):
                continue
            kind = KINDS[sample.labels["kind"]]
            verb, _, subresource = sample.labels["verb"].replace("apply", "patch").partition("-")
            yield (
                (kind.group, "/".join(filter(None, (kind.plural, subresource))), verb),
                sample.labels["code"],
            )


def test_the_operator_was_refused_nothing_and_requested_only_what_its_roles_list(demo: Demo) -> None:
    found = list(requested(demo.system))
    assert {verb for verb, code in found if code == "403"} == set()
    used, allowed = {verb for verb, _ in found}, granted(demo.system)
    assert used <= allowed, used - allowed
    # It played its whole part, so that this says something.
    for resource in (("apps", "deployments"), ("batch", "cronjobs"), ("", "services")):
        assert (*resource, "patch") in used
    assert {("batch", "jobs", "create"), ("driftlead.dev", "modeldeployments/status", "patch")} <= used
