"""The report as document and as page, from judged windows."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import jsonschema
import numpy as np
import pytest

from driftlead_drift.judging.facts import Run, WindowCounts
from driftlead_drift.judging.judge import judge
from driftlead_drift.judging.policy import Policy
from driftlead_drift.report import document, page, schemas, svg
from driftlead_drift.report.past_runs import features_of, from_report
from driftlead_formats.baseline import Baseline, build
from driftlead_formats.traffic import Traffic

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SUBJECT = document.Subject(
    run_id="20261124T120000-abc",
    created=NOW,
    traffic=Traffic(model_name="demo", model_version="3", deployment="prod"),
    start=datetime(2026, 11, 17, 12, tzinfo=UTC),
    end=NOW,
    rows=5000,
    scanned=5000,
    path="json",
    baseline_source="s3://mlflow/baseline.json",
)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "a\u202egnp.exe",
    "nul\0byte",
    "x" * 5000,
    "</title></svg><style>*{display:none}</style>",
    "url(http://evil.example/x)",
]


def columns(
    names: list[str], *, shift: float = 0.0, seed: int = 0, rows: int = 5000
) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(shift if i == 0 else 0, 1, rows) for i, name in enumerate(names)}


def judged(
    names: list[str], *, shift: float = 0.0, history: tuple[Run, ...] = ()
) -> tuple[dict[str, object], Baseline]:
    baseline = build(columns(names), prediction=np.random.default_rng(5).integers(0, 2, 5000).astype(float))
    traffic = columns(names, shift=shift, seed=1)
    counts = WindowCounts(
        features=baseline.count_columns(traffic),
        prediction=baseline.count_prediction(np.random.default_rng(6).integers(0, 2, 5000).astype(float)),
        rows=5000,
        version="3",
    )
    policy = Policy(period=None, persistence=1)
    judgement = judge(baseline, counts, policy)
    report = document.report(
        SUBJECT, baseline, judgement, policy=policy, history=history, exit_code=judgement.exit_code
    )
    return report, baseline


class Tags(HTMLParser):
    """Every tag and attribute, and whether they nest."""

    VOID = frozenset({"meta", "link", "img", "br", "wbr", "hr", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags(html: str) -> Tags:
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def drifted() -> dict[str, object]:
    return judged([f"feature_{i}" for i in range(20)], shift=1.0)[0]


def test_the_document_follows_its_schema(drifted: dict[str, object]) -> None:
    assert schemas.encode(drifted).startswith(b"{")
    with pytest.raises(jsonschema.ValidationError):
        schemas.encode({**drifted, "verdict": {**drifted["verdict"], "exit_code": 3}})  # type: ignore[dict-item]


def test_a_failure_is_a_report_too_and_follows_the_schema() -> None:
    report = document.failure(SUBJECT, "the database cannot be reached", Policy())
    schemas.encode(report)
    html = page.render(report)
    tags(html)
    assert "The check could not judge" in html
    assert "the database cannot be reached" in html


def test_a_window_without_rows_makes_a_page() -> None:
    baseline = build(columns(["a"]))
    policy = Policy()
    counts = WindowCounts(features=[np.zeros(baseline.features[0].bin_count, dtype=np.int64)], rows=0)
    report = document.report(
        replace(SUBJECT, rows=0, scanned=0),
        baseline,
        judge(baseline, counts, policy),
        policy=policy,
        history=(),
        exit_code=0,
    )
    schemas.encode(report)
    tags(page.render(report))
    assert report["verdict"]["status"] == "insufficient"


def test_the_page_says_verdict_reason_rows_and_next_step(drifted: dict[str, object]) -> None:
    html = page.render(drifted)
    text = re.sub(r"<[^>]+>", " ", html)
    for needed in (
        "drift",
        "feature_0",
        "5,000",
        "What to do",
        "False alarms",
        "assumed independent",
        "What was not tested",
    ):
        assert needed in text, needed


def test_the_page_asks_nothing_of_any_network_and_runs_nothing(drifted: dict[str, object]) -> None:
    html = page.render(drifted)
    parser = tags(html)
    names = {tag for tag, _ in parser.seen}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "image", "base"}
    for _, attributes in parser.seen:
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
        assert "src" not in attributes
    assert "default-src 'none'" in html
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= {"#hatch"}


def test_hostile_names_are_harmless_text() -> None:
    report, _ = judged(HOSTILE, shift=2.0)
    html = page.render(replace_model(report, HOSTILE[0]))
    parser = tags(html)
    assert {tag for tag, _ in parser.seen} & {"script", "img"} == set()
    assert sum(tag == "style" for tag, _ in parser.seen) == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "49" not in re.findall(r"<h3>(.*?) <span", html)
    assert "\u202e" not in html
    assert "\0" not in html
    assert len(html) < 100_000


def replace_model(report: dict[str, object], name: str) -> dict[str, object]:
    return {**report, "model": {**report["model"], "name": name}}  # type: ignore[dict-item]


def test_twenty_features_take_less_than_100_kb_and_500_less_than_1500_kb(drifted: dict[str, object]) -> None:
    assert len(page.render(drifted).encode()) < 100_000
    feature = drifted["features"][0]  # type: ignore[index]
    many = {**drifted, "features": [{**feature, "name": f"feature_{i}"} for i in range(500)]}
    assert len(page.render(many).encode()) < 1_500_000


def test_each_status_has_a_shape_of_its_own_beside_its_colour() -> None:
    assert len(set(page.GLYPHS.values())) == len(page.GLYPHS) == 7
    assert set(page.GLYPHS) - {page.UNTESTED} == set(page.HEADLINES) == set(page.ORDER)


def test_a_picture_shows_both_distributions_and_says_its_sentence(drifted: dict[str, object]) -> None:
    feature = drifted["features"][0]  # type: ignore[index]
    picture = svg.distribution(feature)
    assert 'role="img"' in picture
    for path in ("now", "loud", "before", "part"):
        assert re.search(rf'class="{path}" d="M', picture), path
    assert "above all of it" in picture


def test_bins_beyond_sixteen_are_added_up_and_no_row_is_lost() -> None:
    feature = {
        "kind": "categorical",
        "labels": [*(f"c{i}" for i in range(48)), "MISSING", "OTHER"],
        "baseline_counts": list(range(50)),
        "current_counts": list(range(50, 100)),
        "contribution": [0.001 * i for i in range(50)],
    }
    bins = svg.shown_bins(feature)
    assert len(bins) == svg.MOST_BINS
    assert sum(each.now for each in bins) == sum(range(50, 100))
    assert sum(each.before for each in bins) == sum(range(50))
    assert bins[-1].label == "35 others"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "∞"),
        (float("inf"), "∞"),
        (0.0, "0.0000"),
        (0.0312, "0.0312"),
        (0.25, "0.250"),
        (9.81, "9.810"),
        (18.26, "18.3"),
        (400.0, "400"),
    ],
)
def test_an_index_is_written_with_few_digits(value: float | None, text: str) -> None:
    assert svg.number(value) == text


def test_the_ruler_never_ends_and_keeps_order() -> None:
    places = [svg.place(value) for value in (-0.1, 0.0, 0.1, 0.25, 1.0, 25.0, None, float("inf"))]
    assert places == sorted(places)
    assert places[0] == places[1] == 0
    assert places[-1] == 1


def test_an_interval_without_end_draws_to_the_end_of_the_ruler(drifted: dict[str, object]) -> None:
    feature = {**drifted["features"][0], "psi_ci90": [0.0, float("inf")]}  # type: ignore[index]
    html = page.render({**drifted, "features": [feature]})
    tags(html)
    assert "nan" not in html
    assert "∞" in page.words({**drifted, "features": [feature]}, "")
    assert schemas.encode({**drifted, "features": [feature]}).count(b"null") >= 1


def test_the_summary_names_five_features_with_decimals_as_text(drifted: dict[str, object]) -> None:
    summary = document.summary(drifted, "s3://b/report.html")
    assert summary.report == SUBJECT.run_id
    assert summary.top[0].name == "feature_0"
    assert len(summary.top) == 5
    assert all(isinstance(text, str) for each in summary.top for text in (each.value, each.low, each.high))


def test_a_run_read_back_from_its_report_is_what_was_judged(drifted: dict[str, object]) -> None:
    run = from_report(drifted)
    assert run.verdict == drifted["verdict"]["status"]  # type: ignore[index]
    assert run.features == features_of(drifted)
    assert "prediction" in run.features


def told(name: str, **changed: object) -> dict[str, object]:
    """A feature of a report, as far as the page's order and words need it."""
    feature = {
        "name": name,
        "status": "insufficient",
        "tested": True,
        "psi": 0.1,
        "psi_corrected": 0.1,
        "psi_ci90": [0.0, 1.0],
        "p_adjusted": 0.5,
    }
    return {**feature, **changed}


