"""Prints what an image is made of as CycloneDX 1.6: `python -m hack.sbom inference > inference.cdx.json`.

Everything comes from the lock files that the image is built from: the same locks give the same text.
"""

import json
import re
import sys
import tomllib
import uuid
from typing import Any

from hack import ROOT

LOCKS = {
    "operator": ["operator/requirements.lock"],
    "inference": ["inference/requirements.lock"],
    "drift": ["drift/requirements.lock"],
    "train": ["drift/requirements.lock", "drift/requirements-train.lock"],
    "mlflow": ["hack/images/mlflow/requirements.lock"],
}
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def component(name: str, version: str, hashes: list[str]) -> dict[str, Any]:
    """One distribution of the Python index."""
    address = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        # A wheel for each platform: any of these files is the one that was taken.
        "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
    }


def components(lock: str) -> list[dict[str, Any]]:
    """Each pinned distribution of a lock file."""
    starts = list(PINNED.finditer(lock))
    ends = [each.start() for each in starts[1:]] + [len(lock)]
    return [
        component(match[1], match[2], HASH.findall(lock[match.end() : end]))
        for match, end in zip(starts, ends, strict=True)
    ]


def sbom(image: str) -> dict[str, Any]:
    """The document of one image; its serial number is made from its contents."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    # What a later lock installs takes the place of an earlier one's.
    found = {
        each["purl"].split("@")[0]: each
        for lock in LOCKS[image]
        for each in components((ROOT / lock).read_text())
    }
    parts = [found[address] for address in sorted(found)]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([image, version, parts]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": f"driftlead/{image}",
                "name": f"driftlead/{image}",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": parts,
    }


def main(arguments: list[str]) -> int:
    """Prints the document of the named image; 2 for an unknown name."""
    if len(arguments) != 1 or arguments[0] not in LOCKS:
        print(
            f"sbom: name one of {', '.join(LOCKS)}; got {' '.join(arguments) or 'nothing'}", file=sys.stderr
        )
        return 2
    print(json.dumps(sbom(arguments[0]), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
