"""One reading of `models:/` for the server, which takes exact versions alone, and for the drift commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.storage.registry import wanted
from driftlead_formats.exit_codes import ExitCode
from driftlead_formats.model_uri import ModelReference, parse
from driftlead_inference.failures import StartFailed
from driftlead_inference.model import locate

names = st.text("abcÄ -_.%3", min_size=1, max_size=9)


@given(names, st.integers(1, 10**12).map(str))
def test_server_and_check_mean_the_same_version(name: str, version: str) -> None:
    uri = f"models:/{name}/{version}"
    server = locate.parse(uri)
    assert parse(uri) == wanted(uri) == ModelReference(name=server.name, version=server.version)
    assert (server.name, server.version) == (name, version)


@given(names, names)
def test_server_and_check_mean_the_same_alias(name: str, alias: str) -> None:
    server = locate.parse(f"models:/{name}@{alias}")
    assert parse(f"models:/{name}@{alias}") == ModelReference(name=server.name, alias=server.alias)
    assert (server.name, server.alias) == (name, alias)


def test_a_word_behind_the_slash_is_a_stage_and_a_bare_name_means_any_version() -> None:
    assert parse("models:/Name/Production") == ModelReference(name="Name", stage="Production")
    assert parse("models:/Name") == wanted("Name") == ModelReference(name="Name")


def test_the_version_of_what_no_registry_counts_is_judged_but_not_served() -> None:
    assert wanted("models:/Name/0") == ModelReference(name="Name", version="0")
    with pytest.raises(StartFailed) as caught:
        locate.parse("models:/Name/0")
    assert caught.value.code == ExitCode.USAGE


@pytest.mark.parametrize("uri", ["models:", "models:/", "models:/a/b/c", "models:/a@b@c", "models:/a/1@b"])
def test_what_mlflow_could_not_read_is_not_read(uri: str) -> None:
    assert parse(uri) is None
    with pytest.raises(CannotJudgeError, match="models:/Name/3"):
        wanted(uri)


def test_a_logged_model_is_exact_and_needs_no_version() -> None:
    """MLflow 3 returns this URI from `log_model`; a registered model may still be called m-something."""
    uri = "models:/m-" + "0123456789abcdef" * 2
    assert parse(uri) == ModelReference(model_id=uri.removeprefix("models:/"))
    assert locate.parse(uri).artifact == uri
    with pytest.raises(CannotJudgeError, match="models:/Name/0 with --baseline FILE"):
        wanted(uri)
    assert parse(f"{uri}/3") == ModelReference(name=uri.removeprefix("models:/"), version="3")
    assert parse("models:/m-3") == ModelReference(name="m-3")


def test_a_line_break_is_not_part_of_a_version() -> None:
    assert parse("models:/Name/3\n") != ModelReference(name="Name", version="3")
