"""Which requests meet the canary. Pure.

With a key: the first eight bytes of SHA-256 over salt, a zero byte and the key are a fraction of the whole,
and the canary is met where this lies below the weight. So a key that met it at 5 % meets it at 25 %, in every
process, and with another salt other keys do.

Without a key requests are counted. The whole is cut into cells of one canary request each, and within its
cell the request is drawn by a hash. After any number of requests the count is exact to one; there are no
bursts; and clients who take turns do not always meet the same side, as with each twentieth request.

Copies are drawn by the same rules and independently, from the requests that the canary does not answer.
"""

from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256

from driftlead_formats.traffic_split import WHOLE, TrafficSplit

COPIES = "shadow"  # what makes the draw of copies another one than that of answers


class Choice(Enum):
    """What is done with a request."""

    OWN = "own"  # prod answers
    FORWARD = "forward"  # the canary answers
    COPY = "copy"  # prod answers, the canary gets a copy


def meets(salt: str, key: bytes, parts: int) -> bool:
    """Whether a key is among the first `parts` millionths."""
    drawn = int.from_bytes(sha256(salt.encode() + b"\0" + key).digest()[:8])
    return drawn * WHOLE < parts << 64


@dataclass
class Evenly:
    """Marks an exact share of what it counts.

    `travelled`: how far into its `cell`, in millionths; `passed`: the cell's mark lies behind; `owed`: marks
    passed that no request has taken yet, since two cells' marks may lie within one request's stretch.
    """

    seed: int = 0
    cell: int = 0
    travelled: int = 0
    passed: bool = False
    owed: int = 0

    def due(self, parts: int) -> bool:
        """Whether `take` would mark the next one. Changes nothing."""
        end = self.travelled + parts
        here = not self.passed and self.mark(self.cell) < end
        return self.owed > 0 or here or (end > WHOLE and self.mark(self.cell + 1) < end - WHOLE)

    def take(self, parts: int) -> bool:
        """Counts one, and whether it is marked."""
        self.travelled += parts
        self.pass_mark()
        if self.travelled >= WHOLE:
            self.cell, self.travelled, self.passed = self.cell + 1, self.travelled - WHOLE, False
            self.pass_mark()
        marked = self.owed > 0
        self.owed -= marked
        return marked

    def pass_mark(self) -> None:
        """Notes that the cell's mark was passed."""
        if not self.passed and self.mark(self.cell) < self.travelled:
            self.passed = True
            self.owed += 1

    def mark(self, cell: int) -> int:
        """Where in a cell its mark lies: the mixing steps of SplitMix64 (Steele 2014)."""
        bits = (self.seed + cell * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        return (bits ^ bits >> 31) % WHOLE


@dataclass
class Draw:
    """One of the two draws: of requests that the canary answers, or of those that it gets as a copy."""

    salt: str = ""
    evenly: Evenly = field(default_factory=Evenly)

    def due(self, key: bytes | None, parts: int) -> bool:
        """Whether `take` would say yes. Changes nothing."""
        if not parts:
            return False
        return self.evenly.due(parts) if key is None else meets(self.salt, key, parts)

    def take(self, key: bytes | None, parts: int) -> bool:
        """Whether this request is drawn."""
        if not parts:
            return False
        return self.evenly.take(parts) if key is None else meets(self.salt, key, parts)


class Splitter:
    """Draws for one document after another; counts go on when a weight changes."""

    def __init__(self, seed: int = 0) -> None:
        self.answers = Draw(evenly=Evenly(seed))
        self.copies = Draw(evenly=Evenly(seed ^ 0x5DEECE66D))

    def follow(self, split: TrafficSplit) -> None:
        """Draws by this document's salt from now on."""
        self.answers.salt, self.copies.salt = split.salt, f"{split.salt}\0{COPIES}"

    def choose(self, key: bytes | None, weight: int, shadow: int) -> Choice:
        """What is done with a request, which counts."""
        if self.answers.take(key, weight):
            return Choice.FORWARD
        return Choice.COPY if self.copies.take(key, shadow) else Choice.OWN

    def own(self, key: bytes | None, weight: int, shadow: int) -> bool:
        """Whether prod answers the request and nobody else hears of it. Only if so it counts: whoever gets a
        no has `choose` asked for it, which then says the same unless another request came between."""
        if self.answers.due(key, weight) or self.copies.due(key, shadow):
            return False
        self.answers.take(key, weight)
        self.copies.take(key, shadow)
        return True
