"""docs/reference/metrics-operator.md says of each metric what the code says, and of no other."""

import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from driftlead_operator import fleet, metrics

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/metrics-operator.md"


def row(name: str, kind: str, labels: tuple[str, ...], meaning: str) -> str:
    return f"| `{name}` | {kind} | {', '.join(labels)} | {meaning} |"


def rows() -> Iterator[str]:
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.describe()))
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield row(name, family.type, metric._labelnames, family.documentation)
    for name, (meaning, labels) in fleet.FAMILIES.items():
        yield row(f"{fleet.PREFIX}{name}", "gauge", ("namespace", "name", *labels), meaning)


def test_each_metric_of_the_operator_is_documented_as_it_is_and_no_other() -> None:
    documented = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert documented == list(rows())


def test_names_follow_the_conventions_of_prometheus() -> None:
    for line in rows():
        name, kind = re.findall(r"`(\w+)` \| (\w+)", line)[0]
        assert re.fullmatch(r"driftlead_(operator|modeldeployment)_[a-z_]+", name)
        assert name.endswith("_total") == (kind == "counter")
        assert kind != "histogram" or name.endswith("_seconds")
