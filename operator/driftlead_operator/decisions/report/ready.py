"""Ready: whether prod serves what is wanted on all pods, and if not, why. The most telling reason speaks."""

from collections.abc import Iterator

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.memory.loop import PromotionOutcome
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report import pod_failures, rejections, unmade_children
from driftlead_operator.decisions.report.assessment import Assessment, ConditionValue, Progress
from driftlead_operator.decisions.report.chain import Chain, Polarity
from driftlead_operator.decisions.stage.rollout import StageDecision


def spec_is_invalid(assessment: Assessment) -> ConditionValue | None:
    """Something in spec cannot be carried out."""
    if not assessment.faults:
        return None
    return ConditionValue(Reason.INVALID_SPEC, "; ".join(assessment.faults), progress=Progress.STALLED)


def it_is_suspended(assessment: Assessment) -> ConditionValue | None:
    """A person froze it."""
    if not assessment.spec.suspend:
        return None
    serves = f"version {assessment.prod.served} serves" if assessment.prod.served else "nothing serves"
    words = (
        f"spec.suspend is true: nothing is changed; {serves}, wanted is "
        f"{assessment.prod.target.version or 'nothing'}"
    )
    good = assessment.done(assessment.prod) and assessment.prod.served == assessment.prod.target.version
    return ConditionValue(Reason.SUSPENDED, words, "True" if good else "False", Progress.CURRENT)


def a_name_is_taken(assessment: Assessment) -> ConditionValue | None:
    """A stranger holds a name that a child of prod needs."""
    return unmade_children.name_taken(assessment, "prod")


def the_registry_is_unknown(assessment: Assessment) -> ConditionValue | None:
    """The chart declares no such registry."""
    registry = assessment.facts.registry
    if registry.declared:
        return None
    words = (
        f"registry {registry.name} is not declared; declare it in the chart's value `registries`, or name "
        "another in spec.registry"
    )
    return ConditionValue(Reason.REGISTRY_UNKNOWN, words, progress=Progress.STALLED)


def the_registry_is_forbidden(assessment: Assessment) -> ConditionValue | None:
    """The registry is not for this namespace."""
    registry = assessment.facts.registry
    if registry.namespace_allowed:
        return None
    namespace = objects.metadata(assessment.facts.resource).get("namespace")
    words = (
        f"registry {registry.name} is not allowed to namespace {namespace}; see `allowedNamespaces` of the "
        "chart's value `registries`"
    )
    return ConditionValue(Reason.REGISTRY_FORBIDDEN, words, progress=Progress.STALLED)


def the_registry_never_answered(assessment: Assessment) -> ConditionValue | None:
    """Without one answer no target is known."""
    registry = assessment.facts.registry
    if registry.answered_at is not None or assessment.prod.target.version is not None:
        return None
    since = f" since {objects.stamp(registry.unreachable_since)}" if registry.unreachable_since else ""
    words = (
        f"registry {registry.name} has not answered{since}, so the target is not known: "
        f"{registry.error or 'it is being asked'}"
    )
    return ConditionValue(Reason.REGISTRY_UNREACHABLE, words + _what_serves(assessment))


def it_waits_for_a_model(assessment: Assessment) -> ConditionValue | None:
    """There is nothing to serve yet, and nothing serves."""
    if assessment.prod.target.version is not None or assessment.prod.view.deployment is not None:
        return None
    return ConditionValue(Reason.WAITING_FOR_MODEL, _nothing_to_serve(assessment))


def the_target_is_missing(assessment: Assessment) -> ConditionValue | None:
    """The target is gone, while something serves."""
    if assessment.prod.target.version is not None:
        return None
    # A pin may be ahead of the registry; what left the registry does not come back by itself.
    progress = Progress.IN_PROGRESS if assessment.prod.target.pinned else Progress.STALLED
    return ConditionValue(
        Reason.TARGET_MISSING, _nothing_to_serve(assessment) + _what_serves(assessment), progress=progress
    )


def _nothing_to_serve(assessment: Assessment) -> str:
    stage, registry = assessment.spec.prod, assessment.facts.registry
    if not registry.model_exists:
        return f"registry {registry.name} has no model {assessment.spec.model}; train and register one"
    if stage.version:
        return (
            f"registry {registry.name} has no version {stage.version} of {assessment.spec.model}, to which "
            "spec.prod pins"
        )
    words = f"no version of {assessment.spec.model} has {stage.followed} in registry {registry.name}"
    return f"{words}; move one there"


def _what_serves(assessment: Assessment) -> str:
    return f"; version {assessment.prod.served} goes on serving" if assessment.prod.served else ""


