"""Pictures of the report as inline SVG: no script, no network, colours from the page's style. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup, escape

from driftlead_drift.judging import words
from driftlead_drift.printable import printable

HALF = 0.25
"""PSI in the middle of a ruler: its scale psi / (psi + 0.25) shows 0.01 and 20 alike, and never ends."""
TICKS = (0.1, 0.25, 1.0)
MOST_BINS = 16
ROW = 17
LABEL, BARS, NUMBERS, PARTS, WIDTH = 112, 116, 258, 300, 344
PRESSED = 16  # signs that surely fit
JOINTS = re.compile(r"(?<=[_./\- ])(?=[^_./\- ])|(?<=[a-z])(?=[A-Z])")
LONG = re.compile(r".{1,12}", re.DOTALL)
"""A word without a joint breaks where a narrow column ends."""


def visible(text: str, most: int = 80) -> str:
    """A text of foreign origin as it may be shown: control and direction characters as escapes, cut
    to a length."""
    shown = printable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def named(text: str, most: int = 40) -> Markup:
    """A feature's name, broken over lines where it is joined: after `_`, `.`, `-` and before capitals."""
    shown = visible(words.named(text), most)
    parts = [part for piece in JOINTS.split(shown) if piece for part in LONG.findall(piece)]
    return Markup("<wbr>").join(parts)


def place(psi: float | None) -> float:
    """Where a PSI lies on a ruler, 0 to 1."""
    if psi is None or psi == float("inf"):
        return 1.0
    return max(psi, 0.0) / (max(psi, 0.0) + HALF)


def share(part: float, whole: float) -> str:
    """A share in percent, short."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "<0.1"
    return f"{percent:.1f}" if percent < 99.95 or part == whole else ">99.9"


def picture(text: str) -> Markup:
    """Marks text as an image of ours, which the page must not escape again."""
    return Markup(text)  # noqa: S704 - only numbers of ours, and text that was escaped


def ruler(feature: Mapping[str, Any]) -> Markup:
    """The corrected PSI with its interval on a ruler with marks at 0.1, 0.25 and 1."""
    width, middle = 150, 9
    low, high = feature["psi_ci90"]
    points = [width * place(psi) for psi in (low, high, feature["psi_corrected"])]
    marks = "".join(f"M{width * place(tick):.0f} 2v14" for tick in TICKS)
    return picture(
        f'<svg class="ruler" viewBox="0 0 {width} 18" width="{width}" height="18" role="img" '
        f'aria-label="corrected PSI {number(feature["psi_corrected"])}, {number(low)} to {number(high)}">'
        f'<path class="axis" d="M0 {middle}H{width}{marks}"/>'
        f'<path class="whisker" d="M{points[0]:.1f} {middle}H{points[1]:.1f}"/>'
        f'<circle class="dot" cx="{points[2]:.1f}" cy="{middle}" r="4"/></svg>'
    )


def ruler_scale() -> Markup:
    """The numbers of the ruler's marks."""
    width = 150
    texts = "".join(f'<text x="{width * place(tick):.0f}" y="10">{tick:g}</text>' for tick in TICKS)
    return picture(
        f'<svg class="ruler scale" viewBox="0 0 {width} 12" width="{width}" height="12" aria-hidden="true">'
        f'<text x="0" y="10" style="text-anchor:start">0</text>{texts}</svg>'
    )


