"""The bill of materials names what the lock files pin, and nothing else."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("operator", "inference", "drift", "train", "mlflow")


@pytest.fixture(scope="module")
def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "hack/sbom.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_pin_is_a_component_with_its_address_and_every_hash(made: ModuleType) -> None:
    lines = [
        "# by uv",
        "A_b.c==1.2 \\",
        f"    --hash=sha256:{'0' * 64} \\",
        f"    --hash=sha256:{'1' * 64}",
        "d==3",
        "",
    ]
    lock = "\n".join(lines)
    first, second = made.components(lock)
    assert first["purl"] == "pkg:pypi/a-b-c@1.2"
    assert [each["content"] for each in first["hashes"]] == ["0" * 64, "1" * 64]
    assert (second["purl"], second["hashes"]) == ("pkg:pypi/d@3", [])


@pytest.mark.parametrize("image", IMAGES)
def test_every_pin_of_an_image_s_locks_is_in_its_document_once(image: str, made: ModuleType) -> None:
    document = made.sbom(image)
    pins = {
        line.split("==")[0]
        for lock in made.LOCKS[image]
        for line in (ROOT / lock).read_text().splitlines()
        if "==" in line and not line.startswith(("#", " "))
    }
    assert {each["name"] for each in document["components"]} == pins
    references = [each["bom-ref"] for each in document["components"]]
    assert len(references) == len(set(references))
    assert all(each["hashes"] for each in document["components"])
    assert made.sbom(image) == document


@pytest.mark.parametrize("image", IMAGES)
def test_every_document_is_cyclonedx_by_its_own_strict_schema(image: str, made: ModuleType) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(made.sbom(image))) is None
    wrong = {**made.sbom(image), "serialNumber": "none"}
    assert "none" in str(validator.validate_str(json.dumps(wrong)))


def test_the_command_prints_json_and_refuses_what_is_no_image() -> None:
    command = [sys.executable, ROOT / "hack/sbom.py"]
    done = subprocess.run([*command, "operator"], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["bomFormat"] == "CycloneDX"
    refused = subprocess.run([*command, "kernel"], check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "name one of operator, inference" in refused.stderr
