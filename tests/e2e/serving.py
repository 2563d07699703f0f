"""What the end-to-end tests ask of a service from inside the cluster, and how they describe resources."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.demo.registry import Registry
from hack.demo.shell import eventually, run
from hack.demo.system import System
from neighbours.releases import CHART

SOURCE = "flights"
"""The model whose versions the tests register under names of their own."""
ZEROS = [0] * 20
ASK = """
import json, sys, urllib.error, urllib.request
answers = []
for ask in json.load(sys.stdin):
    body = None if ask["body"] is None else ask["body"].encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(ask["url"], data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            answers.append([reply.status, reply.read().decode()])
    except urllib.error.HTTPError as error:
        answers.append([error.code, error.read().decode()])
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True)
class Answer:
    """Status and body of a reply."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.text)


def ask(system: System, *asks: tuple[str, str | None]) -> list[Answer]:
    """The answers of services to (url, body) in turn; a body of None is a GET."""
    text = json.dumps([{"url": url, "body": body} for url, body in asks])
    command = system.kubectl("exec", "-i", "flights", "--", "python", "-c", ASK)
    return [Answer(status, body) for status, body in json.loads(run(*command, given=text))]


def predict(system: System, service: str, features: Sequence[float | None]) -> Answer:
    """One prediction by a service of this namespace."""
    (answer,) = ask(system, (f"http://{service}/predict", json.dumps({"features": list(features)})))
    return answer


def reached(system: System, service: str) -> str:
    """`yes` when a Service has somebody behind it, for every node's proxy."""
    script = f"import urllib.request as u; u.urlopen('http://{service}/livez', timeout=5)"
    done = run(*system.client("sh", "-c", f'python -c "{script}" 2>/dev/null && echo yes || true'))
    return done.strip()


def resource(name: str, model: str, **spec: Any) -> str:
    """A manifest; prod follows Production unless said otherwise. JSON is YAML."""
    return json.dumps(
        {
            "apiVersion": "driftlead.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": name},
            "spec": {"model": model, "prod": {"stage": "Production"}, **spec},
        }
    )


def apply(system: System, manifest: str) -> None:
    """As a person does."""
    run(*system.kubectl("apply", "-f", "-"), given=manifest)


def condition(status: Mapping[str, Any], kind: str) -> dict[str, str]:
    """One condition of a status, empty when it is not there."""
    return next((each for each in status.get("conditions", []) if each["type"] == kind), {})


def children(system: System, name: str) -> list[str]:
    """Every object that belongs to a resource, as kind/name."""
    kinds = (
        "deployments,services,cronjobs,jobs,replicasets,pods,horizontalpodautoscalers,poddisruptionbudgets"
    )
    return run(*system.kubectl("get", kinds, "-l", f"driftlead.dev/name={name}", "-o", "name")).split()


@contextmanager
def served(
    system: System, registry: Registry, name: str, client: System | None = None, **spec: Any
) -> Iterator[str]:
    """A resource that serves version 1 of a model of its own name, until the end of the block.

    It is asked from `client`'s namespace, where that is not its own.
    """
    registry.copy("1", name, SOURCE)
    registry.transition("1", "Production", name)
    apply(system, resource(name, name, **spec))
    try:
        run(*system.kubectl("wait", f"modeldeployment/{name}", "--for=condition=Ready", "--timeout=180s"))
        # kube-proxy learns of new endpoints a moment after everybody else.
        host = f"{name}.{system.namespace}"
        eventually(lambda: reached(client or system, host), f"{host} answers", 20)
        yield name
    finally:
        run(*system.kubectl("delete", "modeldeployment", name, "--ignore-not-found"))


def version_is(system: System, name: str, stage: str, version: str, seconds: int = 120) -> None:
    """Waits until every pod of a stage serves this version."""
    path = f"jsonpath={{.status.{stage}.version}}={version}"
    run(*system.kubectl("wait", f"modeldeployment/{name}", f"--for={path}", f"--timeout={seconds}s"))


def has_condition(system: System, name: str, kind: str, reason: str, seconds: float = 90) -> str:
    """The sentence of a condition, once it has this reason."""

    def message() -> str:
        found = condition(system.status(name), kind)
        return found["message"] if found.get("reason") == reason else ""

    return eventually(message, f"{name} has {kind} with reason {reason}: {system.status(name)}", seconds)


def starts(system: System, name: str, stage: str = "prod") -> dict[str, tuple[str, int]]:
    """Each pod of a stage with what changes when it, or its container, is started again."""
    labels = f"driftlead.dev/name={name},driftlead.dev/stage={stage}"
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            sum(each["restartCount"] for each in pod["status"].get("containerStatuses", [])),
        )
        for pod in system.get("pods", "-l", labels)["items"]
        if "deletionTimestamp" not in pod["metadata"]
    }


def template(system: System, name: str, stage: str = "prod") -> Any:
    """What the pods of a stage are made from."""
    return system.get("deployment", f"{name}-{stage}")["spec"]["template"]


def upgrade(
    system: System, *options: str, values: Mapping[str, Any] | None = None, chart: Path = CHART
) -> None:
    """Upgrades a release with the values that it has, and these on top; waits until it is ready."""
    where = ["-n", system.namespace, "--reuse-values", "--wait", "--timeout=3m", "--values", "-"]
    run("helm", "upgrade", system.release, chart, *where, *options, given=json.dumps(values or {}))
