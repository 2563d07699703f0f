"""A release's life on a real node: what serves goes on serving, whatever becomes of its operator.

The first release brings the stores and the API's definition; a second one beside it, in a namespace of its
own, is upgraded, rolled back, uninstalled and installed again while clients send to its models.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.serving import SOURCE, condition, resource, served, starts, template, upgrade, version_is
from hack.demo.registry import Registry
from hack.demo.shell import OutcomeError, eventually, run
from hack.demo.steps import Demo
from hack.demo.system import VALUES, System, image
from neighbours.releases import CHART, older_chart

pytestmark = [pytest.mark.cluster, pytest.mark.platform]
OLDER_IMAGE = "images.inference.registry=docker.io"
"""The same image by its longer name: another default for the operator, and one that is on the node."""


@dataclass(frozen=True)
class Second:
    """The release beside the first, and the values that lead it to the first one's stores."""

    system: System
    settings: list[str]

    def helm(self, verb: str, chart: Path, *settings: str) -> None:
        """Installs or upgrades it and waits until it is ready."""
        chosen = [word for each in (*self.settings, *settings) for word in ("--set-string", each)]
        modes = ["--set", "crds.enabled=false", "--set", "rbac.aggregate=false"]
        where = ["-n", self.system.namespace, "--values", VALUES, "--wait", "--timeout", "3m"]
        run("helm", verb, self.system.release, chart, *where, *modes, *chosen)

    def pick_up(self, name: str) -> None:
        """Has the operator act on a resource: suspends it, and lets it go again."""
        for suspend in (True, None):
            patch = json.dumps({"spec": {"suspend": suspend}})
            run(*self.system.kubectl("patch", "modeldeployment", name, "--type=merge", "-p", patch))
            eventually(
                lambda: "yes" if suspended(self.system, name) == bool(suspend) else "",  # noqa: B023 (called at once)
                f"suspend={suspend} is seen in {name}'s status",
                60,
            )


def suspended(system: System, name: str) -> bool:
    return condition(system.status(name), "Ready").get("reason") == "Suspended"


def connections(system: System) -> list[str]:
    """The values of the chart that lead another namespace to this release's stores."""
    secret = {
        key: base64.b64decode(text).decode()
        for key, text in system.get("secret", "driftlead-connections")["data"].items()
    }
    public = system.get("configmap", "driftlead-connections")["data"]
    return [
        f"connections.postgres.dsn={secret['DRIFTLEAD_POSTGRES_DSN']}",
        f"connections.s3.endpoint={public['MLFLOW_S3_ENDPOINT_URL']}",
        f"connections.s3.accessKeyID={secret['AWS_ACCESS_KEY_ID']}",
        f"connections.s3.secretAccessKey={secret['AWS_SECRET_ACCESS_KEY']}",
        "registries[0].name=default",
        f"registries[0].trackingURI=http://{system.release}-mlflow.{system.namespace}.svc:5000",
    ]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return older_chart(tmp_path_factory.mktemp("older"))


@pytest.fixture(scope="module")
def second(system: System, older: Path) -> Iterator[Second]:
    """Installed from the older chart; the first release is told to look after its own namespace alone."""
    upgrade(system, "--set", f"watch.namespaces={{{system.namespace}}}")
    beside = System(f"{system.namespace}-b")
    settings = [*connections(system), f"watch.namespaces={{{beside.namespace}}}"]
    beside.make_namespace()
    release = Second(beside, settings)
    try:
        release.helm("install", older, OLDER_IMAGE)
        yield release
    finally:
        beside.remove()


@pytest.fixture(scope="module")
def kept(second: Second, registry: Registry, system: System) -> Iterator[str]:
    """A model that the second release serves, in two pods."""
    with served(
        second.system, registry, "kept", client=system, prod={"stage": "Production", "replicas": 2}
    ) as name:
        yield name


def test_upgrade_rollback_uninstall_and_reinstall_restart_no_model_pod_and_fail_no_request(
    kept: str, second: Second, demo: Demo, older: Path, registry: Registry
) -> None:
    here = second.system
    before = starts(here, kept)
    identity = here.get("modeldeployment", kept)["metadata"]["uid"]
    assert image("inference") != template(here, kept)["spec"]["containers"][0]["image"]
    with demo.users(f"{kept}.{here.namespace}") as seen:
        second.helm("upgrade", CHART)
        second.pick_up(kept)
        assert starts(here, kept) == before
        run("helm", "rollback", here.release, "1", "-n", here.namespace, "--wait", "--timeout", "3m")
        second.pick_up(kept)
        assert starts(here, kept) == before

        run("helm", "uninstall", here.release, "-n", here.namespace, "--wait")
        assert here.get("deployments", "-l", "app.kubernetes.io/component=operator")["items"] == []
        assert here.get("secret", "driftlead-connections")["data"]
        gone, stays = sorted(before)
        run(*here.kubectl("delete", "pod", gone))
        run(*here.kubectl("rollout", "status", f"deployment/{kept}-prod", "--timeout=120s"))
        after = starts(here, kept)
        assert len(after) == 2
        assert after[stays] == before[stays]

        second.helm("install", CHART)
        second.pick_up(kept)
        assert starts(here, kept) == after
        assert here.get("modeldeployment", kept)["metadata"]["uid"] == identity
        registry.transition(registry.copy("2", kept, SOURCE), "Production", kept)
        version_is(here, kept, "prod", "2")
    assert seen["failed"] == 0, seen
    assert set(seen["versions"]) == {"1", "2"}, seen
    assert template(here, kept)["spec"]["containers"][0]["image"] == image("inference")


def test_an_upgrade_brings_a_field_that_the_older_definition_does_not_know(
    system: System, second: Second, older: Path
) -> None:
    with_field = resource("field", "field", suspend=True)
    try_out = second.system.kubectl("create", "--dry-run=server", "-f", "-")
    upgrade(system, chart=older)
    try:
        with pytest.raises(OutcomeError, match=r"unknown field.*spec\.suspend"):
            run(*try_out, given=with_field)
    finally:
        upgrade(system)
    run(*try_out, given=with_field)


def test_a_namespace_with_models_goes_though_no_operator_runs(kept: str, second: Second) -> None:
    here = second.system
    run("helm", "uninstall", here.release, "-n", here.namespace, "--wait", "--ignore-not-found")
    assert starts(here, kept)
    run("kubectl", "delete", "namespace", here.namespace, "--timeout=100s")
    assert run("kubectl", "get", "namespace", here.namespace, "--ignore-not-found", "-o", "name") == ""
