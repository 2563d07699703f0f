"""The node's bridge, its one firewall table, and their removal."""

import subprocess
from pathlib import Path

from hack.devcluster.layout import Layout


def run(*words: str, check: bool = True, text: str | None = None) -> str:
    """Runs a program and returns what it printed."""
    done = subprocess.run(words, check=False, capture_output=True, text=True, input=text)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def table(layout: Layout) -> str:
    """The nft table's name; nft wants letters first."""
    return f"masquerade_{layout.bridge}"


def up(layout: Layout) -> None:
    """Makes the bridge and lets pods reach what the machine reaches. Idempotent."""
    if layout.bridge not in run("ip", "-o", "link", "show", "type", "bridge"):
        run("ip", "link", "add", layout.bridge, "type", "bridge")
        run("ip", "address", "add", f"{layout.node_address}/{layout.pods.prefixlen}", "dev", layout.bridge)
    run("ip", "link", "set", layout.bridge, "up")
    for path in (
        "net/ipv4/ip_forward",
        "net/bridge/bridge-nf-call-iptables",
        f"net/ipv4/conf/{layout.bridge}/route_localnet",
    ):
        switch = Path("/proc/sys") / path
        if switch.exists() and switch.read_text().strip() != "1":
            switch.write_text("1")
    # The empty table in front makes this a replacement, so that a second `up` adds nothing twice.
    name = table(layout)
    run(
        "nft", "-f", "-",
        text=f"""table ip {name} {{}}
delete table ip {name}
table ip {name} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat
    ip saddr {layout.pods} ip daddr != {layout.pods} masquerade
  }}
}}
""",
    )  # fmt: skip


def down(layout: Layout) -> None:
    """Removes the bridge and every table that this cluster made."""
    run("ip", "link", "delete", layout.bridge, check=False)
    for family, name in (("ip", table(layout)), ("ip", "kube-proxy"), ("ip6", "kube-proxy")):
        run("nft", "delete", "table", family, name, check=False)
