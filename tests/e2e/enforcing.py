"""NetworkPolicies enforced on this machine's node, which has no network plugin that does it.

A program of ours around kube-network-policies judges each new connection by the cluster's own policies. It
would send the packets to itself by an nftables rule; not every kernel has it, so iptables' one stands here.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.demo.shell import ENVIRONMENT
from hack.tools import path_of
from neighbours.processes import running

PODS = "10.244.0.0/24"
QUEUE = "100"
# Its programs' own connections are the node's, the kubelet's probes among them: those no policy may stop.
NODES_OWN = ["POSTROUTING", "-m", "owner", "--uid-owner", "0", "-j", "ACCEPT"]
JUDGED = [
    [chain, *end, "-m", "conntrack", "--ctstate", "NEW", "-j", "NFQUEUE", "--queue-num", QUEUE]
    for chain, end in (("POSTROUTING", ["-d", PODS]), ("INPUT", ["-s", PODS]))
]


@contextmanager
def enforced(node: str, folder: Path) -> Iterator[None]:
    """Policies hold until the end of the block."""
    log = folder / "policies.log"
    words = [f"--kubeconfig={ENVIRONMENT['KUBECONFIG']}", f"--node={node}", f"--queue={QUEUE}"]
    command = [path_of("policies"), *words]
    with running(command, log=log, answers=lambda: "Syncing nftables" in log.read_text()):
        made: list[list[str]] = []
        try:
            for rule in (NODES_OWN, *JUDGED):
                subprocess.run(["iptables", "-t", "mangle", "-A", *rule], check=True)
                made.append(rule)
            yield
        finally:
            for rule in made:
                subprocess.run(["iptables", "-t", "mangle", "-D", *rule], check=True)
