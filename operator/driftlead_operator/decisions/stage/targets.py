"""What the registry, or a pin, says that a stage should serve."""

from collections.abc import Sequence
from dataclasses import dataclass

from driftlead_operator.decisions.facts import ModelVersion, RegistryFacts
from driftlead_operator.decisions.memory.stages import StageMemory
from driftlead_operator.decisions.spec import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a stage should serve.

    `version` is None when there is none; `followed` is what the registry alone says, which a pin may
    overrule; `ambiguous` are all versions of a registry stage that holds several.
    """

    version: str | None = None
    source: str = ""
    run_id: str = ""
    followed: str | None = None
    ambiguous: Sequence[str] = ()
    pinned: bool = False


def number(version: str | None) -> int:
    """A version as a number, to compare; 0 for none."""
    return int(version) if version and version.isdecimal() else 0


def resolve(stage: Stage, registry: RegistryFacts) -> Target:
    """What a stage should serve by the registry's last answer; a pin must exist there to be a target."""
    standing = sorted(
        (each for each in registry.versions if _stands(each, stage)), key=lambda v: number(v.version)
    )
    followed = standing[-1].version if standing else None
    ambiguous = tuple(each.version for each in standing) if stage.stage and len(standing) > 1 else ()
    wanted = stage.version or followed
    found = find(registry, wanted)
    return Target(
        version=found.version if found else None,
        source="pin" if stage.version else stage.followed,
        run_id=found.run_id if found else "",
        followed=followed,
        ambiguous=() if stage.version else ambiguous,
        pinned=bool(stage.version),
    )


def remembered(stage: Stage, before: StageMemory) -> Target:
    """The target that status holds, while the registry has not answered since this operator started.

    A pin that is another by now cannot be looked up, so it is not a target yet.
    """
    known = before.target
    if not number(known.version) or (stage.version and stage.version != known.version):
        return Target(pinned=bool(stage.version))
    return Target(
        version=known.version,
        source=known.source,
        run_id=known.run_id,
        followed=known.version,
        ambiguous=before.ambiguous,
        pinned=bool(stage.version),
    )


def find(registry: RegistryFacts, version: str | None) -> ModelVersion | None:
    """A version as the registry describes it."""
    return next((each for each in registry.versions if each.version == version), None) if version else None


def _stands(version: ModelVersion, stage: Stage) -> bool:
    if stage.stage:
        return version.stage == stage.stage
    return bool(stage.alias) and stage.alias in version.aliases
