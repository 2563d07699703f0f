"""The report for people: a page, and lines for a terminal."""

from collections.abc import Mapping
from typing import Any


def words(report: Mapping[str, Any], uri: str) -> str:
    """The verdict for a terminal."""
    verdict, window = report["verdict"], report["window"]
    lines = [f"{verdict['status']}: {verdict['summary']}"]
    ranked = sorted(report["features"], key=lambda feature: feature["psi"], reverse=True)
    for feature in ranked[:5]:
        low, high = feature["psi_ci90"]
        lines.append(
            f"  {feature['name']:<24} {feature['status']:<12} PSI {feature['psi']:.4f} ({low:.4f} to "
            f"{high:.4f})"
        )
    lines.append(f"{window['rows']:,} rows from {window['from']} to {window['to']}; {verdict['what_to_do']}")
    if uri:
        lines.append(f"report: {uri}")
    return "\n".join(lines)


def render(report: Mapping[str, Any]) -> str:
    """The page."""
    return "<!doctype html>" + words(report, "")
