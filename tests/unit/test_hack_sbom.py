"""The bill of materials names what the lock files pin, and nothing else."""

import json
import subprocess
import sys

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from hack import ROOT, sbom

IMAGES = ("operator", "inference", "drift", "train", "mlflow")


def test_a_pin_is_a_component_with_its_address_and_every_hash() -> None:
    lines = [
        "# by uv",
        "A_b.c==1.2 \\",
        f"    --hash=sha256:{'0' * 64} \\",
        f"    --hash=sha256:{'1' * 64}",
        "d==3",
        "",
    ]
    lock = "\n".join(lines)
    first, second = sbom.components(lock)
    assert first["purl"] == "pkg:pypi/a-b-c@1.2"
    assert [each["content"] for each in first["hashes"]] == ["0" * 64, "1" * 64]
    assert (second["purl"], second["hashes"]) == ("pkg:pypi/d@3", [])


@pytest.mark.parametrize("image", IMAGES)
def test_every_pin_of_an_image_s_locks_is_in_its_document_once(image: str) -> None:
    document = sbom.sbom(image)
    pins = {
        line.split("==")[0]
        for lock in sbom.LOCKS[image]
        for line in (ROOT / lock).read_text().splitlines()
        if "==" in line and not line.startswith(("#", " "))
    }
    assert {each["name"] for each in document["components"]} == pins
    references = [each["bom-ref"] for each in document["components"]]
    assert len(references) == len(set(references))
    assert all(each["hashes"] for each in document["components"])
    assert sbom.sbom(image) == document


@pytest.mark.parametrize("image", IMAGES)
def test_every_document_is_cyclonedx_by_its_own_strict_schema(image: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(sbom.sbom(image))) is None
    wrong = {**sbom.sbom(image), "serialNumber": "none"}
    assert "none" in str(validator.validate_str(json.dumps(wrong)))


def test_the_command_prints_json_and_refuses_what_is_no_image() -> None:
    command = [sys.executable, "-m", "hack.sbom"]
    done = subprocess.run([*command, "operator"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["bomFormat"] == "CycloneDX"
    refused = subprocess.run([*command, "kernel"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "name one of operator, inference" in refused.stderr
