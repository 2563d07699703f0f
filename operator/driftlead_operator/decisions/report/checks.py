"""The chains of verdicts, first one wins: read them as tables of contents."""

from collections.abc import Callable, Iterator

from driftlead_operator.decisions import objects
from driftlead_operator.decisions.reasons import Condition, Reason
from driftlead_operator.decisions.report import pod_failures, rejections
from driftlead_operator.decisions.report.assessment import Course, Look, Verdict
from driftlead_operator.decisions.stage.rollout import StageDecision

Check = Callable[[Look], Verdict | None]
JUDGED = {"worse": Reason.CANARY_WORSE, "non-inferior": Reason.CANARY_NOT_WORSE}


def spec_is_invalid(look: Look) -> Verdict | None:
    """Something in spec cannot be carried out."""
    if not look.faults:
        return None
    return Verdict(Reason.INVALID_SPEC, "; ".join(look.faults), course=Course.STUCK)


def it_is_suspended(look: Look) -> Verdict | None:
    """A person froze it."""
    if not look.spec.suspend:
        return None
    serves = f"version {look.prod.served} serves" if look.prod.served else "nothing serves"
    words = (
        f"spec.suspend is true: nothing is changed; {serves}, wanted is "
        f"{look.prod.target.version or 'nothing'}"
    )
    good = look.done(look.prod) and look.prod.served == look.prod.target.version
    return Verdict(Reason.SUSPENDED, words, "True" if good else "False", Course.DONE)


def a_name_is_taken(look: Look) -> Verdict | None:
    """A stranger holds a name that a child needs."""
    if not look.taken:
        return None
    names = ", ".join(f"{ref.kind} {ref.name}" for ref in look.taken)
    words = (
        f"{names} belongs to somebody else and is left alone; delete it, or give this resource another name"
    )
    return Verdict(Reason.NAME_TAKEN, words, course=Course.STUCK)


def the_registry_is_unknown(look: Look) -> Verdict | None:
    """The chart declares no such registry."""
    registry = look.facts.registry
    if registry.declared:
        return None
    words = (
        f"registry {registry.name} is not declared; declare it in the chart's value `registries`, or name "
        "another in spec.registry"
    )
    return Verdict(Reason.REGISTRY_UNKNOWN, words, course=Course.STUCK)


def the_registry_is_forbidden(look: Look) -> Verdict | None:
    """The registry is not for this namespace."""
    registry = look.facts.registry
    if registry.namespace_allowed:
        return None
    namespace = objects.metadata(look.facts.resource).get("namespace")
    words = (
        f"registry {registry.name} is not allowed to namespace {namespace}; see `allowedNamespaces` of the "
        "chart's value `registries`"
    )
    return Verdict(Reason.REGISTRY_FORBIDDEN, words, course=Course.STUCK)


def the_registry_never_answered(look: Look) -> Verdict | None:
    """Without one answer no target is known."""
    registry = look.facts.registry
    if registry.answered_at is not None or look.prod.target.version is not None:
        return None
    since = f" since {objects.stamp(registry.unreachable_since)}" if registry.unreachable_since else ""
    words = (
        f"registry {registry.name} has not answered{since}, so the target is not known: "
        f"{registry.error or 'it is being asked'}"
    )
    return Verdict(Reason.REGISTRY_UNREACHABLE, words + _what_serves(look))


def it_waits_for_a_model(look: Look) -> Verdict | None:
    """There is nothing to serve yet, and nothing serves."""
    if look.prod.target.version is not None or look.prod.view.deployment is not None:
        return None
    return Verdict(Reason.WAITING_FOR_MODEL, _nothing_to_serve(look))


def the_target_is_missing(look: Look) -> Verdict | None:
    """The target is gone, while something serves."""
    if look.prod.target.version is not None:
        return None
    # A pin may be ahead of the registry; what left the registry does not come back by itself.
    course = Course.WORKING if look.prod.target.pinned else Course.STUCK
    return Verdict(Reason.TARGET_MISSING, _nothing_to_serve(look) + _what_serves(look), course=course)


def _nothing_to_serve(look: Look) -> str:
    stage, registry = look.spec.prod, look.facts.registry
    if not registry.model_exists:
        return f"registry {registry.name} has no model {look.spec.model}; train and register one"
    if stage.version:
        return (
            f"registry {registry.name} has no version {stage.version} of {look.spec.model}, to which "
            "spec.prod pins"
        )
    return f"no version of {look.spec.model} has {stage.followed} in registry {registry.name}; move one there"


def _what_serves(look: Look) -> str:
    return f"; version {look.prod.served} goes on serving" if look.prod.served else ""


def the_version_is_given_up(look: Look) -> Verdict | None:
    """The version itself cannot be served, or a person gave it up."""
    return rejections.verdict(look, look.prod)


def a_child_is_refused(look: Look) -> Verdict | None:
    """The API server refuses a child as it is wanted."""
    refused = sorted((ref, words) for ref, words in look.facts.refused.items() if ref in look.behind)
    if not refused:
        return None
    words = "; ".join(f"{ref.kind} {ref.name}: {each}" for ref, each in refused)
    return Verdict(Reason.APPLY_REFUSED, f"the API server refuses {words}", course=Course.STUCK)


def prod_has_trouble(look: Look) -> Verdict | None:
    """Pods of prod cannot run, for a reason that is not the model's."""
    if look.done(look.prod):
        return None
    trouble = pod_failures.of_stage(look, look.prod)
    return trouble and trouble._replace(message=trouble.message + _what_serves(look))


