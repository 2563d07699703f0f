"""A real Kubernetes on one Linux machine without Docker: `python3 -m hack.devcluster up`."""

import argparse
import sys
from pathlib import Path

from hack.devcluster import binary, cluster
from hack.devcluster.layout import DEFAULT_STATE, Layout, Ports
from hack.ports import free_port


def control_plane(state: Path, port: int | None) -> Layout:
    """A control plane alone. Its ports are chosen once and kept with its state: `up` stays idempotent."""
    kept = state / "ports"
    if not kept.exists():
        state.mkdir(parents=True, exist_ok=True)
        api, etcd, peer = (free_port() for _ in range(3))
        kept.write_text(f"{port or api} {etcd} {peer}")
    api, etcd, peer = map(int, kept.read_text().split())
    return Layout(state=state, ports=Ports(api=api, etcd=etcd, etcd_peer=peer), control_plane_only=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python3 -m hack.devcluster", description=__doc__)
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="its folder (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="start what does not run, and wait until it is ready")
    starting.add_argument(
        "--control-plane", action="store_true", help="etcd and the API server alone, on free ports"
    )
    starting.add_argument("--port", type=int, help="the API server's port (control plane alone)")
    commands.add_parser("build", help="build the binary where there is none yet, and print its folder")
    commands.add_parser("down", help="stop it and leave nothing behind")
    commands.add_parser("status", help="say what runs; fails unless all of it does")
    loading = commands.add_parser("load", help="import image archives into the node")
    loading.add_argument("archives", type=Path, nargs="+")
    commands.add_parser("images", help="list the images that the node has")
    for each in commands.choices.values():
        each.add_argument("--state", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Does one command; 1 when `status` finds something that does not run."""
    chosen = arguments()
    state = chosen.state.resolve()
    alone = getattr(chosen, "control_plane", False) or (state / "ports").exists()
    layout = control_plane(state, getattr(chosen, "port", None)) if alone else Layout(state=state)
    if chosen.command == "up":
        cluster.up(layout)
        print(layout.kubeconfig())
    elif chosen.command == "build":
        print(binary.binaries())
    elif chosen.command == "down":
        cluster.down(layout)
    elif chosen.command == "load":
        for archive in chosen.archives:
            cluster.load(layout, archive)
    elif chosen.command == "images":
        print("\n".join(sorted(cluster.images(layout))))
    else:
        for name, pid in cluster.pids(layout).items():
            print(f"{name:<25} {f'runs, pid {pid}' if pid else 'does not run'}")
        return 0 if cluster.running(layout) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
