"""One word for one thing: words that this repository has given up for the field's do not come back."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT = "JSON|YAML|CSV|HTTP|schedule|version|number|model|list|object|text|time|hour|minute|weekday|month"
WHICH = "each|every|another|other|one|drift|inference|operator|the|this|a"
INSTEAD = {
    r"\banew\b": "again",
    r"\bunrest\b": "overdispersion in code, variation between periods in prose",
    rf"(?<!there )\b(?:is|are|was|were) no (?:{NOT})\b": "is not valid JSON, is not a version",
    r"\b[Ss]o many\b": "a number, or what is counted",
    r"\bknock": "connects, calls",
    r"\b[Ww]ish(?:es)?\b": "request",
    r"[a-z]Away\b|\bAway[A-Z]|\"away\"|(?:\b|_)(?:is|are|was|were|be)[ _]away(?:\b|_)": "unreachable",
    r"\b[Dd]eposed": "lost leadership",
    r"\bhanded[ _]over\b|\bhandover": "uploaded, imported",
    r"\btroubles\b": "pod failures",
    r"\b_turn\b|\btest_operator_turns\b": "reconcile",
    rf"\b(?:{WHICH}) room\b(?! for)|\brooms": "component",
    r"\bHappening\b": "EventReason",
    r"\bCourse\b": "Progress",
    r"\b(?:class|:|->|import|\[) ?Look\b|\bLook\(": "Assessment in the operator, Evidence in drift",
    r"\bclass End(?:ing|ed)\b|\bEnd(?:ing|ed)\(": "ContainerTermination, CommandResult",
    r"\bclass Asked\b|\bAsked\(|\b(?:registry|view|stage)\.asked\b": (
        "answered_at, desired_replicas, ScrapeTarget, ModelUri"
    ),
    r"\bseal(?:ed|s)?\b": "template_hash, with_applied_hash",
    r"\bDoor\b": "RowValidator",
    r"\bPatiently\b|\bclass (?:Rounds|Following)\b|\b(?:hurry|gist|deaf_for)\b": (
        "Backoff, Resync, Subscriptions, poll_now, fingerprint, stale_for"
    ),
    r"\bdriftlead_data\b": "driftlead_formats, driftlead_log",
}
# The changelog names old words to those who used them.
LEFT_OUT = {"CHANGELOG.md", "LICENSE", "tests/unit/test_words.py"}
LOCKED = (".lock", "go.sum", ".json.gz")


def lines() -> list[tuple[str, str]]:
    """Every line of every text file that git tracks, with its place."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if name not in LEFT_OUT and not name.endswith(LOCKED) and path.is_file():
            text = f"{name}\n{path.read_text(errors='replace')}"
            found += [(f"{name}:{number}", line) for number, line in enumerate(text.splitlines())]
    return found


@pytest.fixture(scope="module")
def tree() -> list[tuple[str, str]]:
    return lines()


@pytest.mark.parametrize("word", INSTEAD, ids=INSTEAD.values())
def test_a_word_that_was_given_up_does_not_come_back(word: str, tree: list[tuple[str, str]]) -> None:
    found = [f"{place}: {line.strip()[:90]}" for place, line in tree if re.search(word, line)]
    assert found == [], f"say instead: {INSTEAD[word]}"
