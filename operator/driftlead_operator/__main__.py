"""`driftlead-operator`: reads its settings, and runs until it is told to stop."""

import gc
import sys

import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

from driftlead_operator import logs
from driftlead_operator.assembly import Operator
from driftlead_operator.decisions import plan, spec
from driftlead_operator.decisions.render import manifests
from driftlead_operator.observe import Decisions
from driftlead_operator.settings import OperatorSettings

DECISIONS = Decisions(
    plan=plan.plan,
    registry_name=spec.registry_name,
    model_name=spec.model_name,
    child_refs=manifests.child_refs,
)


async def run(settings: OperatorSettings) -> None:
    """Runs the operator in this loop."""
    await Operator(settings, DECISIONS).run()


def main() -> None:
    """The command: ends with 0 when told to stop, 2 when a setting cannot be used, 1 when a part failed."""
    try:
        settings = OperatorSettings(_cli_parse_args=sys.argv[1:])
    except (ValidationError, SettingsError) as error:
        print(f"driftlead-operator: {unusable(error)}", file=sys.stderr)
        sys.exit(2)
    logs.configure(settings.log_level)
    seldom_collect()
    uvloop.run(run(settings))


def seldom_collect() -> None:
    """Keeps the garbage collector away from what is loaded, and from each small heap of new objects.

    What it finds here is little; with Python's thresholds it took an eighth of a busy operator's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def unusable(error: ValidationError | SettingsError) -> str:
    """Which settings cannot be used: what is wrong, and what was seen."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"setting {'.'.join(str(part) for part in each['loc'])}: {each['msg']} (it is {each['input']!r})"
        for each in error.errors()
    )


if __name__ == "__main__":
    main()
