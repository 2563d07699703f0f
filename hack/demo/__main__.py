"""The closed loop on real flights: `python -m hack.demo` runs it, `python -m hack.demo down` removes it.

Every step prints what it proves and the real output of the real commands, checks its outcome, and stops the
demo with a sentence when it is not what was promised. `make demo` makes the cluster and the images before.
An earlier demo is removed first.
"""

import os
import sys
import time

from hack.demo.shell import OutcomeError, fail, say
from hack.demo.steps import STEPS, Demo
from hack.demo.system import System


def play(system: System) -> None:
    """All steps in turn, then how long each took."""
    began, times = time.monotonic(), []
    # Not the whole cluster, so that the end-to-end tests can run beside a demo that stays.
    demo = Demo(system, f"watch.namespaces={{{system.namespace}}}")
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
        system.remove()
        if not words:
            play(system)
    except OutcomeError as error:
        return fail(error, system.diagnosis())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
