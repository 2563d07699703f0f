"""What the node needs beside the Go binary: Debian's packages, and the pause image."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

# A program that shows that the package is there.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "buildah": "buildah",
    "nftables": "nft",
    "conntrack": "conntrack",
    "iproute2": "ip",
    "mmdebstrap": "mmdebstrap",
    "openssl": "openssl",
    "gcc": "gcc",
}
SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

# The process that holds a pod's namespaces: it sleeps, collects orphans, and ends at SIGTERM.
PAUSE_C = """
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
static void collect(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main(void) {
  signal(SIGINT, end); signal(SIGTERM, end); signal(SIGCHLD, collect);
  for (;;) pause();
}
"""


def missing() -> list[str]:
    """The packages that this machine does not have."""
    return [
        name
        for name, sign in PACKAGES.items()
        if not (Path(sign).exists() if sign.startswith("/") else shutil.which(sign, path=SEARCH))
    ]


def ensure() -> None:
    """Installs what is missing, or says in one sentence who must do what."""
    if os.geteuid() != 0:
        raise SystemExit("devcluster: a node needs root; run it with sudo, or start Docker and install kind")
    absent = missing()
    if not absent:
        return
    if not shutil.which("apt-get"):
        raise SystemExit(
            f"devcluster: missing {', '.join(absent)}; install them with this system's package manager"
        )
    print(f"installing Debian's packages {', '.join(absent)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *absent]):
        subprocess.run(["apt-get", *words], check=True, env=environment, stdout=subprocess.DEVNULL)


def pause_image(cache: Path, name: str) -> Path:
    """An archive with the pause image, made from the ten lines above."""
    archive = cache / "pause-1.tar"
    if archive.exists():
        return archive
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "pause"
        subprocess.run(
            ["gcc", "-static", "-Os", "-x", "c", "-o", program, "-"], input=PAUSE_C, text=True, check=True
        )
        work = subprocess.run(
            ["buildah", "from", "scratch"], check=True, capture_output=True, text=True
        ).stdout.strip()
        subprocess.run(
            ["buildah", "copy", "--quiet", work, program, "/pause"], check=True, stdout=subprocess.DEVNULL
        )
        subprocess.run(["buildah", "config", "--entrypoint", '["/pause"]', work], check=True)
        subprocess.run(
            ["buildah", "commit", "--quiet", "--rm", work, f"docker-archive:{archive}:{name}"], check=True
        )
    return archive
