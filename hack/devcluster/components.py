"""What runs, with which configuration: pure functions from a layout to files and command lines."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hack.devcluster.layout import NODE, Layout

PAUSE = "localhost/driftlead-pause:1"


@dataclass(frozen=True)
class Component:
    """A process of the cluster: its name, its command line, its environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def kubeconfig(layout: Layout, user: str) -> str:
    """How one identity reaches the API server. The files are named, so that they stay the one copy."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "devcluster",
                    "cluster": {"server": layout.server, "certificate-authority": str(layout.pki / "ca.crt")},
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate": str(layout.pki / f"{user}.crt"),
                        "client-key": str(layout.pki / f"{user}.key"),
                    },
                }
            ],
            "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": user}}],
            "current-context": "devcluster",
        },
        indent=2,
    )


def containerd_config(layout: Layout) -> str:
    """Root and state below our folder, so that `down` can remove every trace.

    `restrict_oom_score_adj`: without CAP_SYS_RESOURCE runc may not lower a score and dies.
    """
    return f"""version = 2
root = "{layout.state}/containerd"
state = "{layout.run}/containerd"
[grpc]
  address = "{layout.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{layout.etc}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
  path = "{layout.state}/opt"
"""


def cni_config(layout: Layout) -> str:
    """A bridge with addresses from the pods' range. Masquerading is one nft rule of our own (network.py)."""
    ipam = {
        "type": "host-local",
        "dataDir": str(layout.run / "ipam"),
        "ranges": [[{"subnet": str(layout.pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": layout.bridge, "isGateway": True, "hairpinMode": True, "ipam": ipam}
    return json.dumps({"cniVersion": "1.0.0", "name": layout.bridge, "plugins": [bridge]}, indent=2)


def kubelet_config(layout: Layout) -> str:
    """cgroup v1 and hybrid hosts are served too; images are ours alone, so nothing may collect them."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{layout.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{layout.bridge}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [layout.node_address],
            "clusterDomain": "cluster.local",
            "resolvConf": "/etc/resolv.conf",
            "podLogsDir": str(layout.state / "podlogs"),
            "tlsCertFile": str(layout.pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(layout.pki / "kubelet.key"),
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
            "imageGCHighThresholdPercent": 100,
            "maxPods": 200,
            "serializeImagePulls": False,
        },
        indent=2,
    )


def proxy_config(layout: Layout) -> str:
    """nftables: one table of its own, which `down` can delete whole."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(layout.kubeconfig("proxy"))},
            "mode": "nftables",
            "clusterCIDR": str(layout.pods),
            "hostnameOverride": NODE,
            "conntrack": {"maxPerCore": 0},
        },
        indent=2,
    )


def corefile(layout: Layout) -> str:
    """Cluster DNS as a process of this machine, on the bridge's address."""
    return f""".:53 {{
  bind {layout.node_address}
  errors
  cache 5
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {layout.kubeconfig()}
  }}
  forward . /etc/resolv.conf
}}
"""


def files(layout: Layout) -> Iterator[tuple[Path, str]]:
    """Every configuration file, with its text."""
    users = (
        ["admin"]
        if layout.control_plane_only
        else ["admin", "controller-manager", "scheduler", "kubelet", "proxy"]
    )
    for user in users:
        yield layout.kubeconfig(user), kubeconfig(layout, user)
    yield layout.etc / "audit.json", audit_policy()
    if layout.control_plane_only:
        return
    yield layout.etc / "containerd.toml", containerd_config(layout)
    yield layout.etc / "cni/10-bridge.conflist", cni_config(layout)
    yield layout.etc / "kubelet.json", kubelet_config(layout)
    yield layout.etc / "proxy.json", proxy_config(layout)
    yield layout.etc / "Corefile", corefile(layout)


def flags(**values: object) -> list[str]:
    """`--some-name=value` for each keyword."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def audit_policy() -> str:
    """Who asked what, for service accounts that are not the cluster's own."""
    own = ["system:serviceaccounts:kube-system"]
    rules = [
        {"level": "None", "userGroups": own},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ]
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"]}
    return json.dumps({**policy, "rules": rules}, indent=2)


def etcd(layout: Layout) -> Component:
    """The store. Not synced to disk: a development cluster may be lost with its machine."""
    client, peer = f"http://127.0.0.1:{layout.ports.etcd}", f"http://127.0.0.1:{layout.ports.etcd_peer}"
    words = flags(
        data_dir=layout.state / "etcd",
        listen_client_urls=client,
        advertise_client_urls=client,
        listen_peer_urls=peer,
        initial_advertise_peer_urls=peer,
        initial_cluster=f"default={peer}",
        log_level="warn",
    )
    return Component("etcd", ["etcd", *words, "--unsafe-no-fsync"])


def api_server(layout: Layout) -> Component:
    """The API server; it reaches the kubelet by address, since nothing resolves the node's name."""
    words = flags(
        etcd_servers=f"http://127.0.0.1:{layout.ports.etcd}",
        bind_address="127.0.0.1" if layout.control_plane_only else "0.0.0.0",
        secure_port=layout.ports.api,
        service_cluster_ip_range=layout.services,
        client_ca_file=layout.pki / "ca.crt",
        tls_cert_file=layout.pki / "apiserver.crt",
        tls_private_key_file=layout.pki / "apiserver.key",
        service_account_key_file=layout.pki / "sa.key",
        service_account_signing_key_file=layout.pki / "sa.key",
        service_account_issuer="https://kubernetes.default.svc",
        kubelet_client_certificate=layout.pki / "admin.crt",
        kubelet_client_key=layout.pki / "admin.key",
        kubelet_preferred_address_types="InternalIP",
        authorization_mode="Node,RBAC",
        allow_privileged="true",
        audit_policy_file=layout.etc / "audit.json",
        audit_log_path=layout.audit,
        audit_log_maxsize=50,  # MB, and the one before it
        audit_log_maxbackup=1,
    )
    if not layout.control_plane_only:
        words += flags(advertise_address=layout.node_address)
        # By this identity it hands requests on to APIs that others serve, such as a metrics server's.
        words += flags(
            requestheader_client_ca_file=layout.pki / "ca.crt",
            requestheader_allowed_names="front-proxy",
            requestheader_username_headers="X-Remote-User",
            requestheader_group_headers="X-Remote-Group",
            requestheader_extra_headers_prefix="X-Remote-Extra-",
            proxy_client_cert_file=layout.pki / "front-proxy.crt",
            proxy_client_key_file=layout.pki / "front-proxy.key",
        )
    return Component("kube-apiserver", ["kube-apiserver", *words])


def controller_manager(layout: Layout) -> Component:
    """Every controller but the ones that need a cloud or a second node."""
    words = flags(
        kubeconfig=layout.kubeconfig("controller-manager"),
        service_account_private_key_file=layout.pki / "sa.key",
        root_ca_file=layout.pki / "ca.crt",
        cluster_signing_cert_file=layout.pki / "ca.crt",
        cluster_signing_key_file=layout.pki / "ca.key",
        use_service_account_credentials="true",
        leader_elect="false",
        controllers="*,-nodeipam,-cloud-node-lifecycle",
    )
    return Component("kube-controller-manager", ["kube-controller-manager", *words])


def node(layout: Layout) -> Iterator[Component]:
    """What makes this machine a node."""
    yield controller_manager(layout)
    scheduler = flags(kubeconfig=layout.kubeconfig("scheduler"), leader_elect="false")
    yield Component("kube-scheduler", ["kube-scheduler", *scheduler])
    kubelet = flags(
        config=layout.etc / "kubelet.json",
        kubeconfig=layout.kubeconfig("kubelet"),
        hostname_override=NODE,
        root_dir=layout.state / "kubelet",
        cert_dir=layout.state / "kubelet/pki",
        node_ip=layout.node_address,
    )
    yield Component("kubelet", ["kubelet", *kubelet])
    yield Component("kube-proxy", ["kube-proxy", *flags(config=layout.etc / "proxy.json")])
    yield Component("coredns", ["coredns", "-conf", str(layout.etc / "Corefile")])


def components(layout: Layout) -> tuple[list[Component], list[Component]]:
    """What must run before the API server answers, and what after."""
    before = [etcd(layout), api_server(layout)]
    if layout.control_plane_only:
        return before, []
    containerd = Component("containerd", ["containerd", "--config", str(layout.etc / "containerd.toml")])
    return [containerd, *before], list(node(layout))
