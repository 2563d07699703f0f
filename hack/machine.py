"""What the tests need of the machine itself: says what is missing, and installs it where it may.

Only Debian's packages are installed, and only as root; elsewhere one sentence names the command.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# A package, and how to see that it is there: a program on the PATH, or a file that it brings.
PACKAGES = {
    "postgresql": "/usr/lib/postgresql/*/bin/initdb",
    "pgbouncer": "/usr/sbin/pgbouncer",
    "docker-registry": "docker-registry",
    "prometheus": "promtool",
    "lua5.1": "lua5.1",
    "chromium": "chromium",
    "curl": "curl",
}


def present(sign: str) -> bool:
    """Whether the program or the file is on this machine."""
    if sign.startswith("/"):
        return any(Path("/").glob(sign.lstrip("/")))
    return shutil.which(sign) is not None


def missing() -> list[str]:
    """The packages whose sign is not there."""
    return [package for package, sign in PACKAGES.items() if not present(sign)]


def install(packages: list[str]) -> None:
    """Installs them by apt-get; the services that come with them are not started."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", *words], check=True, env=environment, stdout=subprocess.DEVNULL)


def main() -> int:
    """Makes the machine ready; 1 when something is missing that only a person can install."""
    absent = missing()
    if not absent:
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"missing: {', '.join(absent)}; run: sudo apt-get install {' '.join(absent)}", file=sys.stderr)
        return 1
    print(f"installing Debian's packages {', '.join(absent)}", flush=True)
    install(absent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
