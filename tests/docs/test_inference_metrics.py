"""docs/reference/metrics-inference.md says of each metric what the code says, and of no other."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import Metric

from driftlead_inference.metrics import Metrics
from driftlead_inference.recorder import Identity, Recorder, RecorderSettings
from driftlead_inference.traffic.file import TrafficFile
from driftlead_inference.traffic.forwarder import Forwarder

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/metrics-inference.md"
PROCESS = ("process_", "python_")  # of the Prometheus client, and documented there


def families(spool: Path) -> Iterator[Metric]:
    """Every family that a server with a log exports."""
    metrics = Metrics("prod")
    metrics.version = "3"
    metrics.route("/predict", 200).observe(0.001)
    metrics.loads.labels("success").inc()
    metrics.load_seconds.labels("total").set(1)
    metrics.model.labels("Demo", "3", "prod", "onnx").set(1)
    metrics.labels.labels("stored").inc()
    forwarder = Forwarder(TrafficFile(spool / "none"), lambda outcome: None)
    metrics.registry.register(forwarder)
    settings = RecorderSettings(dsn=lambda: "", spool_dir=spool)
    Recorder.open(
        settings, Identity(model_name="Demo", model_version="3", deployment="prod"), None, metrics.registry
    )
    for family in metrics.registry.collect():
        if not family.name.startswith(PROCESS):
            yield family


def row(family: Metric) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = {label: None for sample in family.samples for label in sample.labels if label != "le"}
    return f"| `{name}` | {family.type} | {', '.join(labels)} | {family.documentation.rstrip('.')}. |"


def test_each_metric_of_the_server_is_documented_as_it_is_and_no_other(tmp_path: Path) -> None:
    documented = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert documented == [row(family) for family in families(tmp_path / "spool")]
