"""What is said of vulnerable, sound and unknown distributions, and of a database that does not answer."""

import json
import subprocess
from typing import Any

import pytest

from hack import audit

WHERE = {"good==1": ["requirements.lock"], "bad==2": ["requirements.lock", "drift/requirements.lock"]}
FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["2.1"], "aliases": [], "description": ""}


def dependency(name: str, version: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": version, **({"vulns": []} | more)}


def answers(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "") -> None:
    """pip-audit prints this whatever it is given, and the locks hold WHERE."""
    done = subprocess.CompletedProcess([], 1, stdout, stderr)
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(audit, "locked", lambda: WHERE)


def test_a_vulnerability_fails_and_names_its_locks_and_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [dependency("good", "1"), dependency("bad", "2", vulns=[FLAW])]
    answers(monkeypatch, json.dumps({"dependencies": found}))
    assert audit.main() == 1
    finding = "bad==2 (requirements.lock, drift/requirements.lock): PYSEC-2026-1; raise it to 2.1 and say: make lock"  # noqa: E501
    said = capsys.readouterr().out
    assert said == f"audit: 2 locked distributions, 1 vulnerabilities\n  {finding}\n"


def test_an_index_without_advisories_audited_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = {"name": "good", "skip_reason": "Dependency not found on PyPI"}
    answers(monkeypatch, json.dumps({"dependencies": [unknown]}))
    assert audit.main() == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("audit: nothing was audited, since no advisory database answers: what stands")


def test_without_a_database_one_sentence_says_that_nothing_was_audited(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, "", "Traceback\nERROR: Could not connect to PyPI's vulnerability feed")
    assert audit.main() == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("audit: nothing was audited, since no advisory database answers: ERROR: Could not")


def test_a_failure_of_the_tool_itself_is_not_taken_for_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, "", "ERROR: unknown option --format")
    assert audit.main() == 1
    assert capsys.readouterr().out == "audit: pip-audit failed: ERROR: unknown option --format\n"


def test_two_versions_of_a_name_are_audited_in_two_batches() -> None:
    assert audit.batches(["a==1", "a==2", "b==1"]) == [["a==1", "b==1"], ["a==2"]]


def test_every_lock_of_the_repository_is_looked_into() -> None:
    assert {str(path) for path in audit.LOCKS} == {
        str(path.relative_to(audit.ROOT))
        for pattern in ("*.lock", "*/requirements*.lock", "hack/images/*/requirements.lock")
        for path in audit.ROOT.glob(pattern)
    }
    assert {lock for each in audit.locked().values() for lock in each} == set(audit.LOCKS)
