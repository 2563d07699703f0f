"""All that was decided about a resource, for the chains of checks and for its status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Event, Facts, Ref
from driftlead_operator.decisions.loop.drift import DriftDecision
from driftlead_operator.decisions.loop.promotion import Promotion
from driftlead_operator.decisions.loop.retraining import RetrainingDecision
from driftlead_operator.decisions.loop.undelivered import UndeliveredDecision
from driftlead_operator.decisions.memory.comparison import ComparisonMemory
from driftlead_operator.decisions.memory.status import Handled, Memory
from driftlead_operator.decisions.reasons import Reason
from driftlead_operator.decisions.render import manifests
from driftlead_operator.decisions.render.foreign_fields import ForeignField
from driftlead_operator.decisions.render.pod_template import Context
from driftlead_operator.decisions.spec import Spec
from driftlead_operator.decisions.stage.rollout import StageDecision
from driftlead_operator.decisions.stage.stage_view import template_version


class Progress(Enum):
    """Whether things are as wanted, go on by themselves, or wait for a person, in the words of kstatus."""

    CURRENT = "current"
    IN_PROGRESS = "in progress"
    STALLED = "stalled"


class ConditionValue(NamedTuple):
    """A reason, a sentence with the numbers in it, and what it says of the condition."""

    reason: Reason
    message: str
    status: str = "False"
    progress: Progress = Progress.IN_PROGRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What was decided; `memory` is what status said before.

    `out_of_sync` names the children that are not as wanted yet, `taken` those whose names strangers hold,
    `foreign` the fields of children that others set and we do not,
    `stale_requests` tells of annotations that came to nothing, `logs` what pods say of their logs, by name.
    """

    facts: Facts
    context: Context
    memory: Memory
    faults: Sequence[str]
    prod: StageDecision
    canary: StageDecision | None = None
    out_of_sync: frozenset[Ref] = frozenset()
    taken: Sequence[Ref] = ()
    foreign: Mapping[Ref, Sequence[ForeignField]] = field(default_factory=dict)
    promotion: Promotion = field(default_factory=Promotion)
    drift: DriftDecision = field(default_factory=DriftDecision)
    retraining: RetrainingDecision = field(default_factory=RetrainingDecision)
    comparison: ComparisonMemory | None = None
    undelivered: UndeliveredDecision = field(default_factory=UndeliveredDecision)
    logs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    handled: Handled = field(default_factory=Handled)
    stale_requests: Sequence[Event] = ()

    @property
    def spec(self) -> Spec:
        """What is wanted."""
        return self.context.spec

    @property
    def stages(self) -> Sequence[StageDecision]:
        """The stages that status speaks of: prod always, the canary while there is to be one."""
        return [self.prod, *([self.canary] if self.canary and self.canary.manifest else [])]

    def done(self, stage: StageDecision) -> bool:
        """Whether a stage serves its wanted version, by its wanted template, on all pods that count."""
        here = Ref("Deployment", names.of_stage(self.context.name, stage.name))
        as_wanted = here not in self.out_of_sync and here not in self.taken
        return as_wanted and stage.manifest is not None and stage.rejection is None and stage.view.settled

    def serving(self, stage: StageDecision) -> int:
        """How many pods answer with the version that is wanted, whatever template they have."""
        wanted = template_version(objects.dig(stage.manifest, "spec", "template"))
        return sum(pod.version == wanted for pod in stage.view.ready) if wanted else 0

    def how_far(self, stage: StageDecision, pods: str) -> str:
        """How many of a stage's pods serve what is wanted, and which of them still have an older template."""
        serving, renewed, count = self.serving(stage), self._renewed(stage), stage.replicas
        words = f"{serving} of {count} {pods} serve version {stage.wanted}"
        return words if renewed == serving else f"{words}, {renewed} of {count} have the new template"

    def _renewed(self, stage: StageDecision) -> int:
        """How many pods of the wanted template answer.

        Counted by what is wanted and not by what the Deployment holds now, so that writing the Deployment
        changes nothing in what status says.
        """
        wanted = manifests.template_hash(stage.manifest)
        newest_first = reversed(stage.view.replica_sets)
        made = next((each for each in newest_first if manifests.template_hash(each.manifest) == wanted), None)
        return sum(pod.template == made.template for pod in stage.view.ready) if made else 0
