"""MLflow's REST API, thin: which versions there are and where they stand; move a stage, move an alias."""

import ssl
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import orjson

from driftlead_formats.tracking import basic
from driftlead_operator import metrics
from driftlead_operator.decisions.facts import ModelVersion, RegistryWrite
from driftlead_operator.decisions.objects import one_line
from driftlead_operator.errors import RegistryRefusedError, RegistryUnreachableError
from driftlead_operator.exchange import exchange

API = "/api/2.0/mlflow"
MODELS_PAGE = 1000  # the most that MLflow gives
VERSIONS_PAGE = 5000
READY = "READY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A registry that the chart declares. No namespaces allowed means all of them."""

    name: str
    uri: str
    allow_write: bool = True
    allowed_namespaces: frozenset[str] = frozenset()
    folder: Path | None = None

    def allows(self, namespace: str) -> bool:
        """Whether resources of this namespace may use it."""
        return not self.allowed_namespaces or namespace in self.allowed_namespaces

    def authorization(self) -> dict[str, str]:
        """The header with the credentials as they are now, since their files follow the Secret.

        The bearer token, else user and password, else none.
        """
        if token := self._text("token"):
            return {"Authorization": f"Bearer {token}"}
        if user := self._text("username"):
            return {"Authorization": basic(user, self._text("password"))}
        return {}

    def _text(self, file: str) -> str:
        path = self.folder / file if self.folder else None
        return path.read_text().strip() if path and path.is_file() else ""

    def tls(self) -> ssl.SSLContext | bool:
        """The system's authorities, and the declared one."""
        path = self.folder / "ca.crt" if self.folder else None
        if not (path and path.is_file()):
            return True
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=path)
        return context


def read_declarations(folder: Path) -> dict[str, Declaration]:
    """Every registry in the folder: uri, allow-write, allowed-namespaces (one a line), ca.crt,
    token or username and password."""
    found = {}
    for home in sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ():
        if home.name.startswith("."):  # the kubelet's own links
            continue
        lines = {name: (home / name).read_text() if (home / name).is_file() else "" for name in FILES}
        found[home.name] = Declaration(
            name=home.name,
            uri=lines["uri"].strip().rstrip("/"),
            allow_write=lines["allow-write"].strip().lower() != "false",
            allowed_namespaces=frozenset(lines["allowed-namespaces"].split()),
            folder=home,
        )
    return found


