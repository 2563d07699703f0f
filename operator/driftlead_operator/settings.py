"""The operator's settings: each an environment variable and a flag."""

import socket
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from driftlead_formats.settings_source import comma_list
from driftlead_operator.decisions.facts import Defaults


class OperatorSettings(BaseSettings):
    """Settings of the operator; the chart sets them."""

    model_config = SettingsConfigDict(
        env_prefix="DRIFTLEAD_",
        cli_kebab_case=True,
        cli_prog_name="driftlead-operator",
        populate_by_name=True,
    )

    pod_name: str = Field(
        default_factory=socket.gethostname,
        validation_alias=AliasChoices("POD_NAME", "pod_name"),
        description="This process's name in the Lease; outside a pod the host name.",
    )
    pod_namespace: str = Field(
        default="default",
        validation_alias=AliasChoices("POD_NAMESPACE", "pod_namespace"),
        description="Namespace of the Lease.",
    )
    pod_ip: str = Field(
        default="",
        validation_alias=AliasChoices("POD_IP", "pod_ip"),
        description="This pod's address, to which other replicas forward webhooks.",
    )
    cluster: str = Field(default="", description="This cluster's name, written into logged predictions.")
    registries_dir: Path = Field(
        default=Path("/etc/driftlead/registries"),
        description="A folder per declared registry: uri, allow-write, allowed-namespaces, ca.crt, "
        "token or username and password.",
    )
    inference_image: str = Field(default="driftlead/inference:latest", description="Image of model pods.")
    drift_image: str = Field(
        default="driftlead/drift:latest", description="Image of drift checks and judges."
    )
    train_image: str = Field(default="driftlead/train:latest", description="Image of retraining Jobs.")
    image_pull_policy: str = Field(default="IfNotPresent", description="Pull policy of all of them.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level of lines that are logged."
    )
    poll_seconds: float = Field(default=10.0, gt=0, description="Interval at which each registry is polled.")
    watch_namespaces: str = Field(
        default="", description="Namespaces to watch, separated by commas; empty: all of them."
    )
    hook_secret_file: Path | None = Field(
        default=None, description="File with the webhook's secret; without it there is no webhook."
    )
    port: int = Field(default=8080, ge=1, le=65535, description="Port of /healthz, /readyz and /metrics.")
    hook_port: int = Field(default=8081, ge=1, le=65535, description="Port of /hooks/mlflow.")
    workers: int = Field(default=16, ge=1, description="How many resources are reconciled at once.")
    reconcile_seconds: float = Field(default=60.0, gt=0, description="Longest time for one reconcile.")
    health_seconds: float = Field(
        default=15.0, gt=0, description="How often pods are asked for their health."
    )
    audit_seconds: float = Field(
        default=300.0, gt=0, description="Interval at which the cache is compared with a listing."
    )
    grace_seconds: float = Field(
        default=10.0, ge=0, description="How long reconciles that run may go on after SIGTERM."
    )

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces to watch; none means all."""
        return comma_list(self.watch_namespaces)

    @property
    def hooks_at(self) -> str:
        """Where other replicas reach this one's webhook, "" without a webhook or outside a pod."""
        return f"http://{self.pod_ip}:{self.hook_port}" if self.hook_secret_file and self.pod_ip else ""

    @property
    def defaults(self) -> Defaults:
        """What every resource is rendered with."""
        return Defaults(
            cluster=self.cluster,
            inference_image=self.inference_image,
            drift_image=self.drift_image,
            train_image=self.train_image,
            image_pull_policy=self.image_pull_policy,
        )
