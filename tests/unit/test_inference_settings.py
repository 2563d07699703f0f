"""What the process is told, and what it says when it cannot do it."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from driftlead_formats.classes import numbered
from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.bootstrap import checked
from driftlead_inference.commandline import parse
from driftlead_inference.failures import StartFailed, leave_message
from driftlead_inference.model import cache
from driftlead_inference.model.cache import Damaged, Record
from driftlead_inference.model.locate import ModelUri
from driftlead_inference.model.locate import parse as parse_uri
from driftlead_inference.model.prepared import Source
from driftlead_inference.prediction_log import dsn_of
from driftlead_inference.settings import Settings
from driftlead_inference.threads import quota, set_threads
from driftlead_inference.watchdog import end_when_hung
from serving import service_of

DSN = "DRIFTLEAD_POSTGRES_DSN"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("DRIFTLEAD_", "MLFLOW_"))]:
        monkeypatch.delenv(name)


def test_a_flag_wins_over_the_environment_that_over_a_file_and_that_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "DRIFTLEAD_STAGE").write_text("file")
    (tmp_path / "MLFLOW_TRACKING_URI").write_text("http://file")
    monkeypatch.setenv("DRIFTLEAD_CONNECTIONS_DIR", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment")
    monkeypatch.setenv("DRIFTLEAD_PORT", "1")
    settings = parse(["--model", "models:/A/1", "--port", "2"])
    assert settings is not None
    assert (settings.port, settings.tracking_uri, settings.stage, settings.deployment) == (
        2,
        "http://environment",
        "file",
        "prod",
    )


def test_a_wrong_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--model", "x", "--port", "many"]) is None
    assert "port" in capsys.readouterr().err
    assert parse([]) is None
    assert "model" in capsys.readouterr().err


def test_without_a_database_nothing_is_logged_and_that_is_said() -> None:
    assert checked(Settings(model="models:/A/1")).log_mode == "off"
    assert checked(Settings(model="models:/A/1", postgres_dsn="postgresql://x")).log_mode == "async"


def test_each_port_has_a_spool_of_its_own_unless_one_is_named(tmp_path: Path) -> None:
    assert checked(Settings(model="models:/A/1", port=7)).spool_dir.name == "7"
    assert checked(Settings(model="models:/A/1", spool_dir=tmp_path)).spool_dir == tmp_path


def test_a_dsn_from_a_file_is_read_again_and_any_other_stays(tmp_path: Path) -> None:
    files = {DSN: "postgresql://old"}
    from_file = dsn_of(Settings(model="m", postgres_dsn="postgresql://old"), lambda: files)
    fixed = dsn_of(Settings(model="m", postgres_dsn="postgresql://flag"), lambda: files)
    files[DSN] = "postgresql://new"
    assert (from_file(), fixed()) == ("postgresql://new", "postgresql://flag")


def test_the_forms_of_a_model_are_told_apart(tmp_path: Path) -> None:
    assert parse_uri("models:/Name/3") == ModelUri(name="Name", version="3")
    assert parse_uri("models:/Name@champion") == ModelUri(name="Name", alias="champion")
    assert parse_uri("runs:/abc/model") == ModelUri(artifact="runs:/abc/model")
    assert parse_uri(f"models:/m-{'0a' * 16}") == ModelUri(artifact=f"models:/m-{'0a' * 16}")
    assert parse_uri(str(tmp_path)) == parse_uri(f"file://{tmp_path}") == ModelUri(folder=tmp_path)


@pytest.mark.parametrize(
    "uri", ["models:/Name", "models:/Name/Production", "models:/Name/latest", "models:/m-3", "s3://x/y"]
)
def test_what_is_not_an_exact_version_is_refused(uri: str) -> None:
    with pytest.raises(StartFailed, match="models:/Name/3") as caught:
        parse_uri(uri)
    assert caught.value.code == ExitCode.USAGE


def test_a_termination_message_fits_whatever_the_loader_says(tmp_path: Path) -> None:
    leave_message(tmp_path / "log", ExitCode.LOAD_FAILED, "ä" * 9000 + "the end", "3")
    text = (tmp_path / "log").read_text()
    assert len(text.encode()) <= 3072
    document = json.loads(text)
    assert (document["reason"], document["version"]) == ("LoadFailed", "3")
    assert document["message"].endswith("the end")
    leave_message(tmp_path / "log", ExitCode.LOAD_FAILED, "short", "3")
    assert json.loads((tmp_path / "log").read_text())["message"] == "short"


def test_threads_follow_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpu.max"
    for text, processors in (("max 100000", 1024), ("250000 100000", 2), ("50000 100000", 1)):
        file.write_text(text)
        assert quota(file) == processors
    assert quota(tmp_path / "absent") == 1024
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert set_threads(3) == 3
    assert os.environ["OMP_NUM_THREADS"] == "3"
    monkeypatch.delenv("OMP_NUM_THREADS")


SOURCE = Source("http://registry", "Demo", "3", "s3://mlflow/3")


def fill(folder: Path) -> None:
    (folder / "MLmodel").write_text("a")
    (folder / "deep").mkdir()
    (folder / "deep" / "model.pkl").write_text("b")


def test_a_cached_version_is_found_and_held_against_its_digests(tmp_path: Path) -> None:
    entry = cache.remember(tmp_path, SOURCE, fill)
    record = cache.read(entry)
    assert record is not None
    assert set(record.files) == {"MLmodel", "deep/model.pkl"}
    assert cache.find(tmp_path, "http://registry", "Demo", "3") == entry
    assert cache.find(tmp_path, "http://registry", "Demo", "4") is None
    assert cache.find(tmp_path / "absent", "http://registry", "Demo", "3") is None
    cache.check(entry / cache.ARTIFACT, record.files)
    (entry / cache.ARTIFACT / "deep" / "model.pkl").write_text("c")
    with pytest.raises(Damaged, match="has changed"):
        cache.check(entry / cache.ARTIFACT, record.files)
    (entry / cache.ARTIFACT / "deep" / "model.pkl").unlink()
    with pytest.raises(Damaged, match="is gone"):
        cache.check(entry / cache.ARTIFACT, record.files)


def test_a_download_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        (folder / "MLmodel").write_text("half")
        raise ConnectionError("unreachable")

    with pytest.raises(ConnectionError):
        cache.remember(tmp_path, SOURCE, broken)
    assert list(tmp_path.iterdir()) == []


def test_another_source_of_the_same_version_is_another_entry() -> None:
    other = msgspec.structs.replace(SOURCE, source="s3://mlflow/other")
    assert SOURCE.key != other.key
    assert Record(SOURCE, {"a": "1"}).digest != Record(SOURCE, {"b": "1"}).digest


def test_text_classes_keep_the_numbers_that_earlier_versions_gave_them() -> None:
    assert numbered(("late", "on time"), ["cancelled", "late", "on time"]) == (
        "late",
        "on time",
        "cancelled",
    )
    assert numbered((), [0, 1]) == ()


async def test_a_hung_prediction_ends_the_process_with_a_sentence(tmp_path: Path) -> None:
    service, _ = service_of(predict_seconds=0.01, termination_log=tmp_path / "log")
    assert service.serving is not None
    service.serving.batcher.since = 1e-9  # as old as the machine
    ended: list[int] = []
    end_when_hung(service, ended.append)
    assert ended == [ExitCode.UNEXPECTED]
    assert "hung" in json.loads((tmp_path / "log").read_text())["message"]
