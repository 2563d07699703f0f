"""Brings a cluster up, takes it down, and says how it is: the only module that knows the order of things."""

import json
import os
import shutil
import ssl
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from hack.cache import cache
from hack.devcluster import binary, network, packages, pki, processes
from hack.devcluster.components import PAUSE, components, files
from hack.devcluster.layout import NODE, Layout


def up(layout: Layout) -> None:
    """From whatever is there to a cluster that answers. What runs already is left alone."""
    began = time.monotonic()
    if not layout.control_plane_only:
        packages.ensure()
    binaries = binary.binaries()
    for folder in (layout.etc, layout.logs, layout.run):
        folder.mkdir(parents=True, exist_ok=True)
    _identities(layout)
    changed = _configure(layout)
    if changed:
        processes.stop(
            [each.name for group in reversed(components(layout)) for each in reversed(group)], layout.logs
        )
    if not layout.control_plane_only:
        network.up(layout)
        _cgroups(layout)
    before, after = components(layout)
    started = [each.name for each in before if processes.start(each, binaries, layout.logs)]
    wait(lambda: ready(layout), "the API server", layout, began)
    started += [each.name for each in after if processes.start(each, binaries, layout.logs)]
    if not layout.control_plane_only:
        _pause(layout)
        wait(lambda: node_ready(layout), "the node", layout, began)
    what = f"started {', '.join(started)}" if started else "everything ran already"
    print(
        f"devcluster: ready after {time.monotonic() - began:.1f} s ({what}); logs in {layout.logs}",
        flush=True,
    )


def _identities(layout: Layout) -> None:
    if not (layout.pki / "ca.crt").exists():
        pki.authority(layout.pki)
    for identity in pki.identities(layout.api_service, NODE, layout.node_address):
        wanted = not layout.control_plane_only or identity.name in {"apiserver", "admin"}
        if wanted and not (layout.pki / f"{identity.name}.crt").exists():
            pki.certificate(layout.pki, identity)


def _configure(layout: Layout) -> bool:
    """Writes every file that differs; True when one did that a running component has read."""
    changed = False
    for path, text in files(layout):
        if path.exists() and path.read_text() == text:
            continue
        changed = changed or path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    return changed


def cgroups(layout: Layout) -> list[Path]:
    """The pods' own cgroup below each hierarchy, so that a second cluster's kubelet never sees them."""
    root = Path("/sys/fs/cgroup")
    roots = (
        [root]
        if (root / "cgroup.controllers").exists()
        else [path for path in root.iterdir() if path.is_dir()]
    )
    return [each / layout.bridge for each in roots]


def _cgroups(layout: Layout) -> None:
    for path in cgroups(layout):
        path.mkdir(exist_ok=True)
        # A new cpuset has no processors until somebody says which; nothing can run in it before.
        for name in ("cpuset.cpus", "cpuset.mems"):
            setting = path / name
            if setting.exists() and not setting.read_text().strip():
                setting.write_text((path.parent / name).read_text())
        # All pods together would weigh as much as one process beside them; a node weighs its processors.
        if (path / "cpu.shares").exists():
            (path / "cpu.shares").write_text(str(1024 * (os.cpu_count() or 1)))


def wait(answers: Callable[[], bool], what: str, layout: Layout, began: float, seconds: float = 90) -> None:
    """Polls until it is so. Raises SystemExit with the folder of logs when it takes too long."""
    deadline = time.monotonic() + seconds
    shown = time.monotonic()
    while not answers():
        if time.monotonic() > deadline:
            raise SystemExit(
                f"devcluster: {what} is not ready after {seconds:.0f} s; read the logs in {layout.logs}"
            )
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            print(f"  waiting for {what}, {shown - began:.0f} s", flush=True)
        time.sleep(0.1)


def get(layout: Layout, path: str) -> bytes | None:
    """The API server's answer to a GET as administrator, None while there is none."""
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    context.load_cert_chain(str(layout.pki / "admin.crt"), str(layout.pki / "admin.key"))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(layout.server + path, timeout=3) as reply:
            return bytes(reply.read())
    except OSError:
        return None


def ready(layout: Layout) -> bool:
    """Whether the API server answers and its own checks pass."""
    return (layout.pki / "admin.crt").exists() and get(layout, "/readyz") == b"ok"


def node_ready(layout: Layout) -> bool:
    """Whether the node says Ready, and the default service account is there (pods need it)."""
    reply = get(layout, f"/api/v1/nodes/{NODE}")
    conditions = json.loads(reply)["status"].get("conditions", []) if reply else []
    account = get(layout, "/api/v1/namespaces/default/serviceaccounts/default")
    return account is not None and any(
        each["type"] == "Ready" and each["status"] == "True" for each in conditions
    )


def ctr(layout: Layout, *words: str) -> str:
    """Talks to this cluster's containerd."""
    return network.run("ctr", "--address", str(layout.socket), "--namespace", "k8s.io", *words)


def load(layout: Layout, archive: Path) -> None:
    """Imports an image archive, so that pods can run it."""
    ctr(layout, "images", "import", str(archive))


def images(layout: Layout) -> set[str]:
    """The names of the images that the node has."""
    return set(ctr(layout, "images", "ls", "--quiet").split())


def _pause(layout: Layout) -> None:
    wait(layout.socket.exists, "containerd", layout, time.monotonic())
    if PAUSE not in images(layout):
        load(layout, packages.pause_image(cache(), PAUSE))


def pids(layout: Layout) -> dict[str, int | None]:
    """The process of each component, None where it does not run."""
    before, after = components(layout)
    return {each.name: processes.pid_of(each.name, layout.logs) for each in [*before, *after]}


def running(layout: Layout) -> bool:
    """Whether every component runs and the API server answers."""
    return all(pids(layout).values()) and ready(layout)


def down(layout: Layout) -> None:
    """Ends every process, mount, address and rule of this cluster, and removes its state."""
    before, after = components(layout)
    processes.stop([each.name for each in reversed([*before, *after])], layout.logs)
    if not layout.control_plane_only:
        _end_pods(layout)
        network.down(layout)
    unmount(layout.state)
    shutil.rmtree(layout.state, ignore_errors=True)
    print(f"devcluster: nothing of {layout.state} is left", flush=True)


def _end_pods(layout: Layout) -> None:
    """Kills what runs in the pods' cgroups, then the shims. Needs no containerd: it may have crashed."""
    for _ in range(10):
        pids = {
            int(pid)
            for root in cgroups(layout)
            for file in root.rglob("cgroup.procs")
            for pid in _words(file)
        }
        if not pids:
            break
        processes.end(sorted(pids), 0)
    processes.end(list(processes.naming(f"-address {layout.socket}")), 2)
    for root in cgroups(layout):
        for folder in sorted(root.rglob("*/"), key=lambda path: len(path.parts), reverse=True):
            folder.rmdir()
        if root.exists():
            root.rmdir()


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def unmount(folder: Path) -> None:
    """Unmounts everything below a folder, the deepest first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    below = [path for path in mounts if Path(path).is_relative_to(folder)]
    for path in sorted(below, key=len, reverse=True):
        network.run("umount", "--lazy", path.encode().decode("unicode_escape"))
