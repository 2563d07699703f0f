"""Every example of the page on the HTTP API works as it stands, against a model like the page's."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from asking import Client, kept, served

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/http.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Each command of the page's indented blocks, and the output that is shown below it."""
    found: list[tuple[str, str]] = []
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE):
        command, output = "", ""
        for line in re.sub("^    ", "", block, flags=re.MULTILINE).splitlines():
            if line.startswith("$ ") and output:
                found.append((command, output))
                command, output = "", ""
            if not whole(command):
                command += line.removeprefix("$ ") + "\n"
            else:
                output += line.strip()
        found.append((command, output))
    return found


def whole(command: str) -> bool:
    """Whether the shell would run it: no quote is open, and nothing says that more follows."""
    if not command or command.rstrip().endswith(("\\", "|")):
        return False
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def client(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    dice = np.random.default_rng(2)
    table = pd.DataFrame(
        {
            "temp": dice.normal(15, 9, 200),
            "hum": np.where(np.arange(200) % 9 == 0, np.nan, dice.uniform(20, 90, 200)),
            "weather": dice.choice(["rain", "clear"], 200),
            "holiday": dice.random(200) < 0.1,
        }
    )
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["weather"]), remainder="passthrough"
    )
    model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=5)).fit(table, table["temp"] > 15)
    with served(
        kept(tmp_path_factory.mktemp("m") / "m", model, table), python, list(table), DRIFTLEAD_NAME="Bikes"
    ) as client:
        yield client


def members(document: Any) -> Any:
    """The shape of a JSON document: names of members, lengths of lists."""
    if isinstance(document, dict):
        return {name: members(value) for name, value in document.items()}
    return [members(each) for each in document] if isinstance(document, list) else None


@pytest.mark.parametrize("at", range(len(commands())))
def test_a_command_of_the_page_answers_what_the_page_shows(client: Client, at: int) -> None:
    command, shown = commands()[at]
    address = client.server.url.removeprefix("http://")
    ended = subprocess.run(
        ["bash", "-c", command.replace("localhost:8000", address).replace("curl ", "curl -sS ")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = json.loads(ended.stdout)
    if "/feedback" in command:  # this server logs nothing
        assert said["status"] == 409
    else:
        assert members(said) == members(json.loads(shown))


def test_the_page_has_a_command_for_each_protocol() -> None:
    text = "".join(command for command, _ in commands())
    for path in ("/predict", "/v1/models/", "/v2/models/", "/invocations", "/feedback"):
        assert path in text


@pytest.mark.parametrize("at", range(len(SNIPPETS)))
def test_a_snippet_of_the_page_runs(client: Client, at: int) -> None:
    address = client.server.url.removeprefix("http://")
    port = address.rpartition(":")[2]
    code = (
        SNIPPETS[at].replace("localhost:8000", address).replace('"127.0.0.1", 8000', f'"127.0.0.1", {port}')
    )
    assert code != SNIPPETS[at]
    exec(compile(code, f"snippet {at}", "exec"), {})
