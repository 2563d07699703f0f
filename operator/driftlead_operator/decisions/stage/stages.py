"""What prod and canary are to serve: each stage's target, what is seen of it, and whether it is given up.

The canary is decided after prod, since it is there for versions that prod does not serve yet.
"""

from dataclasses import dataclass

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.facts import Facts, Manifest, Ref, StageName
from driftlead_operator.decisions.memory.stages import StageMemory
from driftlead_operator.decisions.memory.status import Memory
from driftlead_operator.decisions.render.pod_template import Context
from driftlead_operator.decisions.spec import Spec
from driftlead_operator.decisions.stage import abort, rollout, stage_view, targets
from driftlead_operator.decisions.stage import canary as canary_target
from driftlead_operator.decisions.stage.rollout import StageDecision
from driftlead_operator.decisions.stage.stage_view import Children, StageView
from driftlead_operator.decisions.stage.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What both stages are decided by.

    `abort` is the version that a person gives up now, `retry` whether one asks to try again what was given
    up.
    """

    facts: Facts
    context: Context
    memory: Memory
    children: Children
    abort: str | None
    retry: bool

    @property
    def spec(self) -> Spec:
        """What is wanted."""
        return self.context.spec

    def child(self, kind: str, name: str) -> Manifest | None:
        """A child that is ours."""
        return self.children.ours.get(Ref(kind, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInputs:
    """What a stage should serve, what it serves, and what is remembered of it."""

    target: Target
    view: StageView
    before: StageMemory


def prod(inputs: Inputs) -> StageDecision:
    """Prod goes to its target; without one what serves goes on serving."""
    stage = _stage_inputs(inputs, "prod")
    return _decide(inputs, stage, stage.target.version or stage.view.version)


def canary(inputs: Inputs, prod: StageDecision) -> StageDecision | None:
    """The canary's decision, None where spec has none."""
    if inputs.spec.canary is None:
        return None
    stage = _stage_inputs(inputs, "canary")
    return _decide(inputs, stage, canary_target.wanted(stage.target, stage.view, prod, inputs.facts.registry))


def _stage_inputs(inputs: Inputs, stage: StageName) -> StageInputs:
    before = inputs.memory.stage(stage)
    deployment = inputs.child("Deployment", names.of_stage(inputs.context.name, stage))
    return StageInputs(
        target=_target(inputs, stage, before),
        view=stage_view.view(inputs.facts, stage, deployment),
        before=before,
    )


def _target(inputs: Inputs, stage: StageName, before: StageMemory) -> Target:
    block, registry = inputs.spec.stage(stage), inputs.facts.registry
    if block is None:
        return Target()
    if registry.declared and registry.namespace_allowed and registry.answered_at is None:
        return targets.remembered(block, before)
    return targets.resolve(block, registry)


def _decide(inputs: Inputs, stage: StageInputs, wanted: str | None) -> StageDecision:
    rejection = _rejection(inputs, stage, wanted) if wanted is not None else None
    return rollout.decide(
        inputs.context, stage.target, stage.view, stage.before, wanted=wanted, rejection=rejection
    )


def _rejection(inputs: Inputs, stage: StageInputs, wanted: str) -> rollout.Rejection | None:
    """Whether the wanted version is given up: by a person, or, where it is the target, by its own end."""
    generation = objects.generation(inputs.facts.resource)
    aborted = abort.decide(
        stage.view,
        stage.before,
        wanted=wanted,
        requested=inputs.abort,
        generation=generation,
        retry=inputs.retry,
    )
    if aborted or wanted != stage.target.version:
        return aborted
    return rollout.reject(stage.view, stage.target, stage.before, generation=generation, retry=inputs.retry)
