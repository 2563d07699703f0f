"""Pages of the platform side say what the chart does: alerts, rights, values."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/driftlead"


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its own head."""
    section = (ROOT / page).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_alerts_is_the_chart_s_alerts_with_their_severity() -> None:
    groups = yaml.safe_load((CHART / "rules/driftlead.yaml").read_text())["groups"]
    alerts = [[rule["alert"], rule["labels"]["severity"]] for group in groups for rule in group["rules"]]
    assert sorted(row[:2] for row in rows("docs/howto/monitoring.md", "Alerts")) == sorted(alerts)


def rules_of_the_chart() -> list[dict[str, Any]]:
    text = (CHART / "templates/operator/_rules.tpl").read_text()
    body = text.split('{{- define "driftlead.operator.rules" -}}')[1].split("{{- end -}}")[0]
    found: list[dict[str, Any]] = yaml.safe_load(body)
    return found


def test_the_table_of_verbs_is_the_operators_role_to_the_letter() -> None:
    documented = [
        {
            "apiGroups": ["" if group == "core" else group],
            "resources": resources.split(", "),
            "verbs": verbs.split(", "),
        }
        for group, resources, verbs, _ in rows("docs/explanation/security.md", "What the operator may do")
    ]
    assert documented == rules_of_the_chart()


def test_the_lease_s_verbs_are_those_of_the_role() -> None:
    role = (CHART / "templates/operator/rbac.yaml").read_text().split("resources: [leases]")[1]
    granted = re.findall(r"verbs: \[(.*)\]", role)[0].split(", ")
    page = (ROOT / "docs/explanation/security.md").read_text()
    sentence = page.split("the Lease by which one leads:\n")[1].split(" on `leases`")[0]
    assert re.findall(r"`([a-z]+)`", sentence) == granted


def test_every_value_that_a_page_names_exists() -> None:
    known = set(
        re.findall(r"^\| `([A-Za-z.]+)` \|", (ROOT / "docs/reference/values.md").read_text(), re.MULTILINE)
    )
    prefixes = {value.rsplit(".", depth)[0] for value in known for depth in range(4)}
    sections = {value.split(".")[0] for value in known}
    for page in ("docs/howto/install.md", "docs/howto/monitoring.md", "docs/explanation/security.md"):
        named = re.findall(r"(?:--set |`)([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)", (ROOT / page).read_text())
        ours = {name for name in named if name.split(".")[0] in sections}
        assert ours <= known | prefixes, page


def test_prometheus_takes_the_configuration_that_the_page_gives(tmp_path: Path) -> None:
    page = (ROOT / "docs/howto/monitoring.md").read_text()
    (block,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", page, re.DOTALL)
    config = yaml.safe_load(block)
    # Debian builds Prometheus without Kubernetes' service discovery; all else is checked as it stands.
    (job,) = config["scrape_configs"]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    job["static_configs"] = [{"targets": ["127.0.0.1:8000"]}]
    config["rule_files"] = [str(ROOT / path) for path in config["rule_files"]]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 rule files found" in done.stdout


def fields(schema: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every field below a schema, with what `kubectl explain` says of it."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field.get("description", "")
        yield from fields(field, f"{path}.{name}")
    yield from fields(schema["items"], f"{path}[]") if isinstance(schema.get("items"), dict) else ()


def test_kubectl_explain_has_a_sentence_for_every_field() -> None:
    crd = yaml.safe_load((ROOT / "crds/modeldeployments.driftlead.dev.yaml").read_text())
    for version in crd["spec"]["versions"]:
        top = version["schema"]["openAPIV3Schema"]["properties"]
        said = [each for part in ("spec", "status") for each in fields(top[part], part)]
        assert len(said) > 200
        assert [path for path, words in said if not words.endswith(".")] == []
