"""The two generators: wrk, which asks as fast as answers come, and an open loop, which asks at a constant
rate."""

import ctypes
import gc
import json
import select
import socket
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from benchmarks.side_by_side.processes import favour

WRK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function init(args)
  reqs, n = {}, 0
  for line in io.lines(args[1]) do reqs[#reqs + 1] = wrk.format(nil, nil, nil, line) end
end
function request() n = n % #reqs + 1; return reqs[n] end
function done(s, l, r)
  io.write(string.format('JSON {"rate": %f, "answers": %d, "errors": %d}\\n',
    s.requests / (s.duration / 1e6), s.requests,
    s.errors.connect + s.errors.read + s.errors.write + s.errors.status + s.errors.timeout))
end
"""
CONNECTIONS = 64
PR_SET_TIMERSLACK = 29
HANG_SECONDS = 30


@dataclass(frozen=True)
class Closed:
    """What wrk saw: answers a second, answers, errors."""

    rate: float
    answers: int
    errors: int


def wrk(url: str, bodies: Path, connections: int, seconds: float) -> Closed:
    """One run: each connection sends again as soon as it has its answer. `bodies`: a file with one a line."""
    script = bodies.with_name("post.lua")
    script.write_text(WRK)
    command: list[str | Path] = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "10s"]
    command += ["-s", script, url, "--", bodies]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    favour(process.pid)
    output, _ = process.communicate()
    return Closed(**json.loads(output.rpartition("JSON ")[2]))


@dataclass(frozen=True)
class Open:
    """Latencies in milliseconds, sorted, each from when its request was due; and how many were no answer."""

    latencies: list[float]
    errors: int

    def percentile(self, share: float) -> float:
        """The latency that this share of the requests did not exceed."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def open_loop(port: int, path: str, bodies: list[bytes], rate: float, seconds: float) -> Open:
    """Asks at a constant rate over 64 connections, whatever the server does meanwhile.

    A request that finds every connection busy waits, and its wait counts.
    """
    # An event loop's timers are whole milliseconds; select's are the kernel's, here without its slack.
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [head.encode() + b"%d\r\n\r\n%b" % (len(body), body) for body in bodies]
    gc.collect()
    gc.disable()
    try:
        return Loop(port, requests, rate, int(rate * seconds)).run()
    finally:
        gc.enable()


class Loop:
    """One run of the open loop. `asked`: connections that wait for a reply, with when it was due."""

    def __init__(self, port: int, requests: list[bytes], rate: float, total: int) -> None:
        self.port = port
        self.requests = requests
        self.rate = rate
        self.total = total
        self.idle = deque(self.connected() for _ in range(CONNECTIONS))
        self.in_flight: dict[socket.socket, float] = {}
        self.read: dict[socket.socket, bytes] = {}
        self.latencies: list[float] = []

    def connected(self) -> socket.socket:
        """A new connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def run(self) -> Open:
        """Sends all, takes what comes, gives up on what has not come half a minute after the last."""
        began, sent = time.perf_counter() + 0.05, 0
        last = began + self.total / self.rate + HANG_SECONDS
        while sent < self.total or self.in_flight:
            now, due = time.perf_counter(), began + sent / self.rate
            if now > last:
                break
            if sent < self.total and now >= due and self.idle:
                self.send(self.requests[sent % len(self.requests)], due)
                sent += 1
                continue
            wait = max(0.0, due - now) if sent < self.total and self.idle else 1.0
            for connection in select.select(list(self.in_flight), [], [], wait)[0]:
                self.receive(connection)
        for connection in (*self.idle, *self.in_flight):
            connection.close()
        return Open(sorted(self.latencies), self.total - len(self.latencies))

    def send(self, request: bytes, due: float) -> None:
        """Asks on the connection that was idle longest."""
        connection = self.idle.popleft()
        self.in_flight[connection], self.read[connection] = due, b""
        connection.sendall(request)

    def receive(self, connection: socket.socket) -> None:
        """Takes a part of a reply; a whole one is counted, and its connection idle again."""
        try:
            part = connection.recv(65536)
        except OSError:
            part = b""
        if not part:  # closed by the server
            del self.in_flight[connection]
            connection.close()
            self.idle.append(self.connected())
            return
        reply = self.read[connection] = self.read[connection] + part
        if not whole(reply):
            return
        waited = time.perf_counter() - self.in_flight.pop(connection)
        self.idle.append(connection)
        if reply.startswith(b"HTTP/1.1 200"):
            self.latencies.append(waited * 1e3)


def whole(reply: bytes) -> bool:
    """Whether head and body of a reply are there. Every server here says the body's length."""
    head, found, body = reply.partition(b"\r\n\r\n")
    if not found:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)
