"""The operator's account with the rights that the chart gives it."""

import contextlib
from pathlib import Path
from typing import Any

import yaml

from chart.rendering import template
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.errors import ConflictError
from hack.tools import path_of
from neighbours import operators
from neighbours.operators import Json, with_token

RBAC = "/apis/rbac.authorization.k8s.io/v1"
PATHS = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}
NAMESPACED = {"Role": "roles", "RoleBinding": "rolebindings"}


def rendered(values: dict[str, Any]) -> list[Json]:
    """What the chart renders with these values."""
    done = template(str(path_of("helm")), values, [])
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


async def install_rights(api: ApiServer, values: dict[str, Any]) -> str:
    """Creates account, roles and bindings of the operator as the chart renders them; the account's name."""
    account = ""
    await operators.namespace(api, "driftlead")
    for each in rendered(values):
        kind, metadata = each["kind"], each["metadata"]
        if kind in PATHS:
            path = f"{RBAC}/{PATHS[kind]}"
        elif kind in NAMESPACED:
            path = f"{RBAC}/namespaces/{metadata['namespace']}/{NAMESPACED[kind]}"
        elif kind == "ServiceAccount" and "operator" in metadata["name"]:
            path, account = "/api/v1/namespaces/driftlead/serviceaccounts", metadata["name"]
        else:
            continue
        with contextlib.suppress(ConflictError):
            await api.request("create", kind, "POST", path, body=each)
    return account


async def act_as(api: ApiServer, account: str, kubeconfig: Path, folder: Path) -> Path:
    """A kubeconfig with a token of that account."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/driftlead/serviceaccounts/{account}/token"
    token = (await api.request("create", "TokenRequest", "POST", path, body=body))["status"]["token"]
    return with_token(kubeconfig, token, folder / "account.kubeconfig")
