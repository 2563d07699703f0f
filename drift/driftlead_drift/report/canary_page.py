"""The comparison for people: one self-contained page, and lines for a terminal. Pure."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from markupsafe import Markup

from driftlead_drift.durations import in_words
from driftlead_drift.report import page, svg

GLYPHS = {
    "worse": "■",
    "non-inferior": "○",
    "undecided": "…",
    "different": "◆",
    "same": "○",
    "not tested": "·",
}
CLASSES = {
    "worse": "severe",
    "non-inferior": "stable",
    "undecided": "insufficient",
    "different": "changed",
    "same": "stable",
    "not tested": "insufficient",
}
"""The drift page's colours for these verdicts."""
HEADLINES = {
    "worse": "The canary is worse",
    "non-inferior": "The canary is not worse",
    "undecided": "Too early to tell",
}
NEXT = {
    "worse": "move the canary out of its stage, or promote nothing",
    "non-inferior": "promote it when its predictions are as meant: driftlead never promotes by itself here",
    "undecided": "let it run; the verdict may be looked at at any time",
}
SPLIT = "mend the routing: what is compared must be the same traffic"
MEANING = {"errors": "requests failed", "latency": "requests slow", "quality": "predictions wrong"}


def render(document: Mapping[str, Any]) -> str:
    """The page of a comparison (`canary-report/v1`)."""
    window = document["window"]
    start, end = (datetime.fromisoformat(window[name]) for name in ("from", "to"))
    html: str = _template().render(
        document=document,
        verdict=document["verdict"],
        prod=document["prod"],
        canary=document["canary"],
        predictions=document["predictions"],
        length=in_words(end - start),
        picture=prediction_bins(document["predictions"]),
        next=SPLIT if document["split"]["mismatch"] else NEXT[document["verdict"]["status"]],
    )
    return html


def prediction_bins(predictions: Mapping[str, Any]) -> Markup:
    """Both sides' predictions; nothing where they were not counted."""
    if not predictions["prod_counts"] or not predictions["canary_counts"]:
        return Markup("")
    before, now = sum(predictions["prod_counts"]), sum(predictions["canary_counts"])
    pairs = zip(predictions["prod_counts"], predictions["canary_counts"], strict=True)
    return svg.distribution(
        {
            "kind": predictions["kind"],
            "labels": predictions["labels"],
            "baseline_counts": predictions["prod_counts"],
            "current_counts": predictions["canary_counts"],
            "contribution": [abs(b / max(now, 1) - a / max(before, 1)) / 2 for a, b in pairs],
            "sentence": predictions["sentence"],
        },
        heads=("canary", "prod", "shift"),
    )


def difference(check: Mapping[str, Any]) -> Markup:
    """The difference of two shares with its interval, the margin marked; zero is in the middle."""
    width, middle = 220, 12
    low, high = check["interval"] or (-1.0, 1.0)
    reach = max(abs(low), abs(high), 2 * check["margin"])
    low, high = max(low, -1.0), min(high, 1.0)

    def at(value: float) -> float:
        bounded: float = max(-1.0, min(1.0, value / reach))
        return width / 2 + (width / 2 - 4) * bounded

    observed = check["canary"] - check["prod"]
    said = f"difference {100 * observed:.3g} points, {100 * low:.3g} to {100 * high:.3g}"
    return svg.picture(
        f'<svg class="ruler" viewBox="0 0 {width} 34" width="{width}" height="34" role="img" '
        f'aria-label="{said}">'
        f'<path class="axis" d="M0 {middle}H{width}M{at(0):.1f} 4v16"/>'
        f'<path class="margin" d="M{at(check["margin"]):.1f} 2v20"/>'
        f'<path class="whisker" d="M{at(low):.1f} {middle}H{at(high):.1f}"/>'
        f'<circle class="dot" cx="{at(observed):.1f}" cy="{middle}" r="4"/>'
        f'<text class="b mid" x="{at(0):.1f}" y="32">0</text>'
        f'<text class="b" x="{width}" y="32">margin {100 * check["margin"]:.3g} points</text></svg>'
    )


def words(document: Mapping[str, Any], uri: str) -> str:
    """The verdict for a terminal."""
    prod, canary, verdict = document["prod"], document["canary"], document["verdict"]
    sides = ", ".join(
        f"{name} {svg.visible(side['model'], 40)} {side['version']}: {side['requests']:,} requests"
        for name, side in (("prod", prod), ("canary", canary))
    )
    checks = [*document["checks"], {**document["predictions"], "name": "predictions"}]
    told = verdict["summary"].startswith(verdict["status"])
    lines = [verdict["summary"] if told else f"{verdict['status']}: {verdict['summary']}", f"  {sides}"]
    lines += [f"  {check['name']:<12} {check['verdict']:<13} {check['sentence']}" for check in checks]
    lines += [f"note: {note}" for note in document["notes"]]
    return "\n".join([*lines, f"report: {uri}"] if uri else lines)


@cache
def _template() -> Any:
    templates = page.environment()
    templates.globals.update(
        glyphs=GLYPHS, classes=CLASSES, headlines=HEADLINES, meaning=MEANING, difference=difference
    )
    return templates.get_template("canary.html.j2")
