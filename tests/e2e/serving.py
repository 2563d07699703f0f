"""What the end-to-end tests ask of a service from inside the cluster, and how they describe resources."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shell import run
from system import System

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
