"""How the server starts, or says why it cannot: exit code by kind, the loader's words in the termination
message."""

import shutil
import sys
from pathlib import Path

import cloudpickle
import mlflow
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from driftlead_formats.exit_codes import ExitCode
from hack.ports import free_port
from neighbours.inference import failed_start, inference_server
from neighbours.models import named_frame, regression, rows, saved

# The classes below travel inside the pickle: the server cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model") / "regression", regression(), rows())


def test_a_model_folder_is_served_and_health_says_what_it_is(folder: Path, tmp_path: Path) -> None:
    with inference_server(folder, tmp_path) as server:
        reply = server.predict([0] * 20)
        health = server.ask("/health")[1]
    assert reply["prediction"] in (0, 1)
    assert (reply["model_name"], reply["model_version"]) == ("regression", "0")
    assert health["status"] == "ok"
    assert health["engine"] == "onnx"
    assert "verified equal" in health["engine_reason"]
    assert health["log"]["mode"] == "off"


def test_what_only_preparing_needs_is_not_in_the_process_that_serves_by_onnx(
    folder: Path, tmp_path: Path
) -> None:
    with inference_server(folder, tmp_path) as server:
        server.predict([0] * 20)
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "onnxruntime" in mapped
    # MLflow has no library of its own to be seen here, and cannot be imported without pandas.
    assert [name for name in ("sklearn", "pandas", "scipy") if f"/{name}/" in mapped] == []


def test_a_model_trained_with_another_scikit_learn_is_said_before_traffic(
    folder: Path, tmp_path: Path
) -> None:
    old = shutil.copytree(folder, tmp_path / "old")
    (old / "requirements.txt").write_text("scikit-learn==1.0.2\n")
    with inference_server(old, tmp_path) as server:
        (warning,) = server.ask("/health")[1]["warnings"]
        metrics = server.ask("/metrics")[1]
        said = server.log.read_text()
    assert "training-serving skew: the model asks for scikit-learn==1.0.2, installed is" in warning
    assert "driftlead_inference_model_warnings 1.0" in metrics
    assert said.index(warning) < said.index('"event": "ready"')


def test_a_model_that_does_not_load_is_blamed_in_the_loaders_own_words(folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.pkl").write_bytes(b"this is not a pickle")
    code, message = failed_start(broken, tmp_path)
    assert code == ExitCode.LOAD_FAILED
    assert message["reason"] == "LoadFailed"
    assert "UnpicklingError" in message["message"]


def test_a_model_whose_package_is_not_installed_names_it_and_the_recipe(folder: Path, tmp_path: Path) -> None:
    needy = shutil.copytree(folder, tmp_path / "needy")
    # A pickle that imports a module which is nowhere: GLOBAL 'absent_package' 'Thing'.
    (needy / "model.pkl").write_bytes(b"cabsent_package\nThing\n.")
    (needy / "requirements.txt").write_text("absent-package==1.0\nscikit-learn\n")
    code, message = failed_start(needy, tmp_path)
    assert code == ExitCode.REQUIREMENTS_MISSING
    assert "absent-package==1.0" in message["message"]
    assert "pip install" in message["message"]


def test_a_model_that_says_nothing_of_its_input_is_not_served(tmp_path: Path) -> None:
    mute = saved(tmp_path / "mute", FunctionTransformerModel(), rows(), signature=None, input_example=None)
    code, message = failed_start(mute, tmp_path)
    assert code == ExitCode.SIGNATURE_MISSING
    assert "infer_signature" in message["message"]


def test_a_model_that_refuses_its_own_example_is_not_served(tmp_path: Path) -> None:
    refusing = saved(
        tmp_path / "refusing", Refusing(), rows(), signature=mlflow.models.infer_signature(rows())
    )
    code, message = failed_start(refusing, tmp_path)
    assert code == ExitCode.SMOKE_FAILED
    assert "never again" in message["message"]


def test_a_folder_without_a_model_is_not_found(tmp_path: Path) -> None:
    code, message = failed_start(tmp_path, tmp_path)
    assert code == ExitCode.VERSION_NOT_FOUND
    assert "MLmodel" in message["message"]


def test_a_registry_that_does_not_answer_blames_nobody(tmp_path: Path) -> None:
    unreachable = f"http://127.0.0.1:{free_port()}"
    code, message = failed_start("models:/Name/3", tmp_path, MLFLOW_TRACKING_URI=unreachable)
    assert code == ExitCode.POD_CANNOT_REACH_REGISTRY
    assert message["version"] == "3"


def test_connections_that_are_missing_are_said_before_anything_is_loaded(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "connections").mkdir()
    code, message = failed_start(
        folder, tmp_path, DRIFTLEAD_CONNECTIONS_DIR=str(tmp_path / "connections"), DRIFTLEAD_LOG_MODE="async"
    )
    assert code == ExitCode.CONNECTIONS_MISSING
    assert "driftlead-connections" in message["message"]


def test_a_spool_that_cannot_be_used_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file, not a folder")
    code, message = failed_start(
        folder,
        tmp_path,
        DRIFTLEAD_LOG_MODE="async",
        DRIFTLEAD_POSTGRES_DSN="postgresql://nobody@127.0.0.1:1/none",
    )
    assert code == ExitCode.SPOOL_UNUSABLE
    assert str(tmp_path / "spool") in message["message"]


def test_a_registry_stage_is_no_exact_version(tmp_path: Path) -> None:
    code, message = failed_start("models:/Name/Production", tmp_path)
    assert code == ExitCode.USAGE
    assert "models:/Name/3" in message["message"]


def test_text_columns_are_served_by_name(tmp_path: Path) -> None:
    frame = named_frame()
    transformer = make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough")
    classes = ["late" if value > 0 else "on time" for value in frame["temp"]]
    model = make_pipeline(transformer, LogisticRegression()).fit(frame, classes)
    with inference_server(saved(tmp_path / "flights", model, frame), tmp_path) as server:
        one = server.predict({"temp": 2.5, "seats": 120.0, "carrier": "AA"})
        two = server.predict([[2.5, 120, "AA"], [-2.5, 120, "UA"]])
        unknown = server.ask("/predict", {"features": {"temp": 1, "seats": 1.5, "carrier": "AA"}})
        null = server.ask("/predict", {"features": {"temp": 1, "carrier": "AA"}})
        health = server.ask("/health")[1]
    assert one["prediction"] == "late"
    assert two["predictions"] == ["late", "on time"]
    assert unknown[0] == 422
    assert unknown[1]["field"] == "seats"
    assert null[1]["field"] == "seats"
    assert health["engine"] == "sklearn"


class FunctionTransformerModel(FunctionTransformer):
    """A model without a number of features."""

    def predict(self, table: object) -> list[int]:
        return [0] * len(table)  # type: ignore[arg-type]


class Refusing(FunctionTransformerModel):
    """A model that does not answer."""

    def predict(self, table: object) -> list[int]:
        raise ValueError("never again")
