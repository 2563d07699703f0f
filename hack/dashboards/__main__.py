"""Writes the chart's Grafana dashboards from the pages beside this file; `--check` compares instead.

A panel is a few lines of YAML there: what it shows, its queries by legend. The rest is made here.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hack import ROOT
from hack.freshness import write_or_check

HERE = Path(__file__).resolve().parent
DASHBOARDS = ROOT / "charts/driftlead/dashboards"
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Panel = dict[str, Any]
Page = Mapping[str, Any]


def targets(queries: Mapping[str, str], **more: object) -> list[dict[str, Any]]:
    """Queries by legend as Grafana wants them, lettered from A."""
    return [
        {"datasource": SOURCE, "expr": expr, "legendFormat": legend, "refId": chr(ord("A") + place), **more}
        for place, (legend, expr) in enumerate(queries.items())
    ]


def graph(page: Page) -> Panel:
    """Lines over time; what is called limit or threshold is dashed."""
    custom: dict[str, Any] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
    if page.get("stacked"):
        custom |= {"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}}
    dashed = {
        "matcher": {"id": "byRegexp", "options": "/^(threshold|limit)$/"},
        "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}],
    }
    shown = {"unit": page.get("unit", "short"), "custom": custom, "min": page.get("lowest", 0)}
    return {
        "type": "timeseries",
        "targets": targets(page["queries"]),
        "fieldConfig": {"defaults": shown, "overrides": [dashed]},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def number(page: Page) -> Panel:
    """One value, red from `bad` on; or the words of a label."""
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if "bad" in page:
        steps.append({"color": "red", "value": page["bad"]})
    thresholds = {"mode": "absolute", "steps": steps}
    return {
        "type": "stat",
        "targets": targets({page.get("words", ""): page["query"]}, instant=True),
        "fieldConfig": {
            "defaults": {"unit": page.get("unit", "short"), "thresholds": thresholds},
            "overrides": [],
        },
        "options": {
            "textMode": "name" if "words" in page else "value",
            "colorMode": "value" if "bad" in page else "none",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
        },
    }


def table(page: Page) -> Panel:
    """A row for each resource; each query is a column."""
    queries = targets(page["columns"], format="table", instant=True)
    titles = {f"Value #{each['refId']}": each["legendFormat"] for each in queries}
    organized = {"renameByName": titles, "excludeByName": {"Time": True}}
    return {
        "type": "table",
        "targets": queries,
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {"showHeader": True},
        "transformations": [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": organized},
        ],
    }


DRAW: dict[str, tuple[Callable[[Page], Panel], int, int]] = {
    "graph": (graph, 8, 8),
    "number": (number, 4, 4),
    "table": (table, WIDTH, 10),
}


def draw(page: Page) -> tuple[Panel, int, int]:
    """A panel with its width and height."""
    kind = next(each for each in DRAW if each in page)
    make, width, height = DRAW[kind]
    common = {"title": page[kind], "description": page.get("seen", ""), "datasource": SOURCE}
    return {**make(page), **common}, page.get("width", width), height


def placed(rows: list[Page]) -> Iterator[Panel]:
    """Every panel with its place: rows below one another, panels from left to right."""
    top = 0
    for row in rows:
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"type": "row", "title": row["heading"], "collapsed": False, "panels": [], "gridPos": place}
        top, left, tallest = top + 1, 0, 0
        for page in row["panels"]:
            panel, width, height = draw(page)
            if left + width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            yield {**panel, "gridPos": {"x": left, "y": top, "w": width, "h": height}}
            left, tallest = left + width, max(tallest, height)
        top += tallest


def variables(page: Page) -> list[dict[str, Any]]:
    """What is chosen above the panels: the data source, then what Prometheus knows."""
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    queried = [
        {
            "name": name,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
        }
        for name, query in page.get("variables", {}).items()
    ]
    return [source, *queried]


def dashboard(page: Page) -> dict[str, Any]:
    """The whole document."""
    link = {"title": "driftlead", "type": "dashboards", "tags": ["driftlead"], "keepTime": True}
    panels = [{**panel, "id": number} for number, panel in enumerate(placed(page["rows"]), start=1)]
    return {
        "uid": page["uid"],
        "title": page["title"],
        "description": page["description"],
        "tags": ["driftlead"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": variables(page)},
        "links": [link],
        "panels": panels,
    }


def main(arguments: list[str]) -> int:
    """Writes the dashboards, or names those that are stale; 1 when one is."""
    pages = [yaml.safe_load(path.read_text()) for path in sorted(HERE.glob("*.yaml"))]
    wanted = {
        DASHBOARDS / f"{page['uid']}.json": json.dumps(dashboard(page), indent=1) + "\n" for page in pages
    }
    return write_or_check(wanted, arguments, "make docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
