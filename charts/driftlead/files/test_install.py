"""`helm test`: may the operator do its work, is what it needs reachable, does a real prediction come out?

The prediction is tried where the development stack is: a small model is registered there, served through a
ModelDeployment of the test's own, and deleted again. Elsewhere nothing is written anywhere.
"""

# ruff: noqa: N818, PLC0415, S310, T201 (a script inside a pod: its log is its terminal, its imports the image's)

import asyncio
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from driftlead_formats.connections import export_connections
from driftlead_formats.tracking import basic
from driftlead_log import s3

ACCOUNT = Path(os.environ.get("TEST_ACCOUNT_DIR", "/var/run/secrets/kubernetes.io/serviceaccount"))
CONNECTIONS = Path(os.environ.get("DRIFTLEAD_CONNECTIONS_DIR", "/etc/driftlead/connections"))
REGISTRIES = Path(os.environ.get("DRIFTLEAD_REGISTRIES_DIR", "/etc/driftlead/registries"))
FEATURES = ["a", "b"]
ROWS = 200


class Refused(Exception):
    """What is wrong, in a sentence."""


def ask(
    url: str,
    body: object = None,
    *,
    credentials: str = "",
    authority: Path | None = None,
    seconds: float = 10,
) -> Any:
    """The JSON that a server answers, or its text. Raises Refused with the server's own words."""
    headers = {"Content-Type": "application/json"}
    if credentials:
        headers["Authorization"] = credentials
    data = None if body is None else json.dumps(body).encode()
    trust = ssl.create_default_context(cafile=authority) if authority else None
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=seconds, context=trust) as reply:
            text = reply.read().decode()
    except urllib.error.HTTPError as error:
        raise Refused(f"{url} answered {error.code}: {error.read().decode()[:300]}") from error
    except OSError as error:
        raise Refused(f"{url} does not answer: {error}") from error
    try:
        return json.loads(text)
    except ValueError:
        return text


def text(path: Path) -> str:
    """A mounted file without the newline at its end; empty when it is not there."""
    return path.read_text().strip() if path.is_file() else ""


def wanted_rights(rules: list[Mapping[str, Any]], namespaces: list[str]) -> Iterator[dict[str, str]]:
    """Each verb on each resource, in each namespace that is watched, as the API server is asked for it."""
    for namespace in namespaces:
        for rule in rules:
            for resource in rule["resources"]:
                name, _, subresource = resource.partition("/")
                for verb in rule["verbs"]:
                    yield {
                        "namespace": namespace,
                        "group": rule["apiGroups"][0],
                        "resource": name,
                        "subresource": subresource,
                        "verb": verb,
                    }


def permissions() -> str:
    """Asks the API server whether the operator's account has every right that it uses."""
    server = os.environ["TEST_API_SERVER"]
    rights = list(
        wanted_rights(json.loads(os.environ["TEST_RULES"]), json.loads(os.environ["TEST_NAMESPACES"]))
    )
    missing = []
    for right in rights:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": right},
        }
        answer = ask(
            f"{server}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            review,
            credentials=f"Bearer {text(ACCOUNT / 'token')}",
            authority=ACCOUNT / "ca.crt",
        )
        if not answer["status"]["allowed"]:
            where = f" in {right['namespace']}" if right["namespace"] else ""
            kind = "/".join(filter(None, (right["resource"], right["subresource"])))
            missing.append(f"{right['verb']} {kind}{where}")
    if missing:
        raise Refused(
            f"the operator's account may not {', '.join(missing)}; see templates/operator/_rules.tpl"
        )
    return f"{len(rights)} rights are there"


def operator() -> str:
    """The operator answers that it is ready."""
    ask(f"{os.environ['TEST_OPERATOR']}/readyz")
    return "ready"


def registry(folder: Path) -> str:
    """A declared registry answers a search, with its credentials and its certificate."""
    uri, authority, token = text(folder / "uri"), folder / "ca.crt", text(folder / "token")
    user = text(folder / "username")
    ask(
        f"{uri}/api/2.0/mlflow/registered-models/search?max_results=1",
        credentials=f"Bearer {token}" if token else user and basic(user, text(folder / "password")),
        authority=authority if authority.is_file() else None,
    )
    return f"{uri} answers"


