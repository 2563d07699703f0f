"""Certificates and kubeconfigs of one cluster: one authority, a client certificate for each component."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

DAYS = "3650"


@dataclass(frozen=True)
class Identity:
    """Who a certificate speaks for, and under which names and addresses it may serve."""

    name: str
    subject: str
    alternatives: str = "DNS:localhost"


def identities(api_service: str, node: str, node_address: str) -> list[Identity]:
    """Every certificate that a node needs."""
    kubernetes = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
    names = [f"DNS:{name}" for name in ("localhost", *kubernetes)]
    addresses = [f"IP:{address}" for address in ("127.0.0.1", api_service, node_address)]
    return [
        Identity("apiserver", "/CN=kube-apiserver", ",".join(names + addresses)),
        Identity("admin", "/O=system:masters/CN=admin"),
        Identity("controller-manager", "/CN=system:kube-controller-manager"),
        Identity("scheduler", "/CN=system:kube-scheduler"),
        Identity(
            "kubelet", f"/O=system:nodes/CN=system:node:{node}", f"DNS:{node},IP:127.0.0.1,IP:{node_address}"
        ),
        Identity("proxy", "/CN=system:kube-proxy"),
        Identity("front-proxy", "/CN=front-proxy"),
    ]


def openssl(*words: str | Path) -> None:
    """Runs openssl quietly; its own words are shown when it fails."""
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(folder: Path) -> None:
    """The cluster's own certificate authority, and the key that signs service account tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    openssl("genrsa", "-out", folder / "sa.key", "2048")
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, "-subj", "/CN=devcluster",
        "-keyout", folder / "ca.key", "-out", folder / "ca.crt",
    )  # fmt: skip


def certificate(folder: Path, identity: Identity) -> None:
    """A key and a certificate signed by the authority, good for serving and for calling."""
    stem = folder / identity.name
    request, extensions = stem.with_suffix(".csr"), stem.with_suffix(".ext")
    extensions.write_text(f"subjectAltName={identity.alternatives}\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl(
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        identity.subject,
        "-keyout",
        stem.with_suffix(".key"),
        "-out",
        request,
    )
    openssl(
        "x509", "-req", "-days", DAYS, "-in", request, "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
        "-CAcreateserial", "-out", stem.with_suffix(".crt"), "-extfile", extensions,
    )  # fmt: skip
