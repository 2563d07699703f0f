"""What leaves a connection: all that is written in one pass of the event loop, in one write behind it.

By ASGI a batch's replies are made one task after the other. They leave right after one another, so a client
of many connections is woken once and not for each of them; and uvicorn's head leaves with its body.
"""

import asyncio


class PendingWrites:
    """The connections of a server that have something to send behind the present pass."""

    def __init__(self) -> None:
        self.connections: list[Outgoing] = []

    def add(self, connection: "Outgoing") -> None:
        """Sends what the connection holds, soon."""
        if not self.connections:
            asyncio.get_running_loop().call_soon(self.send)
        self.connections.append(connection)

    def send(self) -> None:
        """Sends what all of them hold."""
        leaving, self.connections = self.connections, []
        for connection in leaving:
            connection.flush()


class Outgoing:
    """A connection's transport as its protocol sees it. `held`: what leaves behind this pass."""

    __slots__ = ("close_now", "held", "is_closing", "pending_writes", "write_now")

    def __init__(self, transport: asyncio.Transport, pending_writes: PendingWrites) -> None:
        self.write_now = transport.write
        self.is_closing = transport.is_closing
        self.close_now = transport.close
        self.pending_writes = pending_writes
        self.held = b""

    def write(self, data: bytes) -> None:
        """Sends it, behind what was written before."""
        if self.held:
            self.held += data
        else:
            self.held = data
            self.pending_writes.add(self)

    def write_through(self, data: bytes) -> None:
        """Sends it at once, behind what is held."""
        if self.held:
            data, self.held = self.held + data, b""
        self.write_now(data)

    def flush(self) -> None:
        """Sends at once what is held; nothing where the client is gone."""
        data, self.held = self.held, b""
        if data and not self.is_closing():
            self.write_now(data)

    def close(self) -> None:
        """Closes once everything is sent."""
        self.flush()
        self.close_now()
