import pytest

from driftlead_drift.__main__ import COMMANDS, main, parser
from driftlead_drift.commandline import flag, settings_from
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.settings import CheckSettings
from driftlead_formats.durations import duration, in_words


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["judge"],
        ["check", "--no-such-flag"],
        ["check", "--q", "5"],
        ["check", "--q"],
        ["check", "--window", "soon"],
        ["check", "--persistence", "0", "--model", "x"],
        ["check", "surplus"],
        ["check", "--mod", "an-abbreviation"],
        ["baseline"],
        ["retrain"],
        ["retrain", "no-colon", "--registered-model", "m"],
        ["migrate"],
    ],
)
def test_no_wrong_usage_ends_with_the_code_of_drift(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRIFTLEAD_POSTGRES_DSN", raising=False)
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code  # type: ignore[assignment]
    said = capsys.readouterr().err
    assert code == 1
    assert "Traceback" not in said
    assert said.count("\n") == 1, said


def test_every_setting_of_every_command_is_a_flag_and_says_its_variable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, command in COMMANDS.items():
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([name, "--help"])
        assert ended.value.code == 0
        printed = capsys.readouterr().out
        for field in command.settings.model_fields:
            assert flag(field) in printed or field == "function"
        assert "DRIFTLEAD_POSTGRES_DSN" in printed


def test_a_flag_wins_over_the_environment_and_that_over_a_file_and_that_over_the_default(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLEAD_CONNECTIONS_DIR", str(tmp_path))
    assert settings_from(CheckSettings, {}).window == "7d"
    (tmp_path / "DRIFTLEAD_WINDOW").write_text("1h\n")
    assert settings_from(CheckSettings, {}).window == "1h"
    monkeypatch.setenv("DRIFTLEAD_WINDOW", "2h")
    assert settings_from(CheckSettings, {}).window == "2h"
    assert settings_from(CheckSettings, {"window": "3h"}).window == "3h"


def test_the_trackers_address_keeps_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert settings_from(CheckSettings, {}).tracking_uri == "http://mlflow:5000"
    assert settings_from(CheckSettings, {"tracking_uri": "http://other"}).tracking_uri == "http://other"


def test_a_wrong_value_is_named_by_flag_and_variable_with_what_was_seen() -> None:
    with pytest.raises(CannotJudgeError, match=r"--rule \(DRIFTLEAD_RULE\).*not 'magic'"):
        settings_from(CheckSettings, {"rule": "magic"})


def test_a_password_never_stands_in_a_settings_text() -> None:
    settings = settings_from(CheckSettings, {"postgres_dsn": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("host", "counts"),
    [
        ("demo-drift-29388420-x7k2p", True),
        ("look-x7k2p", False),
        ("other-drift-29388420-x7k2p", False),
        ("", False),
    ],
)
def test_only_pods_that_the_cronjob_made_advance_persistence(host: str, counts: bool) -> None:
    settings = settings_from(CheckSettings, {"resource": "demo"})
    assert settings.counts_for_persistence(host) is counts
    assert settings_from(CheckSettings, {"scheduled": True}).counts_for_persistence(host)


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900), ("1h30m", 5400), ("7d", 604800), ("1w", 604800), ("1.5h", 5400)]
)
def test_lengths_of_time_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "0h", "-1h", "1h tomorrow", "1 y", "999999999w"])
def test_what_is_no_length_of_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="15m"):
        duration(text)


def test_lengths_of_time_are_said_shortly() -> None:
    assert in_words(duration("7d")) == "7 days"
    assert in_words(duration("1h1m1s")) == "1 hour 1 minute"
