"""A real Prometheus, and the queries of the chart's dashboards."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from hack.ports import free_port
from neighbours.processes import running
from neighbours.releases import CHART

DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))


class Prometheus:
    """Its API."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **query: str) -> Any:
        """The data of an answer."""
        with urllib.request.urlopen(
            f"{self.address}/{path}?{urllib.parse.urlencode(query)}", timeout=10
        ) as reply:
            return json.load(reply)["data"]

    def answers(self) -> bool:
        try:
            self.get("status/buildinfo")
        except OSError:
            return False
        return True

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        found: list[dict[str, Any]] = self.get("query", query=expr)["result"]
        return found


@contextmanager
def prometheus_server(configuration: Mapping[str, Any], folder: Path) -> Iterator[Prometheus]:
    """A server with this configuration, its data in `folder`."""
    port = free_port()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(configuration)))
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    server = Prometheus(port)
    with running(command, log=folder / "log", answers=server.answers):
        yield server


def questions() -> Iterator[tuple[str, str]]:
    """Each query of each dashboard with a name for it."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for number, each in enumerate(panel.get("targets", [])):
                yield f"{path.stem}: {panel['title']} {number}", each["expr"]


def chosen(expr: str, *, namespace: str, name: str, interval: str = "30s") -> str:
    """A query as Grafana sends it once the dashboard's variables are chosen."""
    choices = {"$__rate_interval": interval, "$namespace": namespace, "$name": name}
    for variable, choice in choices.items():
        expr = expr.replace(variable, choice)
    return expr
