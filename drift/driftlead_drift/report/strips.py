"""A feature within its window: its PSI by stretches of time, as bars over the number of rows. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from markupsafe import Markup, escape

from driftlead_drift.report import svg
from driftlead_drift.report.time_axis import TimeAxis, length_of

LEFT, RIGHT, TOP, BASE, ROWS, HEIGHT = 26, svg.WIDTH, 6, 60, 14, 92
SMALL_WIDTH, SMALL_HEIGHT = 96, 20
MARKS: Final = (0.1, 1.0)


def caption(stretches: Mapping[str, Any]) -> str:
    """What the bars are."""
    return f"bars over time: PSI of each {length_of(stretches['edges'])} less chance, below them its rows"


def strip(feature: Mapping[str, Any], stretches: Mapping[str, Any]) -> Markup:
    """The bars of a card: hatched where chance does not explain them, the beginning marked."""
    seen, edges = feature["over_time"], stretches["edges"]
    axis = TimeAxis.of(edges, LEFT, RIGHT, HEIGHT - 2)
    width = (RIGHT - LEFT) / len(stretches["rows"])
    apart = set(seen["apart"])
    loud: list[str] = []
    quiet: list[str] = []
    for at, psi in enumerate(seen["psi_corrected"]):
        height = (BASE - TOP) * svg.place(psi) if psi is not None else 0.0
        if height >= 0.5:
            bar = f"M{LEFT + at * width + 0.5:.1f} {BASE}v-{height:.0f}h{width - 1:.1f}v{height:.0f}z"
            (loud if at in apart else quiet).append(bar)
    marks = [BASE - (BASE - TOP) * svg.place(mark) for mark in MARKS]
    lines = "".join(f"M{LEFT} {y:.1f}H{RIGHT}" for y in (*marks, BASE))
    texts = "".join(
        f'<text class="b" x="{LEFT - 4}" y="{y + 4:.0f}">{mark:g}</text>'
        for y, mark in zip(marks, MARKS, strict=True)
    )
    return svg.picture(
        f'<svg class="bins strip" viewBox="0 0 {svg.WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(_said(feature, stretches))}"><path class="axis" d="{lines}"/>{texts}'
        f'<path class="part" d="{"".join(quiet)}"/><path class="loud" d="{"".join(loud)}"/>'
        f'<path class="now" d="{_rows(stretches, width)}"/>{_beginning(seen, axis)}{axis.labels}</svg>'
    )


def _rows(stretches: Mapping[str, Any], width: float) -> str:
    most = max([*stretches["rows"], 1])
    bars = []
    for at, rows in enumerate(stretches["rows"]):
        height = ROWS * rows / most
        if height >= 0.5:
            bars.append(
                f"M{LEFT + at * width + 0.5:.1f} {BASE + 3}v{height:.0f}h{width - 1:.1f}v-{height:.0f}z"
            )
    return "".join(bars)


def _beginning(seen: Mapping[str, Any], axis: TimeAxis) -> str:
    places = [
        axis.at(datetime.fromisoformat(seen[end]).timestamp()) for end in ("began", "ended") if seen[end]
    ]
    lines = "".join(f"M{place:.1f} {TOP - 4}V{BASE + ROWS + 3}" for place in places)
    return f'<path class="since" d="{lines}"/>' if lines else ""


def small(feature: Mapping[str, Any]) -> Markup:
    """The bars of a table's row."""
    seen = feature["over_time"]
    if seen is None:
        return Markup("")
    values, apart = seen["psi_corrected"], set(seen["apart"])
    width = SMALL_WIDTH / max(len(values), 1)
    loud: list[str] = []
    quiet: list[str] = []
    for at, psi in enumerate(values):
        height = round((SMALL_HEIGHT - 2) * svg.place(psi)) if psi is not None else 0
        if height:
            bar = f"M{at * width:.0f} {SMALL_HEIGHT - 1}v-{height}"
            (loud if at in apart else quiet).append(bar)
    return svg.picture(
        f'<svg class="spark small" viewBox="0 0 {SMALL_WIDTH} {SMALL_HEIGHT}" width="{SMALL_WIDTH}" '
        f'height="{SMALL_HEIGHT}" role="img" aria-label="{escape(seen["sentence"] or "within the window")}">'
        f'<path class="axis" d="M0 {SMALL_HEIGHT - 0.5}H{SMALL_WIDTH}"/>'
        f'<path class="faint" stroke-width="{width * 0.8:.1f}" d="{"".join(quiet)}"/>'
        f'<path class="strong" stroke-width="{width * 0.8:.1f}" d="{"".join(loud)}"/></svg>'
    )


def _said(feature: Mapping[str, Any], stretches: Mapping[str, Any]) -> str:
    """The picture in words."""
    edges, seen = stretches["edges"], feature["over_time"]
    known = [psi for psi in seen["psi_corrected"] if psi is not None]
    largest = f", at most {svg.number(max(known))}" if known else ""
    when = seen["sentence"] or "when it began is not said"
    return f"PSI by {length_of(edges)}, {edges[0][:16]} to {edges[-1][:16]} UTC{largest}; {when}"
