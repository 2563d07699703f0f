"""Reads a ModelDeployment and its children from the cluster, and writes annotations: all the I/O there is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from driftlead_cli.errors import Refused
from driftlead_cli.facts import Family, Manifest
from driftlead_operator.decisions.names import GROUP, RESOURCE_NAME

VERSION, PLURAL = "v1alpha1", "modeldeployments"
TIMEOUT = 10.0
FORBIDDEN = 403
NOT_FOUND = 404


class Cluster:
    """One namespace as one user sees it.

    Raises Refused, with a sentence, when there is no kubeconfig, no such context, no answer, no permission.
    """

    def __init__(self, *, context: str | None, namespace: str | None, kubeconfig: Path | None = None) -> None:
        file = str(kubeconfig) if kubeconfig else None
        try:
            # kubectl's own order: $KUBECONFIG, then ~/.kube/config, then the pod's service account.
            config.load_config(config_file=file, context=context)  # type: ignore[no-untyped-call]
            contexts, active = _contexts(file)
        except config.ConfigException as error:
            raise Refused(f"no cluster to ask: {error}; set KUBECONFIG, or name another --context") from error
        chosen = next((each for each in contexts if each["name"] == context), active)
        self.namespace = namespace or chosen.get("context", {}).get("namespace") or "default"
        self._api = client.ApiClient()
        self._any = client.CustomObjectsApi(self._api)
        self._core = client.CoreV1Api(self._api)

    def resource(self, name: str) -> Manifest:
        """The ModelDeployment. Raises Refused naming those that there are when this one is missing."""
        with _explained(f"read modeldeployments in {self.namespace}"):
            try:
                found: Any = self._any.get_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, name, _request_timeout=TIMEOUT
                )
            except ApiException as error:
                if error.status != NOT_FOUND:
                    raise
                raise Refused(self._missing(name)) from error
            return dict(found)

    def _missing(self, name: str) -> str:
        try:
            there = self._list(GROUP, VERSION, PLURAL, "")
        except ApiException as error:
            if error.status == NOT_FOUND:
                return (
                    "this cluster does not know ModelDeployments: install the chart, helm install driftlead"
                )
            raise
        names = ", ".join(sorted(each["metadata"]["name"] for each in there)) or "none at all"
        return (
            f"there is no ModelDeployment {name} in namespace {self.namespace}; there: {names}."
            " Name another namespace with -n"
        )

    def _list(self, group: str, version: str, plural: str, selector: str) -> Sequence[Manifest]:
        answer: Any = self._any.list_namespaced_custom_object(
            group,
            version,
            self.namespace,
            plural,
            label_selector=selector,
            _request_timeout=TIMEOUT,
        )
        items: Sequence[Manifest] = answer["items"]
        return items

    def _plain(self, found: object) -> Sequence[Manifest]:
        """The items of a typed list as the API server wrote them."""
        plain: Any = self._api.sanitize_for_serialization(found)  # type: ignore[no-untyped-call]
        return list(plain["items"])

    def _pods(self, selector: str) -> Sequence[Manifest]:
        found = self._core.list_namespaced_pod(
            self.namespace, label_selector=selector, _request_timeout=TIMEOUT
        )
        return self._plain(found)

    def _events(self, resource: Manifest) -> Sequence[Manifest]:
        found = self._core.list_namespaced_event(
            self.namespace,
            field_selector=f"involvedObject.uid={resource['metadata']['uid']}",
            _request_timeout=TIMEOUT,
        )
        return self._plain(found)

    def family(self, name: str) -> Family:
        """The resource and the children that carry its label; kinds that this user may not list are named."""
        resource = self.resource(name)
        selector = f"{RESOURCE_NAME}={name}"
        sources: dict[str, Callable[[], Sequence[Manifest]]] = {
            "deployments": lambda: self._list("apps", "v1", "deployments", selector),
            "cronjobs": lambda: self._list("batch", "v1", "cronjobs", selector),
            "jobs": lambda: self._list("batch", "v1", "jobs", selector),
            "pods": lambda: self._pods(selector),
            "events": lambda: self._events(resource),
        }
        found: dict[str, Sequence[Manifest]] = {}
        unseen = []
        for kind, ask in sources.items():
            with _explained(f"list {kind} in {self.namespace}"):
                try:
                    found[kind] = ask()
                except ApiException as error:
                    if error.status != FORBIDDEN:
                        raise
                    unseen.append(kind)
        return Family(resource=resource, now=datetime.now(UTC), unseen=unseen, **found)

    def annotate(self, name: str, patch: Mapping[str, Any]) -> Manifest:
        """Merges a patch into the resource; it as it is afterwards."""
        with _explained(f"change modeldeployment {name} in {self.namespace}"):
            changed: Any = self._any.patch_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name, dict(patch), _request_timeout=TIMEOUT
            )
            return dict(changed)


def _contexts(file: str | None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The contexts of the kubeconfig and the active one; nothing inside a pod that has none."""
    try:
        contexts, active = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        return [], {}
    return list(contexts), dict(active or {})


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Turns what the client raises into a sentence."""
    try:
        yield
    except ApiException as error:
        if error.status == FORBIDDEN:
            raise Refused(
                f"you may not {doing}: ask for the ClusterRole view (to look) or edit (to change)"
            ) from error
        raise Refused(f"could not {doing}: the API server answered {error.status} {error.reason}") from error
    except HTTPError as error:
        raise Refused(f"could not {doing}: the API server does not answer ({error})") from error
