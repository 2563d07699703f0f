"""Requests to MLflow without its client: by the credentials and the authorities which that would use."""

import os
import ssl
from base64 import b64encode


def basic(user: str, password: str) -> str:
    """The value of the header `Authorization` for a user and a password (RFC 7617)."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def authorization() -> dict[str, str]:
    """The header by MLflow's variables: user and password where both are set, else the token, else none."""
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
    if user and password:
        return {"Authorization": basic(user, password)}
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    return {}


AUTHORITIES = "MLFLOW_TRACKING_SERVER_CERT_PATH"
OWN = "MLFLOW_TRACKING_CLIENT_CERT_PATH"


def trust() -> ssl.SSLContext | None:
    """Whom to trust by MLflow's variables; None stands for the system's authorities.

    AUTHORITIES names a file of authorities that replaces those of the system, OWN one with the certificate
    and key that the server wants to see. Raises OSError with the variable whose file
    cannot be used.
    """
    authorities, own = os.environ.get(AUTHORITIES), os.environ.get(OWN)
    if not authorities and not own:
        return None
    variable = AUTHORITIES
    try:
        context = ssl.create_default_context(cafile=authorities or None)
        variable = OWN
        if own:
            context.load_cert_chain(own)
    except OSError as error:  # of which ssl's own errors are some
        raise OSError(
            f"{variable} names {os.environ.get(variable)}, which cannot be used: {error}"
        ) from error
    return context
