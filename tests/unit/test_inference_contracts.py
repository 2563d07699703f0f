"""What components share with the inference server as data: exit codes and connections."""

import os
from pathlib import Path

import pytest

from driftlead_formats.connections import export_connections, load_connections
from driftlead_formats.exit_codes import BLAMES_MODEL, ExitCode


def test_the_codes_that_blame_the_model_are_those_below_ten() -> None:
    assert {code for code in ExitCode if 3 <= code < 10} == BLAMES_MODEL


def test_an_exit_code_names_its_reason() -> None:
    assert ExitCode.LOAD_FAILED.reason == "LoadFailed"
    assert ExitCode.VERSION_NOT_FOUND.reason == "VersionNotFound"


def test_connections_are_read_as_kubernetes_projects_them(tmp_path: Path) -> None:
    data = tmp_path / "..2026_01_01"
    data.mkdir()
    (data / "DRIFTLEAD_POSTGRES_DSN").write_text("postgresql://a\n")
    (tmp_path / "..data").symlink_to(data)
    (tmp_path / "DRIFTLEAD_POSTGRES_DSN").symlink_to(tmp_path / "..data/DRIFTLEAD_POSTGRES_DSN")
    assert load_connections(tmp_path) == {"DRIFTLEAD_POSTGRES_DSN": "postgresql://a"}


def test_no_folder_means_no_connections(tmp_path: Path) -> None:
    assert load_connections(None) == load_connections(tmp_path / "absent") == {}


def test_the_environment_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("file")
    (tmp_path / "AWS_TEST_ONLY").write_text("file")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "environment")
    monkeypatch.setenv("AWS_TEST_ONLY", "")
    monkeypatch.delenv("AWS_TEST_ONLY")
    assert export_connections(tmp_path) == ["AWS_TEST_ONLY"]
    assert (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_TEST_ONLY"]) == ("environment", "file")


def test_our_own_variables_stay_files_so_that_they_can_be_rotated(tmp_path: Path) -> None:
    (tmp_path / "DRIFTLEAD_POSTGRES_DSN").write_text("postgresql://a")
    assert export_connections(tmp_path) == []
    assert load_connections(tmp_path) == {"DRIFTLEAD_POSTGRES_DSN": "postgresql://a"}
