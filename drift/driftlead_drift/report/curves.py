"""Both sides of a comparison over its time, as lines: what failed, was slow, and is known by when. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from markupsafe import Markup, escape

from driftlead_drift.report import svg
from driftlead_drift.report.time_axis import TimeAxis, length_of

LEFT, RIGHT, TOP, BASE, HEIGHT = 40, svg.WIDTH - 2, 22, 118, 146
MUCH: Final = 5.0  # times the needed evidence, from which it is drawn by its logarithm
LEAST: Final = 0.1  # the smallest value on an axis that is logarithmic
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`style`: a class of the page's style; `label`: in the legend, empty for none."""

    style: str
    label: str
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture. `unit`: behind the axis' numbers. `marks`: times with a line of their own; `needed`: a
    value with a line across. `ends`: values are those at the stretches' ends, not their middles."""

    title: str
    said: str
    lines: Sequence[Line]
    unit: str = ""
    logarithmic: bool = False
    marks: Sequence[str] = ()
    needed: float | None = None
    ends: bool = False


def panels(over_time: Mapping[str, Any], threshold: float | None) -> list[Panel]:
    """What is drawn of a comparison. `threshold`: milliseconds from which a request is slow."""
    prod, canary = over_time["prod"], over_time["canary"]
    checks = {check["name"]: check for check in over_time["checks"]}
    length = length_of(over_time["edges"])
    found = [
        _shares("requests failed", over_time, ("failed", "requests"), checks.get("errors")),
    ]
    if threshold is not None:
        title = f"slower than {threshold:.3g} ms"
        found.append(_shares(title, over_time, ("slow", "answered"), checks.get("latency")))
    found.append(_latency(prod, canary))
    found += [_evidence(check) for check in checks.values()]
    found.append(
        Panel(
            title=f"requests in {length}",
            said="",
            lines=[
                Line(style="prod", label="prod", values=prod["requests"]),
                Line(style="canary", label="canary", values=canary["requests"]),
            ],
            logarithmic=True,
        )
    )
    return found


def _shares(
    title: str, over_time: Mapping[str, Any], names: tuple[str, str], check: Mapping[str, Any] | None
) -> Panel:
    bad, all_ = names
    lines = [
        Line(
            style=side,
            label=side,
            values=[
                100 * part / whole if whole else None
                for part, whole in zip(over_time[side][bad], over_time[side][all_], strict=True)
            ],
        )
        for side in ("prod", "canary")
    ]
    began = check["began"] if check else None
    return Panel(
        title=title,
        said="",
        lines=lines,
        unit=" %",
        marks=[began] if began else [],
    )


def _latency(prod: Mapping[str, Any], canary: Mapping[str, Any]) -> Panel:
    lines = [
        Line(style=f"{name}{thin}", label="" if thin else name, values=side[quantile])
        for name, side in (("prod", prod), ("canary", canary))
        for quantile, thin in (("p50_ms", " thin"), ("p99_ms", ""))
    ]
    return Panel(title="latency in ms: p50 thin, p99 thick", said="", lines=lines, logarithmic=True)


def _evidence(check: Mapping[str, Any]) -> Panel:
    lines = [
        Line(style="good", label="not worse", values=check["non_inferior"]),
        Line(style="canary", label="worse", values=check["worse"]),
    ]
    return Panel(
        title=f"evidence in {check['name']}",
        said=f"Log evidence; {check['needed']:.2g} is needed.",
        lines=lines,
        # Evenly the threshold would be lost at the bottom of much evidence.
        logarithmic=max(check["worse"][-1], check["non_inferior"][-1]) > MUCH * check["needed"],
        marks=[check["passed"]] if check["passed"] else [],
        needed=check["needed"],
        ends=True,
    )


