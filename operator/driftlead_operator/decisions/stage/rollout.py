"""Which version and template a stage gets: forward to its target, back to its last good one, or as it is.

The Deployment's controller does the rolling, with maxUnavailable 0: old pods stay until new ones have
answered a smoke prediction, so a version that cannot be served costs nothing but pods beside those that
serve. What is decided here is the template, and three things make that less plain than it looks.

*Who is to blame.* Only exit codes of our server blame a model, and only of pods of the present template: a
pod of the template before may still be ending when the new one is judged. A template that once served on all
pods is never given up, whatever its pods do later; by then it is the node, the registry or a quota.

*Which template is the good one.* Status remembers its pod-template-hash, the ReplicaSet holds it. To go back
means to apply the same template byte for byte, so that Kubernetes finds that ReplicaSet and its pods stay; a
template that was rendered again by a newer operator would roll every pod of a version that is just being
rescued. Where status was lost, a ReplicaSet whose pods are available has to do.

*What an upgrade may change.* A newer operator renders templates otherwise, and must not roll a fleet at once
for that. So the template as applied stands in an annotation, with a hash of what people had decided: while
that is the same, the old template stays until the next rollout. With imageUpdate Rolling it is replaced in a
slot of time that follows from the resource's uid, so that a fleet rolls bit by bit without any memory.

Replicas are left out once an autoscaler owns them: to apply them would scale back what it has scaled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from driftlead_operator.decisions import names, objects
from driftlead_operator.decisions.containers import ContainerTermination
from driftlead_operator.decisions.facts import StageName
from driftlead_operator.decisions.memory.stages import LastGood, StageMemory
from driftlead_operator.decisions.render import manifests, pod_template
from driftlead_operator.decisions.render.pod_template import Context, Template
from driftlead_operator.decisions.spec import Stage
from driftlead_operator.decisions.stage.stage_view import Pod, ReplicaSet, StageView
from driftlead_operator.decisions.stage.targets import Target

# A round of five minutes, in which each resource has half a minute of its own.
SLOTS = 10
SLOT_SECONDS = 30
ROUND = timedelta(seconds=SLOTS * SLOT_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A version given up, by its model for a generation of spec or by a person until one asks again.

    What is new comes with it: `termination` is how its pod ended, `requested` that a person asks for it now.
    `waits` says that it might be tried again, but pods of the try before are still there.
    """

    version: str
    generation: int
    termination: ContainerTermination | None = None
    aborted: bool = False
    requested: bool = False
    waits: bool = False

    @property
    def is_new(self) -> bool:
        """Whether it is given up now, and not since before."""
        return self.requested or self.termination is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDecision:
    """What a stage is to serve. `manifest` is its Deployment as wanted, None where there is to be none."""

    name: StageName
    block: Stage
    target: Target
    view: StageView
    wanted: str | None
    served: str | None
    rejection: Rejection | None = None
    last_good: LastGood | None = None
    manifest: Mapping[str, Any] | None = None
    replicas: int = 0
    outdated: bool = False

    @property
    def serves(self) -> bool:
        """Whether the target serves on all pods there are to be, which proves that it loads."""
        return self.view.settled and self.served is not None and self.served == self.target.version

    @property
    def judged(self) -> str | None:
        """The version whose traffic is checked for drift: what serves, or did until its pods fell silent."""
        return self.served or (self.last_good.version if self.last_good and self.replicas else None)


def served_version(view: StageView, wanted: str | None, before: str | None) -> str | None:
    """The version that every ready pod serves: the new one only once it serves on all pods that count."""
    if view.settled:
        return view.version if view.desired_replicas else None
    serving = {pod.version for pod in view.ready}
    if before in serving:
        return before
    others = sorted(serving - {wanted or ""}, key=lambda each: int(each) if each.isdecimal() else 0)
    return others[-1] if others else None


def reject(
    view: StageView,
    target: Target,
    before: StageMemory,
    *,
    generation: int,
    retry: bool,
) -> Rejection | None:
    """Whether the target is given up: it was, for this generation, or a pod's end blames the model.

    A template that served once on all pods is never given up: the model is not to blame then. Nor is a try
    begun while failed pods of the one before are there, which would end it at once.
    """
    if target.version is None:
        return None
    held = before.rejected if before.rejected and before.rejected.version == target.version else None
    generation_held = held.generation if held else 0
    if held and generation_held == generation and not retry:
        return Rejection(version=target.version, generation=generation)
    ends = [pod.termination for pod in _failing(view, target.version) if pod.termination]
    blaming = next((each for each in ends if each.blames_model), None)
    if blaming and not _is_tried(view, target.version):
        return Rejection(version=target.version, generation=generation_held, waits=True)
    good = before.last_good.template if before.last_good else None
    if view.current is None or view.current.template == good or blaming is None:
        return None
    return Rejection(version=target.version, generation=generation, termination=blaming)


def _is_tried(view: StageView, version: str) -> bool:
    """Whether the Deployment asks for pods of a version now, so that their ends tell of the present try."""
    return view.version == version and view.desired_replicas > 0


def _failing(view: StageView, version: str) -> list[Pod]:
    """Pods of a version that do not serve: those of the present template, or all where it is not tried now.

    The Deployment's controller may take pods of the try before for the new one, their ends with them.
    """
    pods = view.of_current() if _is_tried(view, version) else view.pods
    return [pod for pod in pods if pod.version == version and not pod.ready]


def good_replica_set(view: StageView, last_good: LastGood | None, rejection: Rejection) -> ReplicaSet | None:
    """The ReplicaSet to go back to: the one that status remembers, else one that is fully available now."""
    remembered = last_good.template if last_good else None
    sets = [
        each for each in view.replica_sets if not (rejection.aborted and each.version == rejection.version)
    ]
    found = next((each for each in sets if each.template == remembered), None)
    if found:
        return found
    others = [each for each in sets if each is not view.current or each.version != rejection.version]
    available = [each for each in others if each.available > 0]
    return max(
        available, key=lambda each: (each.available >= view.desired_replicas, each.revision), default=None
    )


