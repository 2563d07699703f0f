"""The comparison for people: one self-contained page, and lines for a terminal. Pure."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from markupsafe import Markup

from driftlead_drift.report import curves, page, svg
from driftlead_formats.durations import in_words
from driftlead_formats.verdicts import CanaryVerdict, DriftVerdict, PredictionShift

INFORMS = "informs"
GLYPHS = {
    CanaryVerdict.WORSE: "■",
    CanaryVerdict.NON_INFERIOR: "○",
    CanaryVerdict.UNDECIDED: "…",
    PredictionShift.DIFFERENT: "◆",
    PredictionShift.SAME: "○",
    PredictionShift.NOT_TESTED: "·",
    INFORMS: "·",
}
CLASSES = {
    CanaryVerdict.WORSE: DriftVerdict.SEVERE,
    CanaryVerdict.NON_INFERIOR: DriftVerdict.STABLE,
    CanaryVerdict.UNDECIDED: DriftVerdict.INSUFFICIENT,
    PredictionShift.DIFFERENT: DriftVerdict.CHANGED,
    PredictionShift.SAME: DriftVerdict.STABLE,
    PredictionShift.NOT_TESTED: DriftVerdict.INSUFFICIENT,
    INFORMS: DriftVerdict.INSUFFICIENT,
}
"""The drift page's colours for these verdicts."""
HEADLINES = {
    CanaryVerdict.WORSE: "The canary is worse",
    CanaryVerdict.NON_INFERIOR: "The canary is not worse",
    CanaryVerdict.UNDECIDED: "Too early to tell",
}
NEXT = {
    CanaryVerdict.WORSE: "move the canary out of its stage, or promote nothing",
    CanaryVerdict.NON_INFERIOR: "promote it when its predictions are as meant: "
    "driftlead never promotes by itself here",
    CanaryVerdict.UNDECIDED: "let it run; the verdict may be looked at at any time",
}
SPLIT = "repair the routing: what is compared must be the same traffic"
MEASURES = {
    "wrong": "predicted wrongly",
    "log loss": "log loss, nats a row",
    "AUC": "AUC",
    "MAE": "mean absolute error",
}
POINTS = (100.0, " points")  # a share's scale and unit
PLAIN = (1.0, "")
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
        still=still_needed(document),
        panels=curves.panels(document["over_time"], document["verdict"]["latency_threshold_ms"])
        if document["over_time"]
        else [],
        when={each["name"]: each["sentence"] for each in (document["over_time"] or {}).get("checks", ())},
        picture=prediction_bins(document["predictions"]),
        next=SPLIT if document["split"]["mismatch"] else NEXT[document["verdict"]["status"]],
    )
    return html


def still_needed(document: Mapping[str, Any]) -> tuple[str, str]:
    """How much more traffic the verdict needs, and what of: the same forecast as in the checks' sentences."""
    verdict = document["verdict"]
    open_ = [check["name"] for check in document["checks"] if check["verdict"] == CanaryVerdict.UNDECIDED]
    if verdict["status"] != CanaryVerdict.UNDECIDED:
        left = f"; {' and '.join(open_)} alone would need more" if open_ else ""
        return "nothing more", f"the verdict stands{left}"
    if verdict["requests_needed"] is None:
        return "not to be foreseen", "how many requests"
    return f"about {verdict['requests_needed']:,}", "more requests, of both sides together"


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
    low, high = check["interval"] or (-1.0, 1.0)
    ends = max(low, -1.0), min(high, 1.0)
    return _apart(check["canary"] - check["prod"], ends, check["margin"], POINTS)


def moved(check: Mapping[str, Any]) -> str:
    """Why an interval does not hold the difference that was seen; empty where it does."""
    if check["interval"] is None:
        return ""
    low, high = check["interval"]
    if low <= check["canary"] - check["prod"] <= high:
        return ""
    return "The interval is that of a difference that stays the same; this one changed over time."


def gap(measure: Mapping[str, Any]) -> Markup:
    """The same for a measure of performance; nothing where there is no interval."""
    if measure["interval"] is None:
        return Markup("")
    low, high = measure["interval"]
    unit = POINTS if measure["name"] == "wrong" else PLAIN
    return _apart(measure["second"] - measure["first"], (low, high), measure["margin"], unit)


def _apart(
    observed: float, ends: tuple[float, float], margin: float | None, unit: tuple[float, str]
) -> Markup:
    width, middle = 220, 12
    reach = max(abs(ends[0]), abs(ends[1]), abs(observed), 2 * (margin or 0.0), 1e-9)
    scale, name = unit

    def at(value: float) -> float:
        bounded: float = max(-1.0, min(1.0, value / reach))
        return width / 2 + (width / 2 - 4) * bounded

    said = f"difference {scale * observed:.3g}{name}, {scale * ends[0]:.3g} to {scale * ends[1]:.3g}"
    mark = "" if margin is None else f'<path class="margin" d="M{at(margin):.1f} 2v20"/>'
    right = f"{scale * reach:.3g}{name}" if margin is None else f"margin {scale * margin:.3g}{name}"
    return svg.picture(
        f'<svg class="ruler" viewBox="0 0 {width} 34" width="{width}" height="34" role="img" '
        f'aria-label="{said}">'
        f'<path class="axis" d="M0 {middle}H{width}M{at(0):.1f} 4v16"/>{mark}'
        f'<path class="whisker" d="M{at(ends[0]):.1f} {middle}H{at(ends[1]):.1f}"/>'
        f'<circle class="dot" cx="{at(observed):.1f}" cy="{middle}" r="4"/>'
        f'<text class="b mid" x="{at(0):.1f}" y="32">0</text>'
        f'<text class="b" x="{width}" y="32">{right}</text></svg>'
    )


def words(document: Mapping[str, Any], uri: str) -> str:
    """The verdict for a terminal."""
    prod, canary, verdict = document["prod"], document["canary"], document["verdict"]
    sides = ", ".join(
        f"{name} {svg.visible(side['model'], 40)} {side['version']}: {side['requests']:,} requests, "
        f"{side['rows']:,} rows"
        for name, side in (("prod", prod), ("canary", canary))
    )
    checks = [*document["checks"], {**document["predictions"], "name": "predictions"}]
    told = verdict["summary"].startswith(verdict["status"])
    lines = [verdict["summary"] if told else f"{verdict['status']}: {verdict['summary']}", f"  {sides}"]
    lines += [f"  {check['name']:<12} {check['verdict']:<13} {check['sentence']}" for check in checks]
    measures = [(m, m["name"]) for m in document["measures"]] + [(m, "prod's own") for m in document["own"]]
    lines += [f"  {name:<12} {m['verdict'] or INFORMS:<13} {m['sentence']}" for m, name in measures]
    lines += [f"  {'':<12} {each['name']}: {moved(each)}" for each in document["checks"] if moved(each)]
    seen = (document["over_time"] or {}).get("checks", ())
    lines += [f"  {'':<12} {each['name']}: {each['sentence']}" for each in seen if each["sentence"]]
    lines += [f"not tested: {svg.visible(each, 400)}" for each in document["not_tested"]]
    lines += [f"note: {note}" for note in document["notes"]]
    return "\n".join([*lines, f"report: {uri}"] if uri else lines)


@cache
def _template() -> Any:
    templates = page.environment()
    templates.globals.update(
        glyphs=GLYPHS,
        classes=CLASSES,
        headlines=HEADLINES,
        meaning=MEANING,
        difference=difference,
        moved=moved,
        draw=curves.draw,
        measured=MEASURES,
        gap=gap,
    )
    return templates.get_template("canary.html.j2")
