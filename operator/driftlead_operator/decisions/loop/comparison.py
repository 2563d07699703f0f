"""What the judge says of the canary, as status keeps it.

The judge answers with other figures at each look, and status is not to be written that often: figures are
taken up when one of them grew by a tenth, words when the verdict or the judge's sight changed.

A verdict holds for the pair of versions that it is about. A judge that was restarted has forgotten the older
evidence and is undecided again, which takes nothing back: the tests may be read at every look, so a verdict
once reached is right. Another verdict replaces it. A judge that cannot look, or is not there, changes
nothing.
"""

from dataclasses import replace

from driftlead_formats.summaries import CanaryAssessment
from driftlead_formats.verdicts import CanaryVerdict
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.memory.comparison import ComparisonMemory


def decide(
    said: CanaryAssessment | None, before: ComparisonMemory | None, canary: str | None
) -> ComparisonMemory | None:
    """What is known of this version of the canary, None before the judge said anything of it."""
    kept = before if before is not None and before.version == canary else None
    if not canary or said is None or said.canary not in ("", canary):
        return kept
    if said.error and not said.at:
        blind = kept or ComparisonMemory(version=canary)
        return blind if blind.error else replace(blind, error=objects.one_line(said.error))
    now = ComparisonMemory(
        version=canary,
        prod=said.prod,
        verdict=said.verdict,
        message=objects.one_line(said.message),
        prod_requests=said.prod_requests,
        canary_requests=said.canary_requests,
        requests_needed=said.requests_needed,
        at=said.at,
        report_uri=said.uri,
        error=objects.one_line(said.error),
    )
    return now if kept is None or _is_news(kept, now) else kept


def _is_news(kept: ComparisonMemory, now: ComparisonMemory) -> bool:
    decided = kept.verdict is not CanaryVerdict.UNDECIDED
    if decided and now.verdict is CanaryVerdict.UNDECIDED and now.prod == kept.prod:
        return False
    steady = (kept.prod, kept.verdict, kept.report_uri, bool(kept.error))
    if steady != (now.prod, now.verdict, now.report_uri, bool(now.error)):
        return True
    pairs = ((kept.prod_requests, now.prod_requests), (kept.canary_requests, now.canary_requests))
    return any(abs(new - old) * 10 >= max(old, 10) for old, new in pairs)