def the_version_is_given_up(assessment: Assessment) -> ConditionValue | None:
    """The version itself cannot be served, or a person gave it up."""
    return rejections.value(assessment, assessment.prod)


def a_child_is_refused(assessment: Assessment) -> ConditionValue | None:
    """The API server refuses a child of prod as it is wanted."""
    return unmade_children.refused(assessment, "prod")


def a_pod_fails(assessment: Assessment) -> ConditionValue | None:
    """Pods of prod cannot run, for a reason that is not the model's."""
    if assessment.done(assessment.prod):
        return None
    failure = pod_failures.of_stage(assessment, assessment.prod)
    return failure and failure._replace(message=failure.message + _what_serves(assessment))


def prod_makes_no_progress(assessment: Assessment) -> ConditionValue | None:
    """The rollout is past its deadline. A newer version still supersedes it."""
    if assessment.done(assessment.prod) or not is_past_its_deadline(assessment.prod):
        return None
    words = f"{_how_far(assessment)}{no_progress(assessment)}{_what_serves(assessment)}"
    return ConditionValue(Reason.PROGRESS_DEADLINE_EXCEEDED, words)


def is_past_its_deadline(stage: StageDecision) -> bool:
    """Whether the Deployment's controller says so; spec.rollout.progressDeadline is what it measures by."""
    progressing = objects.condition(stage.view.deployment, "Progressing")
    return bool(progressing.get("reason") == "ProgressDeadlineExceeded")


def no_progress(assessment: Assessment) -> str:
    """The same in words."""
    return f", without progress for {assessment.spec.rollout.progress_deadline}"


def prod_is_rolling(assessment: Assessment) -> ConditionValue | None:
    """Pods of the wanted version are being started."""
    if assessment.done(assessment.prod):
        return None
    if assessment.prod.served == assessment.prod.wanted and assessment.prod.served is not None:
        return ConditionValue(Reason.REPLICAS_NOT_READY, _how_far(assessment))
    return ConditionValue(Reason.ROLLING_OUT, _how_far(assessment) + _what_serves(assessment))


def _how_far(assessment: Assessment) -> str:
    return assessment.how_far(assessment.prod, "pods")


def nothing_is_asked_for(assessment: Assessment) -> ConditionValue | None:
    """Prod is scaled to zero."""
    if assessment.prod.replicas:
        return None
    return ConditionValue(
        Reason.SCALED_TO_ZERO, "spec.prod.replicas is 0: no pod is asked for", "True", Progress.CURRENT
    )


def prod_serves(assessment: Assessment) -> ConditionValue:
    """All is as wanted."""
    prod, count = assessment.prod, assessment.serving(assessment.prod)
    words = f"version {prod.wanted} ({prod.target.source}) serves on {count} of {prod.replicas} pods"
    return ConditionValue(Reason.SERVING, "; ".join([words, *notes(assessment)]), "True", Progress.CURRENT)


def notes(assessment: Assessment) -> Iterator[str]:
    """What a person should know although all is well."""
    target, registry = assessment.prod.target, assessment.facts.registry
    if target.ambiguous:
        yield ambiguous_words(assessment)
    if target.pinned and assessment.spec.prod.followed and target.followed != target.version:
        yield f"spec pins it while {assessment.spec.prod.followed} is {target.followed or 'no version'}"
    if registry.unreachable_since is not None:
        yield f"registry {registry.name} does not answer since {objects.stamp(registry.unreachable_since)}"
    record = assessment.promotion.record
    if record and record.outcome is PromotionOutcome.FORBIDDEN and target.pinned:
        yield "the registry may not be told of the pin (PromotionForbidden)"


def ambiguous_words(assessment: Assessment) -> str:
    """Which versions stand in one registry stage, and the cure."""
    target = assessment.prod.target
    return (
        f"versions {', '.join(target.ambiguous)} all stand in {target.source}; the highest is served; "
        "transition with archive_existing_versions: true to leave one"
    )


READY = Chain(
    condition=Condition.READY,
    polarity=Polarity.TRUE_IS_GOOD,
    checks=(
        spec_is_invalid,
        it_is_suspended,
        a_name_is_taken,
        the_registry_is_unknown,
        the_registry_is_forbidden,
        the_registry_never_answered,
        it_waits_for_a_model,
        the_target_is_missing,
        the_version_is_given_up,
        a_child_is_refused,
        a_pod_fails,
        prod_makes_no_progress,
        prod_is_rolling,
        nothing_is_asked_for,
    ),
    otherwise=prod_serves,
)
