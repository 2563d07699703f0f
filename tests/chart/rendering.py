"""What one rendering of the chart gives, and the questions that tests ask of it."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/driftlead"
Object = dict[str, Any]


class Objects(list[Object]):
    """What one rendering made."""

    def kind(self, *kinds: str) -> list[Object]:
        return [each for each in self if each["kind"] in kinds]

    def one(self, kind: str, name: str, namespace: str | None = None) -> Object:
        found = [
            each
            for each in self.kind(kind)
            if each["metadata"]["name"] == name and namespace in (None, each["metadata"].get("namespace"))
        ]
        assert len(found) == 1, f"{len(found)} of {kind} {name} in {namespace}"
        return found[0]

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Each pod's name and spec, whatever makes the pod."""
        for each in self:
            if each["kind"] == "Pod":
                yield each["metadata"]["name"], each["spec"]
            elif "template" in each.get("spec", {}):
                yield f"{each['kind']}/{each['metadata']['name']}", each["spec"]["template"]["spec"]


Render = Callable[..., Objects]


def template(helm: str, values: Mapping[str, Any], files: Sequence[str]) -> subprocess.CompletedProcess[str]:
    named = [word for file in files for word in ("-f", str(CHART / "ci" / f"{file}-values.yaml"))]
    command = [helm, "template", "driftlead", str(CHART), "-n", "driftlead", *named, "-f", "-"]
    return subprocess.run(command, input=json.dumps(values), check=False, capture_output=True, text=True)