def shown_names(html: str) -> list[str]:
    """What the table's rows are called, from top to bottom."""
    heads = re.findall(r'<th scope="row">(.*?)</th>', html[: html.index("</table></div>")], re.DOTALL)
    return [re.sub(r"<[^>]+>", "", head).split("\n")[0].strip() for head in heads]


def test_rows_stand_by_status_then_by_the_psi_that_is_printed_and_what_was_not_tested_is_last(
    drifted: dict[str, object],
) -> None:
    feature = drifted["features"][0]  # type: ignore[index]
    some = [
        {**feature, **told(name, psi=psi, psi_corrected=corrected, tested=tested)}
        for name, psi, corrected, tested in (
            ("a", 0.06, 0.05, True),
            ("b", 2.46, 0.1, True),
            ("c", 1.58, 0.9, True),
            ("id", 9.0, 9.0, False),
        )
    ]
    html = page.render({**drifted, "features": some, "prediction": None})
    assert shown_names(html) == ["b", "c", "a", "id"]


def test_a_feature_that_was_not_tested_has_no_number_no_bars_and_no_verdict(
    drifted: dict[str, object],
) -> None:
    feature = {**drifted["features"][1], **told("id", tested=False), "sentence": "Not tested: an identifier."}  # type: ignore[index]
    html = page.render({**drifted, "features": [feature], "prediction": None})
    body = html[html.index("<main>") :]
    assert "not tested" in body
    assert "<svg" not in body[body.index("<tbody>") :]
    assert "stable" not in body
    assert "insufficient" not in re.sub(r'class="[^"]*"', "", body)
    assert "0.1" not in re.sub(r"<[^>]+>", " ", body[body.index("<tbody>") : body.index("</tbody>")])
    lines = page.words(
        {**drifted, "features": [feature], "not_tested": ["id: an identifier"]}, ""
    ).splitlines()
    assert not any(line.startswith("  id") for line in lines)
    assert "not tested: id: an identifier" in lines