def prod_makes_no_progress(look: Look) -> Verdict | None:
    """The rollout is past its deadline. A newer version still supersedes it."""
    if look.done(look.prod) or not _is_past_its_deadline(look.prod):
        return None
    words = f"{_how_far(look)}{_no_progress(look)}{_what_serves(look)}"
    return Verdict(Reason.PROGRESS_DEADLINE_EXCEEDED, words)


def _is_past_its_deadline(stage: StageDecision) -> bool:
    """Whether the Deployment's controller says so; spec.rollout.progressDeadline is what it measures by."""
    progressing = objects.condition(stage.view.deployment, "Progressing")
    return bool(progressing.get("reason") == "ProgressDeadlineExceeded")


def _no_progress(look: Look) -> str:
    return f", without progress for {look.spec.rollout.progress_deadline}"


def prod_is_rolling(look: Look) -> Verdict | None:
    """Pods of the wanted version are being started."""
    if look.done(look.prod):
        return None
    if look.prod.served == look.prod.wanted and look.prod.served is not None:
        return Verdict(Reason.REPLICAS_NOT_READY, _how_far(look))
    return Verdict(Reason.ROLLING_OUT, _how_far(look) + _what_serves(look))


def _how_far(look: Look) -> str:
    return f"{look.serving(look.prod)} of {look.prod.replicas} pods serve version {look.prod.wanted}"


def nothing_is_asked_for(look: Look) -> Verdict | None:
    """Prod is scaled to zero."""
    if look.prod.replicas:
        return None
    return Verdict(Reason.SCALED_TO_ZERO, "spec.prod.replicas is 0: no pod is asked for", "True", Course.DONE)


def prod_serves(look: Look) -> Verdict:
    """All is as wanted."""
    count, target = look.serving(look.prod), look.prod.target
    words = f"version {look.prod.wanted} ({target.source}) serves on {count} of {look.prod.replicas} pods"
    return Verdict(Reason.SERVING, "; ".join([words, *notes(look)]), "True", Course.DONE)


def notes(look: Look) -> Iterator[str]:
    """What a person should know although all is well."""
    target, registry = look.prod.target, look.facts.registry
    if target.ambiguous:
        yield ambiguous_words(look)
    if target.pinned and look.spec.prod.followed and target.followed != target.version:
        yield f"spec pins it while {look.spec.prod.followed} is {target.followed or 'no version'}"
    if registry.unreachable_since is not None:
        yield f"registry {registry.name} does not answer since {objects.stamp(registry.unreachable_since)}"
    if objects.dig(look.promotion.record, "outcome") == "Forbidden" and target.pinned:
        yield "the registry may not be told of the pin (PromotionForbidden)"


def ambiguous_words(look: Look) -> str:
    """Which versions stand in one registry stage, and the cure."""
    target = look.prod.target
    return (
        f"versions {', '.join(target.ambiguous)} all stand in {target.source}; the highest is served; "
        "transition with archive_existing_versions: true to leave one"
    )


READINESS: tuple[Check, ...] = (
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
    prod_has_trouble,
    prod_makes_no_progress,
    prod_is_rolling,
    nothing_is_asked_for,
)


def readiness(look: Look) -> Verdict:
    """Whether prod serves what is wanted, and if not why."""
    verdicts = (check(look) for check in READINESS)
    return next((verdict for verdict in verdicts if verdict), prod_serves(look))


def availability(look: Look) -> Verdict:
    """Whether prod answers at all."""
    ready = look.prod.view.ready
    if not ready:
        return Verdict(Reason.NO_READY_PODS, "no pod of prod answers")
    versions = ", ".join(sorted({pod.version for pod in ready}))
    return Verdict(Reason.SERVING, f"prod answers with version {versions}", "True")


def canary_health(look: Look) -> Verdict | None:
    """How the canary does; None where spec has none."""
    canary = look.canary
    if canary is None:
        return None
    if given_up := rejections.verdict(look, canary):
        # Without a version that a person gave up there is no canary, and nothing is wrong with that.
        return given_up._replace(status="True" if given_up.reason is Reason.ABORTED else "False")
    if canary.manifest is None:
        return Verdict(Reason.NO_CANARY, "there is no version newer than prod's to try", "True")
    if not look.done(canary):
        return pod_failures.of_stage(look, canary) or _starting(look, canary)
    return _compared(look, canary)


def _starting(look: Look, canary: StageDecision) -> Verdict:
    words = f"{look.serving(canary)} of {canary.replicas} canary pods serve version {canary.wanted}"
    if _is_past_its_deadline(canary):
        return Verdict(Reason.PROGRESS_DEADLINE_EXCEEDED, words + _no_progress(look))
    return Verdict(Reason.CANARY_STARTING, words, "Unknown")


def _compared(look: Look, canary: StageDecision) -> Verdict:
    """What the judge says of this canary. Its words stand while its verdict does, whatever its figures.

    They stand too while it was not asked, by another leader for example.
    """
    prefix = f"version {canary.served}: "
    said = objects.condition(look.facts.resource, Condition.CANARY_HEALTHY)
    before = said.get("reason") if str(said.get("message")).startswith(prefix) else None
    found = objects.mapping(look.facts.verdict)
    verdict = found.get("verdict") if found.get("canary") in (None, canary.served) else None
    reason = (
        JUDGED.get(str(verdict))
        if found
        else next((each for each in JUDGED.values() if each == before), None)
    )
    if reason is None:
        words = f"version {canary.wanted} serves on {canary.replicas} canary pods"
        return Verdict(Reason.CANARY_SERVING, words, "True")
    words = str(said.get("message")) if reason == before else prefix + str(found.get("message") or verdict)
    return Verdict(reason, words, "False" if reason is Reason.CANARY_WORSE else "True")
