"""Which version the canary gets.

A newer one than prod's, and until prod serves it on all pods the promoted one.
"""

from driftlead_operator.decisions.facts import RegistryFacts
from driftlead_operator.decisions.stage.rollout import StageDecision
from driftlead_operator.decisions.stage.stage_view import StageView
from driftlead_operator.decisions.stage.targets import Target, number


def wanted(target: Target, view: StageView, prod: StageDecision, registry: RegistryFacts) -> str | None:
    """The canary's version, None for none.

    While the registry cannot be asked, or has lost the whole model, what serves stays.
    """
    live = view.version
    unknown = registry.answered_at is None or not registry.model_exists
    if unknown or (target.pinned and target.version is None):
        return live
    if target.pinned:
        return target.version
    if _is_newer(target.version, live, prod):
        return target.version
    if live is not None and live == prod.target.version and live != prod.served:
        return live
    return None


def _is_newer(version: str | None, live: str | None, prod: StageDecision) -> bool:
    """Whether a version is higher than prod's; one that prod is to serve anyway is not tried first."""
    if number(version) <= number(prod.served):
        return False
    return number(version) > number(prod.target.version) or version == live