def draw(panel: Panel, edges: Sequence[str]) -> Markup:
    """A panel as SVG."""
    known = [value for line in panel.lines for value in line.values if value is not None]
    scale = _Scale.of(known, panel)
    axis = TimeAxis.of(edges, LEFT, RIGHT, HEIGHT - 4)
    width = (RIGHT - LEFT) / max(len(edges) - 1, 1)
    shift = 1.0 if panel.ends else 0.5
    paths = "".join(
        f'<path class="curve {line.style}" d="{_path(line.values, scale, width, shift)}"/>'
        for line in panel.lines
    )
    across = "" if panel.needed is None else f"M{LEFT} {scale.at(panel.needed):.1f}H{RIGHT}"
    upright = "".join(
        f"M{axis.at(datetime.fromisoformat(mark).timestamp()):.1f} {TOP - 4}V{BASE}" for mark in panel.marks
    )
    lines = "".join(f"M{LEFT} {scale.at(tick):.1f}H{RIGHT}" for tick in scale.ticks)
    texts = "".join(
        f'<text class="b" x="{LEFT - 4}" y="{scale.at(tick) + 4:.0f}">{tick:g}{panel.unit}</text>'
        for tick in scale.ticks
    )
    said = f"{panel.title}, {length_of(edges)} each. {panel.said}"
    return svg.picture(
        f'<svg class="bins" viewBox="0 0 {svg.WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">'
        f'<path class="axis" d="{lines}M{LEFT} {BASE}H{RIGHT}"/>{texts}{_legend(panel)}{paths}'
        f'<path class="since" d="{across}{upright}"/>{axis.labels}</svg>'
    )


def _legend(panel: Panel) -> str:
    x, out = LEFT, []
    for line in (line for line in panel.lines if line.label):
        out.append(
            f'<path class="curve {line.style}" d="M{x} 8h16"/>'
            f'<text class="start" x="{x + 20}" y="12">{line.label}</text>'
        )
        x += 32 + 7 * len(line.label)
    if panel.needed is not None:
        out.append(
            f'<path class="since" d="M{x} 8h16"/><text class="start" x="{x + 20}" y="12">needed</text>'
        )
    return "".join(out)


def _path(values: Values, scale: "_Scale", width: float, shift: float) -> str:
    """A line over all stretches that have a value; a gap where one has none."""
    out = []
    for known, run in groupby(enumerate(values), key=lambda each: each[1] is not None):
        points = [f"{LEFT + (at + shift) * width:.0f} {scale.at(value or 0.0):.0f}" for at, value in run]
        if known:
            out.append(f"M{'L'.join(points)}{'h.1' if len(points) == 1 else ''}")
    return "".join(out)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values to heights: from `low` to `high`, evenly or by their logarithm, with `ticks`."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool

    @staticmethod
    def of(values: Sequence[float], panel: Panel) -> "_Scale":
        """Round ticks, three or four."""
        if panel.logarithmic:
            positive = [max(value, LEAST) for value in values] or [1.0]
            low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
            high = max(high, low + 1)
            step = max(1, -(-(high - low) // 4))
            ticks = tuple(10.0**power for power in range(low, high + 1, step))
            return _Scale(10.0**low, 10.0**high, ticks, logarithmic=True)
        most = max([*values, 1.25 * (panel.needed or 0.0), 1e-9])
        size_of_step = next(
            size * 10.0**power
            for power in range(-12, 13)
            for size in (1, 2, 5)
            if size * 10.0**power * 3 >= most
        )
        count = math.ceil(most / size_of_step - 1e-9)
        ticks = tuple(size_of_step * at for at in range(count + 1))
        return _Scale(0.0, ticks[-1], ticks, logarithmic=False)

    def at(self, value: float) -> float:
        """How high a value lies."""
        if self.logarithmic:
            span = math.log(self.high / self.low)
            share = math.log(max(value, self.low) / self.low) / span
        else:
            share = (value - self.low) / (self.high - self.low)
        return BASE - (BASE - TOP) * min(max(share, 0.0), 1.0)
