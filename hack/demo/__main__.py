"""The closed loop on real flights: `python hack/demo` runs it, `python hack/demo down` removes it.

Every step prints what it proves and the real output of the real commands, checks its outcome, and stops the
demo with a sentence when it is not what was promised. `make demo` makes the cluster and the images before.
"""

import os
import sys
import time

from shell import OutcomeError, fail, run, say, show
from steps import STEPS, Demo
from system import System


def down(system: System) -> None:
    """Removes the resource, the release, the namespace, and the definition when nobody else uses it."""
    if _defined():
        show(*system.kubectl("delete", "modeldeployments", "--all", "--timeout=60s"))
    if system.release in run("helm", "list", "--namespace", system.namespace, "--all", "--short").split():
        show("helm", "uninstall", system.release, "--namespace", system.namespace)
    show("kubectl", "delete", "namespace", system.namespace, "--ignore-not-found", "--timeout=120s")
    if _defined() and not run("kubectl", "get", "modeldeployments", "-A", "-o", "name"):
        show("kubectl", "delete", "crd", "modeldeployments.driftlead.dev")


def _defined() -> bool:
    crds = run("kubectl", "get", "crd", "-o", "name")
    return "modeldeployments.driftlead.dev" in crds


def exists(system: System) -> bool:
    """Whether an earlier demo is there."""
    return bool(run("kubectl", "get", "namespace", system.namespace, "--ignore-not-found", "-o", "name"))


def play(system: System) -> None:
    """All steps in turn, then how long each took."""
    began, times = time.monotonic(), []
    demo = Demo(system)
    try:
        for number, step in enumerate(STEPS, start=1):
            title, proves = (step.__doc__ or "").strip().split("\n\n", 1)
            say(f"\n=== {number}/{len(STEPS)} {title}\n    proves: {' '.join(proves.split())}\n")
            started = time.monotonic()
            step(demo)
            times.append((title, time.monotonic() - started))
    finally:
        demo.close()
    say("\n    seconds  step")
    for title, seconds in times:
        say(f"    {seconds:7.1f}  {title}")
    say(f"    {time.monotonic() - began:7.1f}  in all")


def main(words: list[str]) -> int:
    """Does one command; 1 when an outcome is wrong."""
    system = System(os.environ.get("DRIFTLEAD_DEMO_NAMESPACE", "driftlead-demo"))
    if words not in ([], ["down"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if words == ["down"] or exists(system):
            say(f"removing the demo in namespace {system.namespace}")
            down(system)
        if not words:
            play(system)
    except OutcomeError as error:
        return fail(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
