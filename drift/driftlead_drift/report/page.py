"""The report for people: one self-contained page, and lines for a terminal. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from driftlead_drift.judging import words as naming
from driftlead_drift.judging.policy import REASONS
from driftlead_drift.report import strips, svg
from driftlead_formats.durations import in_words
from driftlead_formats.verdicts import DriftVerdict

CARDS = 60
"""How many features get a picture: the ones that moved most; the table and report.json hold all."""
UNTESTED = "not tested"
GLYPHS: dict[str, str] = {
    DriftVerdict.STABLE: "○",
    DriftVerdict.CHANGED: "◆",
    DriftVerdict.DRIFT: "▲",
    DriftVerdict.SEVERE: "■",
    DriftVerdict.INSUFFICIENT: "…",
    DriftVerdict.ERROR: "✕",
    UNTESTED: "·",
}
"""A shape for each status, so that no colour is needed to tell them apart."""
HEADLINES = {
    DriftVerdict.STABLE: "No drift",
    DriftVerdict.CHANGED: "Changed, too little to matter",
    DriftVerdict.DRIFT: "Drift",
    DriftVerdict.SEVERE: "Severe drift",
    DriftVerdict.INSUFFICIENT: "Not enough data to tell",
    DriftVerdict.ERROR: "The check could not judge",
}
ORDER = (
    DriftVerdict.SEVERE,
    DriftVerdict.DRIFT,
    DriftVerdict.CHANGED,
    DriftVerdict.INSUFFICIENT,
    DriftVerdict.STABLE,
    DriftVerdict.ERROR,
)


def render(report: Mapping[str, Any]) -> str:
    """The page of a report (`drift-report/v1`): no script, no network request, whatever names the data
    brings."""
    ranked = sorted(report["features"], key=_rank)
    html: str = _template().render(
        report=report,
        verdict=report["verdict"],
        window=report["window"],
        stretches=report["window"].get("stretches"),
        shifted=(DriftVerdict.CHANGED, DriftVerdict.DRIFT, DriftVerdict.SEVERE),
        model=report["model"],
        prediction=report["prediction"],
        ranked=ranked,
        cards=[*([report["prediction"]] if report["prediction"] else []), *ranked[:CARDS]],
        uncarded=max(len(ranked) - CARDS, 0),
        facts=facts(report),
        reasons=REASONS,
    )
    return html


def facts(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What a reader must know to weigh the verdict: name, value, explanation."""
    window, baseline, verdict = report["window"], report["baseline"], report["verdict"]
    start, end = datetime.fromisoformat(window["from"]), datetime.fromisoformat(window["to"])
    sampled = "" if window["sampling"] == 1 else f", a sample of {window['rows_scanned']:,}"
    found = [
        ("Rows", f"{window['rows']:,}", f"of this window{sampled}"),
        ("Window", in_words(end - start), f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
        if start != end
        else ("Window", "a file", "whose rows carry no times"),
    ]
    if baseline is not None:
        found.append(("Baseline", f"{baseline['rows']:,} rows", _times(baseline)))
        found.append(("Dependence", INDEPENDENCE[verdict["independence"]], baseline["reference"]))
        rate = verdict["expected_false_alarm_rate"]
        said = "unknown" if rate is None else f"{100 * rate:.3g} %"
        found.append(("False alarms", said, "chance that a window without drift alarms, by this rule"))
        found.append(
            ("In a row", str(verdict["consecutive"]), f"of {report['policy']['persistence']} windows needed")
        )
    return found


INDEPENDENCE = {
    "time": "known",
    "groups": "known",
    "live": "estimated",
    "stated": "stated",
    "assumed": "assumed independent",
}


def _times(baseline: Mapping[str, Any]) -> str:
    if baseline["from"] is None:
        return "without times"
    start, end = (datetime.fromtimestamp(baseline[name]).astimezone() for name in ("from", "to"))
    return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"


def words(report: Mapping[str, Any], uri: str) -> str:
    """The verdict for a terminal."""
    verdict, window = report["verdict"], report["window"]
    told = verdict["summary"].startswith(verdict["status"])
    summary = svg.visible(verdict["summary"], 2000)
    lines = [summary if told else f"{verdict['status']}: {summary}"]
    tested = [feature for feature in report["features"] if feature["tested"]]
    for feature in sorted(tested, key=_rank)[:5]:
        low, high = (svg.number(end) for end in feature["psi_ci90"])
        when = (feature["over_time"] or {}).get("sentence", "")
        lines.append(
            f"  {svg.visible(naming.named(feature['name']), 24):<24} {feature['status']:<12} "
            f"PSI {svg.number(feature['psi']):>6}, corrected {svg.number(feature['psi_corrected']):>6} "
            f"({low} to {high}){f'; {when[0].lower()}{when[1:]}' if when else ''}"
        )
    timed = window["from"] != window["to"]
    when = f"{_utc(window['from'])} to {_utc(window['to'])}" if timed else "without times"
    lines.append(f"{window['rows']:,} rows, {when}; {verdict['what_to_do']}")
    lines += [f"note: {svg.visible(note, 400)}" for note in report["notes"]]
    lines += [f"not tested: {svg.visible(each, 200)}" for each in _untested(report)]
    if verdict["independence_assumed"]:
        lines.append(f"note: {report['baseline']['reference']}")
    if report["policy"]["rule"] == "psi":
        lines.append(
            f"note: rule psi; expected false alarms {verdict['expected_false_alarm_rate']:.3g} per window"
        )
    return "\n".join([*lines, f"report: {uri}"] if uri else lines)


def _untested(report: Mapping[str, Any], most: int = 10) -> list[str]:
    """What the verdict does not cover; assumed independence is a note of its own."""
    found = [each for each in report["not_tested"] if "independence assumed" not in each]
    return found if len(found) <= most else [*found[:most], f"{len(found) - most} more, see report.json"]


def _utc(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"


def _rank(feature: Mapping[str, Any]) -> tuple[bool, int, float]:
    """By two visible columns: status, then PSI; last what was not tested."""
    psi = np.inf if feature["psi"] is None else feature["psi"]
    return not feature["tested"], ORDER.index(feature["status"]), -psi


def status(feature: Mapping[str, Any]) -> str:
    """What a feature is called: one that was not tested has no verdict of its own."""
    said: str = feature["status"]
    return said if feature["tested"] else UNTESTED


def count(features: Sequence[Mapping[str, Any]]) -> str:
    """How many features have each status, in words."""
    statuses = [status(feature) for feature in features]
    return ", ".join(f"{statuses.count(each)} {each}" for each in (*ORDER, UNTESTED) if each in statuses)


def doubt(feature: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Why a feature is not called drifted although its interval lies above the threshold; else empty."""
    policy, verdict = report["policy"], report["verdict"]
    low, p_value = feature["psi_ci90"][0], feature["p_adjusted"]
    if feature["status"] != DriftVerdict.INSUFFICIENT or not feature["tested"] or low < policy["tau"]:
        return ""
    yet = f"The interval lies above {policy['tau']:g}, yet it is not told"
    if p_value <= policy["q"]:
        return f"{yet}: {verdict['min_rows'] or 0:,} rows are needed for that."
    return (
        f"{yet}: p = {p_value:.2g}, over all features and with what is uncertain in the variation between "
        f"periods, must be at most {policy['q']:g}."
    )


@cache
def _template() -> Any:
    templates = environment()
    templates.globals.update(
        glyphs=GLYPHS, headlines=HEADLINES, count=count, status=status, doubt=doubt, amount=amount
    )
    return templates.get_template("page.html.j2")


def environment() -> Environment:
    """Where both pages' templates come from: everything is escaped, and an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("driftlead_drift", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(svg=svg, strips=strips)
    made.filters.update(visible=svg.visible, named=svg.named, number=svg.number, utc=_utc, percent=_percent)
    return made


def amount(side: Mapping[str, Any] | None, name: str) -> str:
    """A mean or quantile of one side, four digits; a bound where rows lie beyond it."""
    if side is None or side[name] is None:
        return "-"
    sign = {"below": "<", "above": ">"}.get(side["beyond"].get(name, ""), "")
    return f"{sign}{side[name]:.4g}"


def _percent(value: float | None) -> Markup:
    return Markup("") if value is None else Markup("{} %").format(svg.share(value, 1.0))
