"""The operator in this process or in others, against a real API server and declared registries."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from driftlead_operator import logs
from driftlead_operator.assembly import Operator
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.decisions import names
from driftlead_operator.decisions.facts import Deletion, Event, Facts, Plan, Ref
from driftlead_operator.errors import ConflictError
from driftlead_operator.kinds import Kind
from driftlead_operator.observe import Decisions
from driftlead_operator.settings import OperatorSettings
from hack.ports import free_port
from neighbours.mlflow import answers
from neighbours.processes import IMPORTS, ROOT, running

Json = dict[str, Any]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(kind: Kind) -> Json:
    """The CRD of a namespaced kind whose objects may hold anything."""
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": {"kind": kind.name, "plural": kind.plural, "singular": kind.name.lower()},
            "scope": "Namespaced",
            "versions": [{"name": kind.version, "served": True, "storage": True, "schema": anything}],
        },
    }


def declare(folder: Path, name: str, uri: str, **files: str) -> Path:
    """Declares a registry as the chart mounts it; file names have _ for -."""
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    for file, text in {"uri": uri, "allow_write": "true", **files}.items():
        (home / file.replace("_", "-")).write_text(text)
    return folder


def mlflow(uri: str, call: str, body: Mapping[str, Any] | None = None, method: str = "POST") -> Json:
    """One call of MLflow's REST API."""
    request = urllib.request.Request(
        f"{uri}/api/2.0/mlflow/{call}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method="GET" if body is None else method,
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        answer: Json = json.load(reply)
        return answer


def register(uri: str, model: str, versions: int) -> None:
    """A registered model with this number of versions, none of them in a stage."""
    mlflow(uri, "registered-models/create", {"name": model})
    for number in range(versions):
        mlflow(uri, "model-versions/create", {"name": model, "source": f"s3://mlflow/{model}/{number + 1}"})


def move(uri: str, model: str, version: str, stage: str, *, archive: bool = True) -> None:
    """A promotion as a person makes it."""
    body = {"name": model, "version": version, "stage": stage, "archive_existing_versions": archive}
    mlflow(uri, "model-versions/transition-stage", body)


async def install_crd(api: ApiServer) -> None:
    """Our kind, there and served afterwards."""
    crd = yaml.safe_load((ROOT / "crds/modeldeployments.driftlead.dev.yaml").read_text())
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    with contextlib.suppress(ConflictError):
        await api.request("create", "CRD", "POST", path, body=crd)

    async def served() -> bool:
        reply = await api.request("get", "CRD", "GET", f"{path}/{crd['metadata']['name']}")
        conditions = (reply.get("status") or {}).get("conditions") or ()
        return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)

    await until(served)


async def namespace(api: ApiServer, name: str) -> str:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    with contextlib.suppress(ConflictError):
        await api.request("create", "Namespace", "POST", "/api/v1/namespaces", body=body)
    return name


def resource(where: str, name: str, **spec: Any) -> Json:
    return {
        "apiVersion": "driftlead.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": where},
        "spec": {"model": "Demo", "prod": {"stage": "Production"}, **spec},
    }