async def one(query: str, *values: object) -> Any:
    """The first value that a query on the prediction log gives, also through a pooler of transactions."""
    import asyncpg

    dsn = text(CONNECTIONS / "DRIFTLEAD_POSTGRES_DSN")
    connection = await asyncpg.connect(dsn, timeout=10, statement_cache_size=0)
    try:
        async with connection.transaction():
            return await connection.fetchval(query, *values)
    finally:
        await connection.close()


def postgres() -> str:
    """The prediction log's table is there and may be read."""
    import asyncpg

    try:
        found = asyncio.run(one("SELECT 1 FROM inference_logs LIMIT 1"))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise Refused(f"inference_logs cannot be read: {error}; did the migration run?") from error
    return "inference_logs is there" + ("" if found else ", empty")


def bucket() -> str:
    """The bucket for reports is there; nothing is written."""
    from botocore.exceptions import BotoCoreError, ClientError

    name = text(CONNECTIONS / "DRIFTLEAD_REPORT_BUCKET")
    try:
        s3.client(os.environ).head_bucket(Bucket=name)
    except (BotoCoreError, ClientError) as error:
        raise Refused(f"bucket {name}: {error}") from error
    return f"bucket {name} is there"


def prediction() -> str:
    """A model registered just now is served by the operator, answers, and its answer is logged."""
    import mlflow
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    import driftlead_drift

    model_name, url = os.environ["TEST_MODEL"], os.environ["TEST_URL"]
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, len(FEATURES))), columns=FEATURES)
    model = LogisticRegression().fit(table, (table["a"] > 0).astype(int))
    registry = mlflow.MlflowClient()
    version = driftlead_drift.log_model(model, table, registered_model=model_name).version
    try:
        registry.transition_model_version_stage(
            model_name, version, "Production", archive_existing_versions=True
        )
        retry(lambda: served(url, version))
        token = text(CONNECTIONS / "DRIFTLEAD_REQUIRES_TOKEN")
        answer = ask(f"{url}/predict", {"features": [3.0, 0.0]}, credentials=token and f"Bearer {token}")
        if str(answer["model_version"]) != version or int(answer["prediction"]) != 1:
            raise Refused(f"version {version} should answer 1 for a=3, and {url} answered {answer}")
        retry(lambda: logged(answer["request_id"]))
    finally:
        registry.delete_registered_model(model_name)
    return f"version {version} answered {answer['prediction']}, and the answer is in inference_logs"


def served(url: str, version: str) -> None:
    """Raises Refused while the service does not serve the version."""
    found = ask(f"{url}/health").get("model_version")  # a server that still loads says none
    if str(found) != version:
        raise Refused(f"{url} serves version {found}, wanted {version}")


def logged(request_id: str) -> None:
    """Raises Refused while no row of that request is in the prediction log."""
    rows = asyncio.run(one("SELECT count(*) FROM inference_logs WHERE request_id = $1", request_id))
    if rows != 1:
        raise Refused(f"inference_logs holds {rows} rows of request {request_id}, wanted 1")


def retry(attempt: Callable[[], None]) -> None:
    """Tries until it works. Raises the last Refused when that takes too long."""
    deadline = time.monotonic() + float(os.environ.get("TEST_SECONDS", "240"))
    while True:
        try:
            return attempt()
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def trials() -> Iterator[tuple[str, Callable[[], str]]]:
    """What is tried in this installation, by name."""
    yield "permissions", permissions
    yield "operator", operator
    for folder in sorted(each for each in REGISTRIES.glob("*") if (each / "uri").exists()):
        yield f"registry {folder.name}", lambda folder=folder: registry(folder)
    if (CONNECTIONS / "DRIFTLEAD_POSTGRES_DSN").exists():
        yield "postgres", postgres
        yield "s3", bucket
    if "TEST_URL" in os.environ:
        yield "prediction", prediction


def main() -> int:
    """Prints a line for each trial; 1 when one failed."""
    export_connections(CONNECTIONS)
    failed = 0
    for name, trial in trials():
        try:
            print(f"ok      {name}: {trial()}", flush=True)
        except Exception as error:
            failed += 1
            words = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
            print(f"FAILED  {name}: {words}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
