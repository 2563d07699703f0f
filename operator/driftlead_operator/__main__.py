"""`driftlead-operator`: reads its settings, and runs until it is told to stop."""

import asyncio
import sys

from driftlead_operator import logs, manifests, plan, spec
from driftlead_operator.assembly import Operator
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
    """The command."""
    settings = OperatorSettings(_cli_parse_args=sys.argv[1:])
    logs.configure(settings.log_level)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