async def until(true: Callable[[], Any], *, seconds: float = 15.0, every: float = 0.05) -> Any:
    """Polls until the answer is truthy, and returns it; `true` may be a coroutine function."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = true()
        answer = await answer if asyncio.iscoroutine(answer) else answer
        if answer:
            return answer
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"not true within {seconds} s")
        await asyncio.sleep(every)


def serves(api: ApiServer, where: str, version: str, name: str = "demo") -> Callable[[], Awaitable[bool]]:
    """Whether the child of the plan below selects that version ("": whether there is none)."""

    async def ask() -> bool:
        child = await api.get("Service", where, name)
        return bool((child["spec"]["selector"].get("serves") if child else "") == version)

    return ask


@contextlib.asynccontextmanager
async def running_operator(
    decisions: Decisions, *, leads: bool = True, **settings: Any
) -> AsyncIterator[Operator]:
    """The operator in this loop until the block ends, with everything seen; leading, unless told not to."""
    defaults = {"port": free_port(), "hook_port": free_port(), "poll_seconds": 0.5, "grace_seconds": 2.0}
    operator = Operator(OperatorSettings(**(defaults | settings)), decisions)
    task = asyncio.create_task(operator.run())
    try:
        await until(
            lambda: task.done() or (operator.queue.open if leads else operator.audit.synced), seconds=30
        )
        yield operator
    finally:
        operator.stop()
        await task


def with_token(kubeconfig: Path, token: str, copy: Path) -> Path:
    """A copy of a kubeconfig that authenticates by this token alone."""
    content = json.loads(kubeconfig.read_text())
    content["users"][0]["user"] = {"token": token}
    copy.write_text(json.dumps(content))
    return copy


def decisions(plan: Callable[[Facts], Plan], refs: Callable[[Any], Any] = lambda _: ()) -> Decisions:
    """The given plan, with the simplest of everything else."""
    return Decisions(
        plan=plan,
        registry_name=lambda each: each["spec"].get("registry", "default"),
        model_name=lambda each: each["spec"].get("model"),
        child_refs=refs,
    )


def service(facts: Facts, version: str) -> Json:
    """A child whose content says which version is wanted."""
    metadata = facts.resource["metadata"]
    owner = {"apiVersion": "driftlead.dev/v1alpha1", "kind": "ModelDeployment", "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {names.MANAGED_BY: names.MANAGER, names.RESOURCE_NAME: metadata["name"]},
            "ownerReferences": [{**owner, "name": metadata["name"], "uid": metadata["uid"]}],
        },
        "spec": {"ports": [{"port": 80}], "selector": {"serves": version}},
    }


def own_names(thing: Mapping[str, Any]) -> list[Ref]:
    """The one name that the plan below gives."""
    return [Ref("Service", thing["metadata"]["name"])]


def follow_production(facts: Facts) -> Plan:
    """One Service that selects by the version in Production, and a status that says the same."""
    metadata = facts.resource["metadata"]
    if facts.registry.answered_at is None:
        return Plan()
    version = next((each.version for each in facts.registry.versions if each.stage == "Production"), "")
    seen = facts.children.get(Ref("Service", metadata["name"]))
    owners = (seen or {}).get("metadata", {}).get("ownerReferences", ())
    taken = seen is not None and all(each["uid"] != metadata["uid"] for each in owners)
    status = {"observedGeneration": metadata["generation"], "prod": {"version": version}}
    if taken:
        status["prod"] = {"display": "taken"}
    told = status if facts.resource.get("status") != status else None
    if taken:
        return Plan(status=told, retry_after=0.5)
    if not version:
        delete = [Deletion(ref=Ref("Service", metadata["name"]), uid=seen["metadata"]["uid"])] if seen else []
        return Plan(status=told, delete=delete)
    wanted = service(facts, version)
    same = seen and (seen["spec"]["selector"], seen["metadata"].get("labels")) == (
        wanted["spec"]["selector"],
        wanted["metadata"]["labels"],
    )
    if seen:
        wanted["metadata"]["resourceVersion"] = seen["metadata"]["resourceVersion"]
    events = [Event(reason="Promoted", message=f"version {version} serves")] if told else []
    return Plan(status=told, apply=[] if same else [wanted], events=events)


FOLLOW = decisions(follow_production, own_names)


def stop_before_the_next_apply(trap: Path) -> None:
    """While the file is there, this process stops itself between a write's last check and its request."""
    apply = ApiServer.apply

    def fall() -> None:
        if trap.exists():
            trap.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)

    async def apply_late(self: ApiServer, manifest: Mapping[str, Any], *, force: bool) -> Json:
        fall()
        return await apply(self, manifest, force=force)

    ApiServer.apply = apply_late  # type: ignore[method-assign]


def main() -> None:
    """An operator with the plan above and settings from flags and environment: a process to kill and stop."""
    logs.configure("info", terminal=False)
    if trap := os.environ.get("TRAP"):
        stop_before_the_next_apply(Path(trap))
    asyncio.run(Operator(OperatorSettings(_cli_parse_args=sys.argv[1:]), FOLLOW).run())


@contextlib.contextmanager
def operator_process(home: Path, name: str, **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The operator above in a process of its own, ready. In `home` are its NAME.log and its NAME.trap."""
    port = free_port()
    flags = {"port": port, "pod_name": name, "poll_seconds": 0.5} | settings
    words = [f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()]
    with running(
        [sys.executable, "-m", "neighbours.operators", *words],
        log=home / f"{name}.log",
        answers=lambda: answers(f"http://127.0.0.1:{port}/readyz"),
        environment={"PYTHONPATH": IMPORTS, "TRAP": str(home / f"{name}.trap")},
    ) as process:
        yield process


if __name__ == "__main__":
    main()
