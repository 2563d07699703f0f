"""An authority of one's own and what it signs: certificates for servers on loopback, and for clients."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


def openssl(*words: str | Path) -> None:
    """Runs openssl; its own words are in the error when it fails."""
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@dataclass(frozen=True)
class Authority:
    """A folder with its certificate `ca.crt` and its key."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """What has to be known to believe what it signed."""
        return self.folder / "ca.crt"

    def sign(self, name: str, alternatives: str = "IP:127.0.0.1,DNS:localhost,DNS:*.localhost") -> Path:
        """The certificate NAME.crt, with its key in NAME.key beside it and both together in NAME.pem."""
        home = self.folder
        key, request, made, names = (home / f"{name}.{kind}" for kind in ("key", "csr", "crt", "names"))
        openssl(
            "req", "-nodes", "-newkey", "rsa:2048", "-subj", f"/CN={name}", "-keyout", key, "-out", request
        )
        names.write_text(f"subjectAltName={alternatives}\n")
        signing = ["-CA", self.certificate, "-CAkey", home / "ca.key", "-CAcreateserial", "-days", "2"]
        openssl("x509", "-req", "-in", request, *signing, "-extfile", names, "-out", made)
        (home / f"{name}.pem").write_bytes(key.read_bytes() + made.read_bytes())
        return made


def authority(folder: Path) -> Authority:
    """A new authority in a folder, which is made."""
    folder.mkdir(parents=True)
    subject = ["-nodes", "-newkey", "rsa:2048", "-subj", "/CN=an authority of our own"]
    openssl("req", "-x509", "-days", "2", *subject, "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    return Authority(folder)
