"""A feature within its window: its PSI by stretches of time, as bars over the number of rows. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from markupsafe import Markup, escape

from driftlead_drift.report import svg
from driftlead_drift.report.time_axis import TimeAxis, length_of

LEFT, RIGHT, TOP, BASE, ROWS, HEIGHT = 26, svg.WIDTH, 6, 60, 14, 92
SMALL_WIDTH, SMALL_HEIGHT, SMALL_BARS = 96, 20, 24
MARKS: Final = (0.1, 1.0)


def caption(stretches: Mapping[str, Any]) -> str:
    """What the bars are."""
    length = length_of(stretches["edges"])
    return f"bars over time (UTC): PSI by stretches of {length} less chance, below them their rows"


def ground(stretches: Mapping[str, Any]) -> Markup:
    """What all cards' pictures have in common, once a page: marks, the stretches' rows, the axis of time."""
    marks = [BASE - (BASE - TOP) * svg.place(mark) for mark in MARKS]
    lines = "".join(f"M{LEFT} {y:.1f}H{RIGHT}" for y in (*marks, BASE))
    texts = "".join(
        f'<text class="b" x="{LEFT - 4}" y="{y + 4:.0f}">{mark:g}</text>'
        for y, mark in zip(marks, MARKS, strict=True)
    )
    most, width = max([*stretches["rows"], 1]), _width(stretches["rows"])
    rows = "".join(
        f"M{_middle(at, width)} {BASE + 3}v{ROWS * count / most:.0f}"
        for at, count in enumerate(stretches["rows"])
        if ROWS * count / most >= 0.5
    )
    axis = TimeAxis.of(stretches["edges"], LEFT, RIGHT, HEIGHT - 2)
    return svg.picture(
        '<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs><g id="time">'
        f'<path class="axis" d="{lines}"/>{texts}'
        f'<path class="rows" stroke-width="{width - 1:.1f}" d="{rows}"/>{axis.labels}</g></defs></svg>'
    )


def strip(feature: Mapping[str, Any], stretches: Mapping[str, Any]) -> Markup:
    """The bars of a card: hatched where chance does not explain them, the beginning marked."""
    seen = feature["over_time"]
    width, apart = _width(stretches["rows"]), set(seen["apart"])
    loud: list[str] = []
    quiet: list[str] = []
    for at, psi in enumerate(seen["psi_corrected"]):
        height = round((BASE - TOP) * svg.place(psi)) if psi is not None else 0
        if height:
            (loud if at in apart else quiet).append(f"M{_middle(at, width)} {BASE}v-{height}")
    axis = TimeAxis.of(stretches["edges"], LEFT, RIGHT, HEIGHT - 2)
    return svg.picture(
        f'<svg class="bins strip" viewBox="0 0 {svg.WIDTH} {HEIGHT}" stroke-width="{width - 1:.1f}" '
        f'role="img" aria-label="{escape(_said(feature, stretches))}"><use href="#time" stroke-width="1"/>'
        f'<path class="faint" d="{"".join(quiet)}"/><path class="strong" d="{"".join(loud)}"/>'
        f"{_beginning(seen, axis)}</svg>"
    )


def _width(stretches: Sequence[Any]) -> float:
    return (RIGHT - LEFT) / max(len(stretches), 1)


def _middle(at: int, width: float) -> str:
    return f"{LEFT + (at + 0.5) * width:.0f}"


def _beginning(seen: Mapping[str, Any], axis: TimeAxis) -> str:
    known = [datetime.fromisoformat(seen[end]) for end in ("began", "ended") if seen[end]]
    lines = "".join(f"M{axis.at(each.timestamp()):.1f} {TOP - 4}V{BASE + ROWS + 3}" for each in known)
    return f'<path class="since" d="{lines}"/>' if lines else ""


def small(feature: Mapping[str, Any]) -> Markup:
    """The bars of a table's row: of neighbours the higher one."""
    seen = feature["over_time"]
    if seen is None:
        return Markup("")
    apart = set(seen["apart"])
    each = -(-len(seen["psi_corrected"]) // SMALL_BARS) or 1
    width = SMALL_WIDTH * each / max(len(seen["psi_corrected"]), 1)
    loud: list[str] = []
    quiet: list[str] = []
    for at in range(0, len(seen["psi_corrected"]), each):
        known = [psi for psi in seen["psi_corrected"][at : at + each] if psi is not None]
        height = round((SMALL_HEIGHT - 2) * svg.place(max(known))) if known else 0
        if height:
            bar = f"M{(at / each + 0.5) * width:.0f} 19v-{height}"
            (quiet if apart.isdisjoint(range(at, at + each)) else loud).append(bar)
    return svg.picture(
        f'<svg class="spark" viewBox="0 0 {SMALL_WIDTH} {SMALL_HEIGHT}" width="{SMALL_WIDTH}" '
        f'stroke-width="{max(width - 1, 1):.0f}" role="img" '
        f'aria-label="{escape(seen["sentence"] or "within the window")}">'
        f'<path class="faint" d="{"".join(quiet)}"/><path class="strong" d="{"".join(loud)}"/></svg>'
    )


def _said(feature: Mapping[str, Any], stretches: Mapping[str, Any]) -> str:
    """The picture in words."""
    seen = feature["over_time"]
    known = [psi for psi in seen["psi_corrected"] if psi is not None]
    largest = f", at most {svg.number(max(known))}" if known else ""
    return f"PSI by {length_of(stretches['edges'])}{largest}; {seen['sentence'] or 'no date is said'}"