FILES = ("uri", "allow-write", "allowed-namespaces")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A registered model as a listing shows it; `fingerprint` differs whenever a version, stage or alias
    changed.
    """

    name: str
    fingerprint: str
    aliases: Mapping[str, str]


class Registry:
    """One MLflow registry. Every method raises RegistryUnreachableError or RegistryRefusedError."""

    def __init__(self, declaration: Declaration, *, timeout: float = 10.0) -> None:
        self.declaration = declaration
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self.declaration.tls(), limit=8)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def _call(self, method: str, call: str, **more: Any) -> dict[str, Any]:
        if self._session is None:
            raise RegistryUnreachableError("the connection to the registry is not open")
        headers = self.declaration.authorization()
        url, name = f"{self.declaration.uri}{API}/{call}", self.declaration.name
        try:
            status, text = await exchange(self._session, method, url, headers=headers, **more)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.REGISTRY_REQUESTS.labels(name, call, "none").inc()
            raise RegistryUnreachableError(
                one_line(f"registry {name} at {self.declaration.uri} did not answer: {error!r}")
            ) from error
        metrics.REGISTRY_REQUESTS.labels(name, call, str(status)).inc()
        return understand(name, call, status, text, writes=method != "GET")

    async def model(self, name: str) -> Model | None:
        """One registered model, None when there is none of that name."""
        try:
            reply = await self._call("GET", "registered-models/get", params={"name": name})
        except RegistryRefusedError as error:
            if "RESOURCE_DOES_NOT_EXIST" in str(error):
                return None
            raise
        return read_model(reply["registered_model"])

    async def models_page(self, token: str = "") -> tuple[Sequence[Model], str]:
        """One page of all registered models, and the token of the next one ("" after the last)."""
        query = {"max_results": str(MODELS_PAGE), **({"page_token": token} if token else {})}
        reply = await self._call("GET", "registered-models/search", params=query)
        return [read_model(each) for each in reply.get("registered_models", ())], reply.get(
            "next_page_token", ""
        )

    async def versions_page(
        self, token: str = "", *, model: str = ""
    ) -> tuple[dict[str, list[ModelVersion]], str]:
        """One page of versions by model, of all models or of one, and the token of the next page.

        MLflow's search knows nothing of aliases: those come with the models.
        """
        query = {"max_results": str(VERSIONS_PAGE), "order_by": "name ASC"}
        if model:
            query["filter"] = f"name = {quoted(model)}"
        if token:
            query["page_token"] = token
        reply = await self._call("GET", "model-versions/search", params=query)
        found: dict[str, list[ModelVersion]] = {}
        for each in reply.get("model_versions", ()):
            if each.get("status", READY) != READY:  # still being registered, or failed to be
                continue
            found.setdefault(each["name"], []).append(read_version(each))
        return found, reply.get("next_page_token", "")

    async def write(self, write: RegistryWrite) -> None:
        """Moves a version to a registry stage, archiving what stood there, or an alias to a version."""
        target = {"name": write.model, "version": write.version}
        if write.stage:
            body = {**target, "stage": write.stage, "archive_existing_versions": True}
            await self._call("POST", "model-versions/transition-stage", json=body)
        if write.alias:
            await self._call("POST", "registered-models/alias", json={**target, "alias": write.alias})


def quoted(name: str) -> str:
    """A name as MLflow's filters take it, which know no escape."""
    if "'" not in name:
        return f"'{name}'"
    if '"' not in name:
        return f'"{name}"'
    raise RegistryRefusedError(
        f"model name {name!r} has both kinds of quotes, which MLflow's search cannot ask for"
    )


def understand(name: str, call: str, status: int, text: bytes, *, writes: bool = False) -> dict[str, Any]:
    """The reply's content, or the error that it stands for, in the registry's own words."""
    try:
        content = orjson.loads(text)
    except ValueError:
        content = None
    if status < 400 and isinstance(content, dict):
        return content
    words = text.decode(errors="replace")[:300]
    if isinstance(content, dict):
        words = f"{content.get('error_code', '')} {content.get('message', '')}".strip()
    message = one_line(f"registry {name} answered {call} with {status}: {words}")
    # Credentials that may not read are the platform's fault, as an outage is: nothing is known then.
    if status in (408, 429) or status >= 500 or status < 400 or (status in (401, 403) and not writes):
        raise RegistryUnreachableError(message)
    raise RegistryRefusedError(message)


def read_model(reply: Mapping[str, Any]) -> Model:
    """A registered model from MLflow's JSON."""
    aliases = {each["alias"]: str(each["version"]) for each in reply.get("aliases", ())}
    latest = sorted((each["version"], each["current_stage"]) for each in reply.get("latest_versions", ()))
    fingerprint = repr((reply.get("last_updated_timestamp"), latest, sorted(aliases.items())))
    return Model(name=reply["name"], fingerprint=fingerprint, aliases=aliases)


def read_version(reply: Mapping[str, Any]) -> ModelVersion:
    """A version from MLflow's JSON, without aliases."""
    return ModelVersion(
        version=str(reply["version"]),
        run_id=reply.get("run_id") or "",
        source=reply.get("source") or "",
        stage=reply.get("current_stage") or "None",
    )


def with_aliases(versions: Collection[ModelVersion], aliases: Mapping[str, str]) -> tuple[ModelVersion, ...]:
    """The versions with the aliases that name them, the highest first."""
    return tuple(
        ModelVersion(
            version=each.version,
            run_id=each.run_id,
            source=each.source,
            stage=each.stage,
            aliases=tuple(sorted(alias for alias, version in aliases.items() if version == each.version)),
        )
        for each in sorted(versions, key=lambda each: int(each.version), reverse=True)
    )