def sparkline(values: Sequence[float | None]) -> Markup:
    """PSI over the last windows, oldest first, with the mark at 0.1."""
    width, height = 96, 20
    known = [(i, value) for i, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return Markup("")
    step = (width - 6) / max(len(values) - 1, 1)
    spots = [(3 + i * step, height - 3 - (height - 6) * place(value)) for i, value in known]
    line = "L".join(f"{x:.0f} {y:.1f}" for x, y in spots)
    tau = height - 3 - (height - 6) * place(TICKS[0])
    said = ", ".join(number(value) for _, value in known)
    return picture(
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="PSI of the last windows: {said}"><path class="axis" d="M0 {tau:.1f}H{width}"/>'
        f'<path class="line" d="M{line}"/><circle class="dot" '
        f'cx="{spots[-1][0]:.0f}" cy="{spots[-1][1]:.1f}" '
        'r="2.5"/></svg>'
    )


@dataclass(frozen=True, slots=True)
class Bin:
    """A row of a distribution: rows in training and now, and its part of the index."""

    label: str
    before: int
    now: int
    part: float


def shown_bins(feature: Mapping[str, Any]) -> list[Bin]:
    """The bins that hold anything, at most 16; of more the ones that matter least are added up."""
    rows = zip(
        labels(feature),
        feature["baseline_counts"],
        feature["current_counts"],
        feature["contribution"],
        strict=True,
    )
    bins = [Bin(label, before, now, part or 0.0) for label, before, now, part in rows if before or now]
    if len(bins) <= MOST_BINS:
        return bins
    ranked = sorted(bins, key=lambda each: (each.part, each.now + each.before), reverse=True)
    kept, rest = ranked[: MOST_BINS - 1], ranked[MOST_BINS - 1 :]
    others = Bin(
        f"{len(rest)} others",
        sum(each.before for each in rest),
        sum(each.now for each in rest),
        sum(each.part for each in rest),
    )
    return [*(each for each in bins if each in kept), others]


def labels(feature: Mapping[str, Any]) -> list[str]:
    """What each bin is called on the page."""
    names = [*feature["labels"]]
    names[-2:] = ["no value", "unknown value"]
    if feature["kind"] != "categorical":
        names[0], names[-3] = "below all of it", "above all of it"
    return names


def distribution(
    feature: Mapping[str, Any], heads: tuple[str, str, str] = ("now %", "before", "of PSI")
) -> Markup:
    """Both distributions, a row for each bin: training as outline, the window filled, and each bin's part of
    PSI.

    Bins that make up most of the index are hatched, so that colour is not needed to find them.
    """
    bins = shown_bins(feature)
    before = sum(each.before for each in bins) or 1
    now = sum(each.now for each in bins) or 1
    longest = max((max(each.before / before, each.now / now) for each in bins), default=1.0) or 1.0
    index = sum(each.part for each in bins)
    total = index or 1.0
    longest_bar = NUMBERS - BARS - 36
    texts: list[str] = []
    fill: list[str] = []
    loud: list[str] = []
    outline: list[str] = []
    parts: list[str] = []
    for row, each in enumerate(bins):
        top = 14 + row * ROW
        length = longest_bar * each.now / now / longest
        bar = f"M{BARS} {top + 3}h{length:.1f}v10h-{length:.1f}z"
        # A bin stands out when it carries more than twice its equal share of an index worth looking at.
        (loud if each.part > 2 * total / len(bins) and index >= TICKS[0] else fill).append(bar)
        length = longest_bar * each.before / before / longest
        outline.append(f"M{BARS} {top + 1}h{length:.1f}v14h-{length:.1f}z")
        length = (WIDTH - PARTS) * each.part / total
        parts.append(f"M{PARTS} {top + 3}h{length:.1f}v10h-{length:.1f}z" if length >= 0.5 else "")
        base = top + 12
        texts.append(f'<text class="l" x="{LABEL}" y="{base}"{fitting(each.label)}</text>')
        texts.append(f'<text x="{NUMBERS}" y="{base}">{escape(share(each.now, now))}</text>')
        texts.append(
            f'<text class="b" x="{PARTS - 6}" y="{base}">{escape(share(each.before, before))}</text>'
        )
    height = 14 + len(bins) * ROW + 2
    return picture(
        f'<svg class="bins" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(visible(feature["sentence"], 300))}">'
        f'<text class="h" x="{NUMBERS}" y="9">{heads[0]}</text>'
        f'<text class="h" x="{PARTS - 6}" y="9">{heads[1]}</text>'
        f'<text class="h" x="{WIDTH}" y="9">{heads[2]}</text>'
        f'<path class="now" d="{"".join(fill)}"/><path class="loud" d="{"".join(loud)}"/>'
        f'<path class="before" d="{"".join(outline)}"/><path class="part" d="{"".join(parts)}"/>'
        f"{''.join(texts)}</svg>"
    )


def fitting(label: str) -> str:
    """The end of a bin's label: a long one is pressed into its column, however wide the reader's font is."""
    shown = visible(label, 21)
    pressed = f' textLength="{LABEL - 2}" lengthAdjust="spacingAndGlyphs"' if len(shown) > PRESSED else ""
    return f"{pressed}>{escape(shown)}"


def hatch() -> Markup:
    """The pattern of bins that stand out; once a page."""
    return Markup(
        '<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>'
        '<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="5" height="5" '
        'class="loud-ground"/><path d="M0 0V5" class="loud-line"/></pattern></defs></svg>'
    )


def number(value: float | None) -> str:
    """A PSI, three digits; never an exponent."""
    if value is None or value == float("inf"):
        return "∞"
    for limit, digits in pairwise((0.0, 0.0995, 9.95, 99.5, float("inf"))):
        if limit <= abs(value) < digits:
            places = {0.0: 4, 0.0995: 3, 9.95: 1, 99.5: 0}[limit]
            return f"{value:.{places}f}"
    return f"{value:.0f}"