def test_an_interval_above_the_threshold_that_is_not_told_is_explained(drifted: dict[str, object]) -> None:
    unsure = told("a", psi_ci90=[0.48, 2.89], p_adjusted=0.03)
    assert "p = 0.03" in page.doubt(unsure, drifted)
    few = page.doubt({**unsure, "p_adjusted": 0.001}, drifted)
    assert re.search(r"\d+ rows are needed", few)
    for plain in (told("a"), {**unsure, "status": "stable"}, {**unsure, "tested": False}):
        assert page.doubt(plain, drifted) == ""


def test_a_feature_without_a_name_gets_one_everywhere() -> None:
    report, _ = judged(["", "b"], shift=1.0)
    assert report["verdict"]["summary"].startswith("(unnamed) drifted")  # type: ignore[index]
    html = page.render(report)
    assert "(unnamed)" in shown_names(html)
    assert re.search(r"<h3><span>\(unnamed\)</span>", html)
    assert "  (unnamed) " in page.words(report, "")


def test_a_long_name_breaks_where_it_is_joined() -> None:
    assert svg.named("registered_users_last_30_days") == "registered_<wbr>users_<wbr>last_<wbr>30_<wbr>days"
    assert svg.named("customerLifetime") == "customer<wbr>Lifetime"
    assert svg.named("<b>") == "&lt;b&gt;"
    assert "<wbr>" not in svg.named("temperature")


def test_mean_and_quantiles_before_and_now_stand_on_the_page(drifted: dict[str, object]) -> None:
    values = drifted["features"][0]["values"]  # type: ignore[index]
    assert abs(values["baseline"]["median"]) < 0.1
    assert abs(values["current"]["mean"] - 1) < 0.15
    html = page.render(drifted)
    assert f"<td>{values['current']['median']:.4g}</td>" in html
    beyond = {**values, "current": {**values["current"], "p95": 4.0, "beyond": {"p95": "above"}}}
    feature = {**drifted["features"][0], "values": beyond}  # type: ignore[index]
    assert "<td>&gt;4</td>" in page.render({**drifted, "features": [feature]})


def test_earlier_windows_are_shown_as_sparkline_and_as_verdicts(drifted: dict[str, object]) -> None:
    earlier = tuple(replace(from_report(drifted), run_id=f"r{i}", verdict="stable") for i in range(30))
    report, _ = judged([f"feature_{i}" for i in range(20)], history=earlier)
    assert len(report["features"][0]["history"]) == document.SPARKS  # type: ignore[index]
    html = page.render(report)
    assert "Verdicts of earlier windows" in html
    assert html.count('class="spark"') == 21
