"""Asks the advisory database about every locked distribution; `make lint` fails where one is vulnerable.

Where no database answers, one sentence says that nothing was audited; it is not a failure.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from hack import ROOT
from hack.lock import COMPONENTS
from hack.sbom import components

LOCKS = ("requirements.lock", *COMPONENTS)
SECONDS = 300
UNREACHABLE = ("connect", "timed out", "resolve", "max retries", "proxy")
"""Words of pip-audit where the database does not answer; any other failure is one."""


class UnreachableError(Exception):
    """No advisory database answers; the message says why."""


@dataclass(frozen=True)
class Audit:
    """How many distributions were looked up, how many are unknown, and what is said of the others."""

    audited: int = 0
    unknown: int = 0
    findings: list[str] = field(default_factory=list)

    def __add__(self, other: "Audit") -> "Audit":
        return Audit(
            self.audited + other.audited, self.unknown + other.unknown, self.findings + other.findings
        )

    def sentence(self) -> str:
        """What there is to say of all of them."""
        unknown = f", {self.unknown} are unknown to the advisory database" if self.unknown else ""
        return f"audit: {self.audited} locked distributions, {len(self.findings)} vulnerabilities{unknown}"


def locked() -> dict[str, list[str]]:
    """Every `name==version` of any lock, with the locks that it stands in."""
    found: dict[str, list[str]] = {}
    for lock in LOCKS:
        for each in components((ROOT / lock).read_text()):
            found.setdefault(f"{each['name']}=={each['version']}", []).append(lock)
    return dict(sorted(found.items()))


def batches(pins: list[str]) -> list[list[str]]:
    """The pins in lists in which no name is twice: other platforms may have another version of it."""
    names: dict[str, list[str]] = {}
    for pin in pins:
        names.setdefault(pin.partition("==")[0], []).append(pin)
    return [[pin for pin in batch if pin] for batch in zip_longest(*names.values())]


def read(report: Mapping[str, Any], where: Mapping[str, list[str]]) -> Audit:
    """pip-audit's JSON, with the locks of each distribution."""
    known = [each for each in report["dependencies"] if "skip_reason" not in each]
    return Audit(len(known), len(report["dependencies"]) - len(known), list(findings(known, where)))


def findings(known: list[Mapping[str, Any]], where: Mapping[str, list[str]]) -> Iterator[str]:
    """A sentence for each vulnerability: where it is, and what mends it."""
    for each in known:
        pin = f"{each['name']}=={each['version']}"
        for flaw in each["vulns"]:
            fixed = flaw["fix_versions"]
            advice = f"raise it to {fixed[0]} and say: make lock" if fixed else "no release mends it yet"
            yield f"{pin} ({', '.join(where.get(pin, ()))}): {flaw['id']}; {advice}"


def audited(pins: list[str]) -> Mapping[str, Any]:
    """pip-audit's answer about exactly these distributions.

    Raises UnreachableError, or RuntimeError with its words where pip-audit itself failed.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins) + "\n")
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps"]
        words = ["--progress-spinner", "off", "--format", "json", "--requirement", file.name]
        try:
            done = subprocess.run(
                [*command, *words], check=False, capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"it took longer than {SECONDS} s") from error
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1][:300]
        unreachable = any(word in said.lower() for word in UNREACHABLE)
        raise (UnreachableError if unreachable else RuntimeError)(said) from None
    return report


def everything(where: Mapping[str, list[str]]) -> Audit:
    """The audit of all pins. Raises as `audited`, and UnreachableError where the index has no advisories."""
    pins = list(where)
    if not read(audited(pins[:1]), where).audited:  # every index that has them knows every pin
        raise UnreachableError(f"what stands for the package index here knows none of {pins[0]}")
    return sum((read(audited(batch), where) for batch in batches(pins)), Audit())


def main() -> int:
    """Prints what was found; 1 when a locked distribution is vulnerable, or pip-audit failed."""
    where = locked()
    try:
        audit = everything(where)
    except UnreachableError as error:
        print(f"audit: nothing was audited, since no advisory database answers: {error}")
        return 0
    except RuntimeError as error:
        print(f"audit: pip-audit failed: {error}")
        return 1
    print(audit.sentence())
    for finding in audit.findings:
        print(f"  {finding}")
    return 1 if audit.findings else 0


if __name__ == "__main__":
    sys.exit(main())
