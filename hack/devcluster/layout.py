"""One cluster's names, addresses and folders, all derived from few choices. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

DEFAULT_STATE = Path("/var/lib/driftlead-devcluster")
NODE = "devcluster"
PODS = IPv4Network("10.244.0.0/24")
SERVICES = IPv4Network("10.96.0.0/16")


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the components of the control plane listen."""

    api: int = 6443
    etcd: int = 2379
    etcd_peer: int = 2380


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A cluster with its state folder; two clusters with different layouts do not touch one another."""

    state: Path = DEFAULT_STATE
    ports: Ports = Ports()
    bridge: str = "devcluster0"
    pods: IPv4Network = PODS
    services: IPv4Network = SERVICES
    control_plane_only: bool = False

    @property
    def node_address(self) -> str:
        """The bridge's address: the node, cluster DNS and the API server as pods see them."""
        return "127.0.0.1" if self.control_plane_only else str(self.pods[1])

    @property
    def api_service(self) -> str:
        """The cluster address of the Service `kubernetes`."""
        return str(self.services[1])

    @property
    def server(self) -> str:
        """The API server as programs on this machine reach it."""
        return f"https://127.0.0.1:{self.ports.api}"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def etc(self) -> Path:
        """Configuration files and kubeconfigs."""
        return self.state / "etc"

    @property
    def logs(self) -> Path:
        """One log and one pid file a component."""
        return self.state / "log"

    @property
    def audit(self) -> Path:
        """What service accounts asked of the API server, a line of JSON each."""
        return self.logs / "audit.log"

    @property
    def run(self) -> Path:
        """What lives only while the cluster does: sockets and containerd's mounts."""
        return self.state / "run"

    @property
    def socket(self) -> Path:
        """containerd's socket."""
        return self.run / "containerd.sock"

    def kubeconfig(self, user: str = "admin") -> Path:
        """The kubeconfig of a component or of the administrator."""
        return self.etc / f"{user}.kubeconfig"
