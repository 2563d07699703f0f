"""The custom resource as frozen values, or sentences on what is wrong with it.

The API server has already refused what the CRD can see; this holds for whatever is stored nevertheless, and
for what no rule there can say. Nothing here raises, whatever is in the resource.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from driftlead_formats.durations import seconds
from driftlead_operator.decisions import cron, objects
from driftlead_operator.decisions.facts import Manifest, StageName

DEFAULT_CONNECTIONS = "driftlead-connections"

Version = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,11}$")]
LONGEST = 3650 * 86400  # seconds: longer ones are typing errors, and the calendar ends somewhere


def _bounded(length: str) -> str:
    if seconds(length) > LONGEST:
        raise ValueError(f"{length} is longer than ten years; write for example 12h or 7d")
    return length


Length = Annotated[str, StringConstraints(pattern=r"^(0s|[1-9][0-9]{0,8}[smhdw])$"), AfterValidator(_bounded)]
Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """A part of spec. Unknown fields are left alone, so that an older operator stands a newer resource."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Connections(Part):
    """Where pods find Postgres, S3 and the registry's token."""

    secret_name: str = DEFAULT_CONNECTIONS
    config_map_name: str = DEFAULT_CONNECTIONS


class Autoscaling(Part):
    """Bounds and aim of the HorizontalPodAutoscaler."""

    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(ge=1)
    target_cpu: int = Field(80, ge=1, alias="targetCPUUtilizationPercentage")


class Judge(Part):
    """How the canary is compared with prod; what is empty is the comparison's own default."""

    enabled: bool = True
    error_margin: str = ""
    latency_margin: str = ""
    quality_margin: str = ""
    latency_threshold_milliseconds: int | None = None
    max_shift: str = ""


class Stage(Part):
    """What prod and canary have in common: what a stage follows, and how many pods serve it."""

    stage: str = ""
    alias: str = ""
    version: Version | None = None
    replicas: Count = 1
    log_as: str = ""

    @property
    def autoscaled(self) -> bool:
        """Whether an autoscaler decides how many pods there are."""
        return False

    @property
    def initial_replicas(self) -> int:
        """How many pods there are to be, under an autoscaler before it has decided."""
        return self.replicas

    @property
    def followed(self) -> str:
        """What is followed in the registry, in words; empty when nothing is."""
        return f"stage {self.stage}" if self.stage else f"alias {self.alias}" if self.alias else ""


class ProdStage(Stage):
    """Prod: the only stage that scales with its load."""

    autoscaling: Autoscaling | None = None

    @property
    def autoscaled(self) -> bool:
        return self.autoscaling is not None

    @property
    def initial_replicas(self) -> int:
        return self.autoscaling.min_replicas if self.autoscaling else self.replicas


class CanaryStage(Stage):
    """The canary: the only stage that is judged."""

    judge: Judge = Judge()


class PredictionLog(Part):
    """How predictions reach Postgres."""

    mode: Literal["async", "durable", "off"] = "async"
    spool_size: str | int = "256Mi"
    when_full: Literal["drop", "refuse"] = "drop"
    redact: tuple[str, ...] = ()
    probabilities: bool = False

    @property
    def redacted(self) -> str:
        """The names as every component reads them."""
        return ",".join(self.redact)


class Inference(Part):
    """How pods serve."""

    image: str = ""
    image_update: Literal["OnNextRollout", "Rolling"] = "OnNextRollout"
    resources: Mapping[str, Any] = Field(default_factory=dict)
    prediction_log: PredictionLog = PredictionLog()
    front: Literal["", "wire", "asgi"] = ""
    termination_grace_period_seconds: int = Field(120, ge=1)
    overlay: Mapping[str, Any] = Field(default_factory=dict)


class Drift(Part):
    """When and how traffic is checked for drift."""

    schedule: str
    window: Length = "7d"
    period: Length | Literal["none"] = "7d"
    rule: str = ""
    q: str = ""
    tau: str = ""
    class_ratio: str = ""
    persistence: int | None = None
    deployment: str = ""
    assume_independent: bool = False
    suspend: bool = False
    resources: Mapping[str, Any] = Field(default_factory=dict)


class Retraining(Part):
    """When and how a new version is trained."""

    trigger: Literal["OnDrift", "Never"] = "OnDrift"
    function: str
    image: str = ""
    env: Sequence[Mapping[str, Any]] = ()
    parameters: Mapping[str, str] = Field(default_factory=dict)
    resources: Mapping[str, Any] = Field(default_factory=dict)
    cooldown: Length = "12h"
    max_attempts_per_day: int = Field(2, ge=1)
    deadline: Length = "2h"
    service_account_name: str = ""


class Rollout(Part):
    """How a version is rolled out."""

    progress_deadline: Length = "10m"


class Spec(Part):
    """What is wanted."""

    model: str = Field(min_length=1)
    registry: str = "default"
    connections: Connections = Connections()
    prod: ProdStage
    canary: CanaryStage | None = None
    inference: Inference = Inference()
    drift: Drift | None = None
    retraining: Retraining | None = None
    rollout: Rollout = Rollout()
    suspend: bool = False

    def stage(self, stage: StageName) -> Stage | None:
        """The block of one stage."""
        return self.prod if stage == "prod" else self.canary

    def log_as(self, stage: StageName) -> str:
        """The value of the log's column `deployment` for a stage."""
        block = self.stage(stage)
        return (block.log_as if block else "") or stage


def parse(resource: Manifest) -> tuple[Spec | None, Sequence[str]]:
    """The spec, and one sentence for each thing that is wrong with it. Without a spec nothing can be done."""
    try:
        spec = Spec.model_validate(objects.dig(resource, "spec") or {})
    except ValidationError as error:
        return None, [_sentence(each) for each in error.errors()]
    return spec, list(_beyond_the_schema(spec))


def _sentence(error: Any) -> str:
    where = ".".join(["spec", *(str(step) for step in error["loc"])])
    seen = "" if error["type"] == "missing" else f", seen: {str(error['input'])[:80]!r}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}{seen}"


def _beyond_the_schema(spec: Spec) -> Sequence[str]:
    wrong = []
    for name in ("prod", "canary"):
        stage = spec.prod if name == "prod" else spec.canary
        if stage and stage.stage and stage.alias:
            wrong.append(f"spec.{name} names both stage {stage.stage} and alias {stage.alias}; leave one out")
        if stage and not (stage.followed or stage.version):
            wrong.append(f"spec.{name} says nothing to serve; give it a stage, an alias or a version")
    if spec.drift and (fault := cron.fault(spec.drift.schedule)):
        wrong.append(f"spec.drift.schedule '{spec.drift.schedule}' is not a cron schedule: {fault}")
    return wrong


def model_name(resource: Manifest) -> str | None:
    """The registered model that a resource is about; None where it names none."""
    model = objects.dig(resource, "spec", "model")
    return model if isinstance(model, str) and model else None


def registry_name(resource: Manifest) -> str:
    """The registry that a resource names."""
    registry = objects.dig(resource, "spec", "registry")
    return registry if isinstance(registry, str) and registry else "default"
