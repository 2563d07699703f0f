"""What is asked of a server, and what was measured of it."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.side_by_side.servers import OURS

CONNECTIONS = (32, 128)


@dataclass(frozen=True)
class Plan:
    """How long each server is loaded: `runs` of `seconds` at each number of connections, and `runs` of
    `latency_seconds` of the open loop at `rate` requests a second."""

    runs: int
    seconds: float
    latency_seconds: float
    rate: int


def plan_of(model: str, runs: int, seconds: float, latency_seconds: float) -> Plan:
    """What a model's servers get. Models without a goal are run once; the open loop asks a quarter as often
    of all but the regression, which every server of a forest can still answer."""
    rate = 200 if model == "regression" else 50
    return Plan(runs if model in {"regression", "forest"} else 1, seconds, latency_seconds, rate)


@dataclass
class Measured:
    """A server's figures; lists hold one value a run, dictionaries are by the number of connections.

    cpu_us         of the whole process tree, a request, while it was asked
    cpu_all_us     the same over all of them, until the last row was in Postgres
    behind         seconds from the last answer until then
    p50, p99       milliseconds at `rate` requests a second
    others         share of the server's core that other processes took during throughput runs
    answered       replies that a client counted; made: rows that the server says it logged
    rows, counted  rows in the table, and in the histograms
    failed         why figures are missing
    """

    name: str
    kind: str
    model: str
    at: str = ""
    load: float = 0.0
    engine: str = ""
    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: dict[str, float] = field(default_factory=dict)
    cpu_all_us: float = 0.0
    behind: float = 0.0
    others: float = 0.0
    rate: int = 0
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    megabytes: float = 0.0
    cold: float = 0.0
    errors: int = 0
    logs: bool = False
    answered: int = 0
    made: int = 0
    rows: int = 0
    counted: int = 0
    failed: str = ""

    @property
    def title(self) -> str:
        return f"{self.model}: {self.name}"

    def throughput(self, connections: int) -> float:
        """The median of the runs, requests a second."""
        return statistics.median(self.rates[str(connections)])

    @property
    def best(self) -> int:
        """The number of connections with the best throughput."""
        return max(CONNECTIONS, key=self.throughput)

    @property
    def lost(self) -> int:
        """Answers without a row."""
        return max(0, self.answered - self.rows, self.made - self.rows) if self.logs else 0

    @property
    def uncounted(self) -> int:
        """Rows of ours that are not in the histograms."""
        return max(0, self.rows - self.counted) if self.logs and self.kind == OURS else 0

    def to_json(self) -> dict[str, Any]:
        """For the file of raw figures."""
        return asdict(self)
