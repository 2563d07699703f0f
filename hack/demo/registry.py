"""MLflow's registry through a forwarded port, by the calls that a person would type."""

import json
import subprocess
from contextlib import AbstractContextManager
from typing import Any

from hack.demo.shell import OutcomeError, background, eventually, run, show
from hack.demo.system import MODEL, System
from hack.ports import free_port


class Registry:
    """The stack's MLflow on a port of this machine, until `close`."""

    def __init__(self, system: System) -> None:
        """Forwards the port and waits until the registry answers."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        forward = system.kubectl("port-forward", f"svc/{system.release}-mlflow", f"{port}:5000")
        self._forward: AbstractContextManager[subprocess.Popen[str]] = background(
            *forward, output=subprocess.DEVNULL
        )
        self._forward.__enter__()
        eventually(self._answers, "the forwarded registry answers", 30)

    def close(self) -> None:
        self._forward.__exit__(None, None, None)

    def transition(self, version: str, stage: str, name: str = MODEL) -> None:
        """The original's own call, by curl."""
        body = {"name": name, "version": version, "stage": stage, "archive_existing_versions": True}
        call = ["curl", "--silent", "--show-error", "--fail-with-body", "-X", "POST"]
        kind = ["-H", "Content-Type: application/json"]
        url = f"{self.url}/api/2.0/mlflow/model-versions/transition-stage"
        text = json.dumps(body)
        words = (
            f"curl -X POST {url.replace(self.url, '$MLFLOW')} -H 'Content-Type: application/json' -d '{text}'"
        )
        show(*call, url, *kind, "-d", text, words=words, only=["current_stage", "version"])

    def versions(self, name: str = MODEL) -> dict[str, str]:
        """Each version's stage."""
        found = self._get("model-versions/search", filter=f"name='{name}'").get("model_versions", [])
        return {each["version"]: each["current_stage"] for each in found}

    def copy(self, version: str, name: str, model: str = MODEL) -> str:
        """Registers the artifact of a version under another name; the new version."""
        self._post("registered-models/create", name=name, tolerate="RESOURCE_ALREADY_EXISTS")
        found = self._get("model-versions/get", name=model, version=version)["model_version"]
        artifact = {"source": found["source"], "model_id": found["source"].removeprefix("models:/")}
        made = self._post("model-versions/create", name=name, run_id=found["run_id"], **artifact)
        return str(made["model_version"]["version"])

    def _post(self, path: str, tolerate: str = "", **body: str) -> Any:
        command = ["curl", "-sS", "-H", "Content-Type: application/json", "-d", json.dumps(body)]
        answer = json.loads(run(*command, f"{self.url}/api/2.0/mlflow/{path}"))
        if answer.get("error_code", tolerate) != tolerate:
            raise OutcomeError(f"{path}: {answer}")
        return answer

    def _get(self, path: str, **parameters: str) -> Any:
        options = [
            word for key, value in parameters.items() for word in ("--data-urlencode", f"{key}={value}")
        ]
        return json.loads(run("curl", "-sS", "-G", f"{self.url}/api/2.0/mlflow/{path}", *options))

    def _answers(self) -> str:
        url = f"{self.url}/api/2.0/mlflow/registered-models/search"
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return "yes" if done.stdout == "200" else ""
