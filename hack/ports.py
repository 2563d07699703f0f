"""TCP ports on loopback for servers that are about to start.

They lie below those that the kernel gives to clients: a client that keeps connecting to a server which
restarts may otherwise be given that very port, connect to itself, and keep the server from coming back.

Nothing holds a port between its choice and the server's `bind`. So a process never gives a port twice, and
processes that choose at the same time have ranges of their own, by DRIFTLEAD_PORTS (`20000-23999`), as the
lanes of `hack.run_tests` do.
"""

import os
import random
import socket

VARIABLE = "DRIFTLEAD_PORTS"
RANGE = "20000-31999"
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on. Raises RuntimeError when the range has none left."""
    first, last = map(int, os.environ.get(VARIABLE, RANGE).split("-"))
    candidates = [port for port in range(first, last + 1) if port not in _given]
    random.shuffle(candidates)
    for port in candidates:
        _given.add(port)
        if not listens(port):
            return port
    raise RuntimeError(f"no free port from {first} to {last} on 127.0.0.1")


def listens(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ranges(count: int) -> list[str]:
    """The whole range in parts of one size, for processes side by side."""
    first, last = map(int, RANGE.split("-"))
    size = (last + 1 - first) // count
    return [f"{first + part * size}-{first + (part + 1) * size - 1}" for part in range(count)]
