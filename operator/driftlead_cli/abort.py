"""Which version `abort` gives up: one on its way to prod, or the canary."""

from driftlead_cli.errors import Refused
from driftlead_cli.facts import Manifest, name_of, status_of
from driftlead_cli.promote import checked


def on_its_way(resource: Manifest) -> str | None:
    """The version that prod is to serve and does not serve on all pods yet."""
    prod = status_of(resource).get("prod", {})
    target = prod.get("target", {}).get("version")
    return str(target) if target and target != prod.get("version") else None


def canary(resource: Manifest) -> str | None:
    """The version that the canary serves or is to serve."""
    seen = status_of(resource).get("canary", {})
    version = seen.get("target", {}).get("version") or seen.get("version")
    return str(version) if version else None


def given_up(resource: Manifest, version: str | None) -> str:
    """The version to give up: the given one, else what is on its way to prod, else the canary's.

    Raises Refused where there is nothing to give up.
    """
    name, there = name_of(resource), [each for each in (on_its_way(resource), canary(resource)) if each]
    if not there:
        served = status_of(resource).get("prod", {}).get("version") or "nothing"
        raise Refused(
            f"{name} has no version on its way and no canary, so there is nothing to give up; prod serves"
            f" {served}. To leave that version, promote another one: kubectl driftlead promote {name} 5"
        )
    if version is not None and checked(version) not in there:
        raise Refused(
            f"version {version} is not on its way to prod and is not the canary of {name};"
            f" there: {', '.join(there)}"
        )
    return version or there[0]
