"""The installed system, as the demo and the end-to-end tests talk to it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hack import ROOT
from hack.demo.shell import eventually, run, show

VALUES = ROOT / ".build/images.values.yaml"
IMAGES = ROOT / ".build/images.txt"
MODEL = "DriftAwareDemoModel"


def image(name: str) -> str:
    """The image on the node, by its tag of content."""
    wanted = f"driftlead/{name}:"
    return next(line for line in IMAGES.read_text().splitlines() if line.startswith(wanted))


def with_images(manifest: str) -> str:
    """A manifest whose `image: driftlead/NAME` names what is on the node."""
    return re.sub(
        r"image: driftlead/([a-z]+)$", lambda found: f"image: {image(found[1])}", manifest, flags=re.MULTILINE
    )


def defined() -> bool:
    """Whether the cluster knows ModelDeployments."""
    return "modeldeployments.driftlead.dev" in run("kubectl", "get", "crd", "-o", "name")


def operators() -> list[str]:
    """Every operator of ours on the cluster."""
    labels = "app.kubernetes.io/name=driftlead,app.kubernetes.io/component=operator"
    return run("kubectl", "get", "deployments", "-A", "-l", labels, "-o", "name").split()


@dataclass(frozen=True)
class System:
    """One release in a namespace of its own."""

    namespace: str
    release: str = "driftlead"

    def kubectl(self, *words: str) -> list[str]:
        return ["kubectl", "-n", self.namespace, *words]

    def get(self, *words: str) -> Any:
        """What `kubectl get ... -o json` says."""
        return json.loads(run(*self.kubectl("get", *words, "-o", "json")))

    def install(self, *settings: str) -> list[str]:
        """The command that installs everything and waits until it is ready.

        The resource's definition goes again with the release, unless another release has brought it.
        """
        brought = "crds.enabled=false" if defined() else "crds.keep=false"
        options = [word for each in (*settings, brought) for word in ("--set", each)]
        where = ["--namespace", self.namespace, "--values", str(VALUES.relative_to(ROOT))]
        wait = ["--wait", "--wait-for-jobs", "--timeout", "5m"]
        return ["helm", "install", self.release, "charts/driftlead", *where, *options, *wait]

    def remove(self) -> None:
        """The resources, the release, the namespace with all that is left in it."""
        if not run("kubectl", "get", "namespace", self.namespace, "--ignore-not-found", "-o", "name"):
            return
        if defined():
            show(*self.kubectl("delete", "modeldeployments", "--all", "--timeout=60s"))
        show("helm", "uninstall", self.release, "--namespace", self.namespace, "--ignore-not-found")
        show("kubectl", "delete", "namespace", self.namespace, "--timeout=180s")

    def make_namespace(self) -> None:
        """With the strictest pod security that Kubernetes knows."""
        show("kubectl", "create", "namespace", self.namespace)
        show("kubectl", "label", "namespace", self.namespace, "pod-security.kubernetes.io/enforce=restricted")

    def start_client(self) -> None:
        """The pod from which flights are sent; the registry's name in it is this release's."""
        manifest = with_images((ROOT / "examples/flights/client.yaml").read_text())
        manifest = manifest.replace("driftlead-mlflow:", f"{self.release}-mlflow:")
        run(*self.kubectl("apply", "-f", "-"), given=manifest)
        run(*self.kubectl("wait", "--for=condition=Ready", "pod/flights", "--timeout=120s"))

    def client(self, *words: str) -> list[str]:
        """A command inside that pod."""
        return self.kubectl("exec", "flights", "--", *words)

    def train(self, months: str, kind: str, name: str = MODEL) -> str:
        """The version that a training on these months registered."""
        output = show(
            *self.client("python", "train.py", "--months", months, "--model", kind, "--register", name)
        )
        found = re.search(r"version (\d+):", output)
        assert found, output
        return found[1]

    def sql(self, statement: str) -> list[str]:
        """A command that runs SQL in the development stack's Postgres."""
        psql = ["psql", "-U", "driftlead", "-d", "driftlead", "-c", statement]
        return self.kubectl("exec", f"deploy/{self.release}-postgres", "--", *psql)

    def query(self, statement: str) -> list[list[str]]:
        """The rows, each a list of text."""
        output = run(*self.sql(statement), "-At", "-F", "\t")
        return [line.split("\t") for line in output.splitlines()]

    def status(self, name: str = "demo") -> Mapping[str, Any]:
        return dict(self.get("modeldeployment", name).get("status", {}))

    def wait(self, resource: str, condition: str, seconds: int = 180) -> str:
        """Shows `kubectl wait` for a condition or a jsonpath of a resource."""
        return show(*self.kubectl("wait", resource, f"--for={condition}", f"--timeout={seconds}s"))

    def diagnosis(self) -> str:
        """What to look at first when something is wrong: pods, the words of those not well, resources."""
        pods = run(*self.kubectl("get", "pods", "-o", "wide"))
        logs = [
            f"--- {name}\n{run(*self.kubectl('logs', name, '--tail=15', '--all-containers'), expect=None)}"
            for name in (pod["metadata"]["name"] for pod in self.get("pods")["items"] if not _well(pod))
        ]
        resources = run(*self.kubectl("get", "modeldeployments", "-o", "yaml"), expect=None)
        return "\n".join([pods, *logs, resources])

    def check_now(self, job: str, name: str = "demo") -> Mapping[str, Any]:
        """Triggers the drift CronJob and returns the summary that its pod left."""
        show(*self.kubectl("create", "job", job, f"--from=cronjob/{name}-drift"))
        message = eventually(lambda: self.last_words(job), f"the pod of job {job} ended with a message", 120)
        return dict(json.loads(message))

    def last_words(self, job: str) -> str:
        """The termination message of a Job's pod, empty while it runs."""
        pods = self.get("pods", "-l", f"batch.kubernetes.io/job-name={job}")["items"]
        ended = [_terminated(pod) for pod in pods]
        return next((each["message"] for each in ended if each.get("message")), "")


def _well(pod: Mapping[str, Any]) -> bool:
    ready = [each["ready"] for each in pod.get("status", {}).get("containerStatuses", [])]
    return pod["status"].get("phase") == "Succeeded" or (bool(ready) and all(ready))


def _terminated(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    containers: Sequence[Mapping[str, Any]] = pod.get("status", {}).get("containerStatuses", [])
    return containers[0].get("state", {}).get("terminated", {}) if containers else {}