def decide(
    context: Context,
    target: Target,
    view: StageView,
    before: StageMemory,
    *,
    wanted: str | None,
    rejection: Rejection | None,
) -> StageDecision:
    """The stage's Deployment; `wanted` is the live version where the target is silent, None for none."""
    block = context.spec.stage(view.name) or Stage()
    last_good = _last_good(view, before)
    back = good_replica_set(view, last_good, rejection) if rejection else None
    version = back.version if back else wanted
    replicas = 0 if rejection and back is None else _replicas(block, view)
    manifest = None
    if version is not None:
        template, inputs = _template(context, target, view, version, rejection=rejection, back=back)
        whole = manifests.deployment(context, view.name, template=template, replicas=replicas, inputs=inputs)
        manifest = _leave_scaling_to_others(whole, block, view)
    return StageDecision(
        name=view.name,
        block=block,
        target=target,
        view=view,
        wanted=version,
        served=served_version(view, version, before.version),
        rejection=rejection,
        last_good=last_good,
        manifest=manifest,
        replicas=replicas,
        outdated=manifest is not None and image_of(manifest) != pod_template.image(context),
    )


def _template(
    context: Context,
    target: Target,
    view: StageView,
    version: str,
    *,
    rejection: Rejection | None,
    back: ReplicaSet | None,
) -> tuple[Template, str]:
    """Back to the good one, forward to the target, or what stands where neither is known."""
    if back:
        return _of_replica_set(back)
    if rejection is None and version == target.version:
        return render(context, view.name, view, version)
    return applied_template(view) or render(context, view.name, view, version)


def _last_good(view: StageView, before: StageMemory) -> LastGood | None:
    if view.settled and view.current and view.desired_replicas:
        return LastGood(version=view.current.version, template=view.current.template)
    return before.last_good


def _replicas(block: Stage, view: StageView) -> int:
    """How many pods to ask for; under an autoscaler as many as there are."""
    if block.autoscaled and view.deployment is not None and view.desired_replicas:
        return view.desired_replicas
    return block.initial_replicas


def _leave_scaling_to_others(manifest: Mapping[str, Any], block: Stage, view: StageView) -> Mapping[str, Any]:
    """Leaves replicas out under an autoscaler once another manager owns them; before, it would reset them."""
    owners = objects.items(objects.metadata(view.deployment).get("managedFields"))
    others = [each for each in owners if each.get("manager") != names.MANAGER and _owns_replicas(each)]
    if not block.autoscaled or not others or not view.desired_replicas:
        return manifest
    return {**manifest, "spec": {key: value for key, value in manifest["spec"].items() if key != "replicas"}}


def _owns_replicas(entry: Mapping[str, Any]) -> bool:
    return "f:replicas" in objects.mapping(objects.dig(entry, "fieldsV1", "f:spec"))


def render(context: Context, stage: StageName, view: StageView, version: str) -> tuple[Template, str]:
    """The template for a version: the one that stands, as long as nothing that people decide has changed.

    With Rolling, another rendering by this operator counts as a change too, in the resource's own slot.
    """
    inputs = pod_template.inputs(context, stage, version)
    template, stood_for = applied_template(view) or ({}, "")
    rolls = context.spec.inference.image_update == "Rolling" and slot_opens(context) <= context.now
    if template and stood_for == inputs and not rolls:
        return template, inputs
    return pod_template.serving(context, stage, version), inputs


def slot_opens(context: Context) -> datetime:
    """When this resource may next be rolled only because the operator renders it otherwise: now, or later.

    The slots of a round follow from uids, so that an upgrade rolls a fleet bit by bit, without any memory.
    """
    mine = int(objects.digest(context.uid), 16) % SLOTS
    second = int(context.now.timestamp())
    slots = (mine - second // SLOT_SECONDS) % SLOTS
    wait = slots * SLOT_SECONDS - second % SLOT_SECONDS if slots else 0
    return context.now + timedelta(seconds=wait)


def image_of(manifest: Any) -> str:
    """The image of a Deployment's server."""
    containers = objects.items(objects.dig(manifest, "spec", "template", "spec", "containers"))
    return next((str(each.get("image")) for each in containers if each.get("name") == names.SERVER), "")


def applied_template(view: StageView) -> tuple[Template, str] | None:
    """The template that we applied last, and the inputs it stood for."""
    return _annotated(view.deployment) or (_live_template(view.deployment) if view.deployment else None)


def _of_replica_set(replica_set: ReplicaSet) -> tuple[Template, str]:
    """The template that made the ReplicaSet, so that its pods stay: Deployments hand annotations down."""
    return _annotated(replica_set.manifest) or _live_template(replica_set.manifest)


def _annotated(manifest: Any) -> tuple[Template, str] | None:
    template = objects.parse_json(objects.annotations(manifest).get(names.TEMPLATE))
    if not template or objects.digest(template) != manifests.template_hash(manifest):
        return None
    return dict(template), manifests.input_hash(manifest)


def _live_template(manifest: Any) -> tuple[Template, str]:
    """A live template without what controllers add to it."""
    template = objects.mapping(objects.dig(manifest, "spec", "template"))
    meta = {
        "labels": {
            key: value for key, value in objects.labels(template).items() if key != names.POD_TEMPLATE_HASH
        },
        "annotations": dict(objects.annotations(template)),
    }
    return {"metadata": objects.without_empty(meta), "spec": dict(objects.mapping(template.get("spec")))}, ""
