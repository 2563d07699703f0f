"""Resolves names below `localhost` to loopback in every Python that has this folder on its path.

RFC 6761 (6.3) asks resolvers for that, and a C library without nss-myhostname asks the network instead.
"""

import socket
from typing import Any

_ask = socket.getaddrinfo


def _answer(host: Any, *more: Any, **options: Any) -> Any:
    below = isinstance(host, str) and host.endswith(".localhost")
    return _ask("127.0.0.1" if below else host, *more, **options)


socket.getaddrinfo = _answer
