"""A wrong value is refused before anything is installed, with the key, what came and what is allowed."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

BOOLEAN = "want boolean"
UNKNOWN = "additional properties"
# path, wrong value, and what Helm's words must hold beside the path
WRONG: list[tuple[str, Any, str]] = [
    ("unknown", 1, "'unknown' not allowed"),
    ("operator.replica", 2, "'replica' not allowed"),
    ("images.operator.name", "x", "'name' not allowed"),
    ("devStack.redis", {}, "'redis' not allowed"),
    ("nameOverride", "Has Capitals", "'Has Capitals' does not match pattern"),
    ("fullnameOverride", "x" * 41, "does not match pattern"),
    ("clusterName", "", "'' does not match pattern"),
    ("clusterName", "a cluster", "'a cluster' does not match pattern"),
    ("commonLabels", {"a": 1}, "got number, want string"),
    ("commonLabels", ["a"], "got array, want object"),
    ("pullPolicy", "Sometimes", "'Sometimes' does not match pattern '^(Always|IfNotPresent|Never)$'"),
    ("imagePullSecrets", ["pull"], "got string, want object"),
    ("imagePullSecrets", [{"names": "pull"}], "'names' not allowed"),
    ("images.operator.registry", "https://ghcr.io", "does not match pattern"),
    ("images.inference.repository", "Driftlead/Inference", "does not match pattern"),
    ("images.inference.repository", "driftlead/inference:v1", "does not match pattern"),
    ("images.drift.tag", "a b", "'a b' does not match pattern"),
    ("images.drift.tag", 1.2, "got number, want string"),
    ("images.train.digest", "0123", "'0123' does not match pattern '^(sha256:[0-9a-f]{64})?$'"),
    ("crds.enabled", "yes", BOOLEAN),
    ("crds.keep", 1, BOOLEAN),
    ("watch.namespaces", "team-a", "got string, want array"),
    ("watch.namespaces", ["Team"], "'Team' does not match pattern"),
    ("watch.namespaces", ["a", "a"], "items at 0 and 1 are equal"),
    ("registries", {"default": "http://mlflow"}, "got object, want array"),
    ("registries", [{"name": "default"}], "missing property 'trackingURI'"),
    ("registries", [{"trackingURI": "http://m"}], "missing property 'name'"),
    (
        "registries",
        [{"name": "default", "trackingURI": "mlflow:5000"}],
        "'mlflow:5000' does not match pattern",
    ),
    ("registries", [{"name": "De", "trackingURI": "http://m"}], "'De' does not match pattern"),
    ("registries", [{"name": "d", "trackingURI": "http://m", "token": "x"}], "'token' not allowed"),
    ("registries", [{"name": "d", "trackingURI": "http://m", "caBundle": "/ca.pem"}], "BEGIN CERTIFICATE"),
    ("registries", [{"name": "d", "trackingURI": "http://m", "allowWrite": "no"}], BOOLEAN),
    ("connections.namespaces", ["-a"], "'-a' does not match pattern"),
    ("connections.existingSecret", "a/b", "'a/b' does not match pattern"),
    ("connections.caBundle", "/etc/ssl/ca.pem", "'/etc/ssl/ca.pem' does not match pattern"),
    ("connections.postgres.dsn", "mysql://db", "'mysql://db' does not match pattern"),
    ("connections.postgres.dsn", "host=db dbname=driftlead", "does not match pattern"),
    ("connections.s3.endpoint", "minio:9000", "'minio:9000' does not match pattern"),
    ("connections.predictionToken", "short", "'short' does not match pattern"),
    ("connections.predictionToken", "with spaces in between", "does not match pattern"),
    ("connections.s3.addressingStyle", "dns", "'dns' does not match pattern '^(auto|path|virtual)$'"),
    ("connections.postgres.pooler", "transaction", BOOLEAN),
    ("connections.s3.region", "", "'' does not match pattern"),
    ("connections.s3.reportBucket", "s3://reports", "does not match pattern"),
    ("migration.waitSeconds", -1, "got -1, want 0"),
    ("migration.backoffLimit", 1000, "got 1,000, want 100"),
    ("operator.replicas", -1, "got -1, want 0"),
    ("operator.replicas", "two", "got string, want integer"),
    ("operator.replicas", 1.5, "got number, want integer"),
    ("operator.logLevel", "verbose", "'verbose' does not match pattern '^(debug|info|warning|error)$'"),
    ("operator.pollSeconds", 0, "got 0, want 1"),
    ("operator.extraArgs", "--debug", "got string, want array"),
    ("operator.extraEnv", [{"value": "x"}], "missing property 'name'"),
    ("operator.extraVolumeMounts", [{"name": "x"}], "missing property 'mountPath'"),
    ("operator.resources", {"request": {"cpu": 1}}, "'request' not allowed"),
    ("operator.resources", {"limits": {"memory": "1 GB"}}, "'1 GB' does not match pattern"),
    ("operator.podDisruptionBudget.minAvailable", "half", "'half' does not match pattern"),
    ("operator.podSecurityContext", {"runAsuser": 1}, "'runAsuser' not allowed"),
    ("operator.containerSecurityContext", {"privileged": "no"}, BOOLEAN),
    ("operator.affinity", {"antiAffinity": {}}, "'antiAffinity' not allowed"),
    ("operator.topologySpreadConstraints", [{"maxSkew": 1}], "missing properties"),
    ("operator.nodeSelector", {"gpu": True}, "got boolean, want string"),
    ("monitoring.serviceMonitor.interval", "30 seconds", "does not match pattern"),
    ("monitoring.serviceMonitor.scrapeTimeout", 10, "got number, want string"),
    ("monitoring.prometheusRule.runbookURL", "runbooks/", "does not match pattern"),
    ("monitoring.prometheusRule.excludeRules", ["prod not ready"], "does not match pattern"),
    ("monitoring.dashboards.labels", {"grafana_dashboard": 1}, "got number, want string"),
    ("networkPolicy.egress.apiServerPorts", [], "minItems"),
    ("networkPolicy.egress.apiServerPorts", [70000], "got 70,000, want 65,535"),
    ("extraObjects", [{"kind": "ConfigMap"}], "missing property 'apiVersion'"),
    ("devStack.persistence.size", "8GB", "'8GB' does not match pattern"),
    ("devStack.credentials.postgres", "short", "'short' does not match pattern"),
    ("devStack.credentials.minio", "with spaces and /", "does not match pattern"),
    ("devStack.postgres.image", "postgres:16", "got string, want object"),
    ("devStack.mlflow.workers", 0, "got 0, want 1"),
    ("devStack.mlflow.extraAllowedHosts", ["a,b"], "'a,b' does not match pattern"),
]


def nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def where(path: str, words: str) -> str:
    """How Helm names the place: by the key itself, or by its parent where the key is unknown."""
    parts = path.split(".")
    return "/".join(["", *(parts[:-1] if f"'{parts[-1]}' not allowed" in words else parts)])


@pytest.mark.parametrize(("path", "value", "words"), WRONG, ids=[f"{row[0]}={row[1]}"[:60] for row in WRONG])
def test_a_wrong_value_is_refused_with_its_key_and_what_is_allowed(
    path: str, value: Any, words: str, refusal: Callable[[Mapping[str, Any]], str]
) -> None:
    said = refusal(nested(path, value))
    assert f"at '{where(path, words)}" in said
    assert words in said


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            known = result.get(key)
            result[key] = (
                merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
            )
    return result


CONTRADICTIONS = {
    "monitoring.serviceMonitor.enabled and monitoring.podMonitor.enabled are both true": merged(
        nested("monitoring.serviceMonitor.enabled", True), nested("monitoring.podMonitor.enabled", True)
    ),
    'registries: the name "a" occurs twice': {
        "registries": [{"name": "a", "trackingURI": "http://1"}, {"name": "a", "trackingURI": "http://2"}]
    },
    'connections.existingSecret is "mine", and connections also has a DSN': merged(
        nested("connections.existingSecret", "mine"), nested("connections.postgres.dsn", "postgresql://db/x")
    ),
    'registries: "a" has basicAuth, which needs the keys username and password in existingSecret': {
        "registries": [{"name": "a", "trackingURI": "http://1", "basicAuth": True}]
    },
    "connections.mlflow.username and connections.mlflow.password must be set together": nested(
        "connections.mlflow.username", "reader"
    ),
    "connections.mlflow.token and connections.mlflow.username are both set": nested(
        "connections.mlflow", {"token": "t", "username": "reader", "password": "p"}
    ),
    "accessKeyID and connections.s3.secretAccessKey must be set together": nested(
        "connections.s3.accessKeyID", "k"
    ),
    "operator.serviceAccount.name is empty": nested("operator.serviceAccount.create", False),
    'excludeRules: there is no alert named "DriftleadNothing"; the alerts are DriftleadProd': merged(
        nested("monitoring.prometheusRule.enabled", True),
        nested("monitoring.prometheusRule.excludeRules", ["DriftleadNothing"]),
    ),
    'connections.namespaces is ["a"], but there are no connections to store there': nested(
        "connections.namespaces", ["a"]
    ),
}


@pytest.mark.parametrize("sentence", CONTRADICTIONS)
def test_values_that_contradict_each_other_are_refused_with_a_sentence(
    sentence: str, refusal: Callable[[Mapping[str, Any]], str]
) -> None:
    assert sentence in refusal(CONTRADICTIONS[sentence])
