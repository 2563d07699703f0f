"""What the server and the recorder say to each other."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from driftlead_log.store import Store

MIB: Final = 1024 * 1024


class SpoolUnusable(Exception):  # noqa: N818 - the name of an exit code too
    """The spool cannot be opened; the message says what was seen and what to do."""


class SpoolFull(Exception):  # noqa: N818 - a state, not a mistake: it is answered with 503
    """The rows do not fit into the spool, and the setting says to refuse rather than to drop."""


class Row(msgspec.Struct):
    """One prediction. A `Struct`, which is made in C: one a row.

    `ts`: acceptance time in epoch seconds. `features_json`: the text of a JSON array in the signature's
    order, null = missing. `features_f32`: the same, little-endian float32, NaN = missing; None where a
    feature is not a number. `prediction`: never NaN. `label`: the class where classes are text.
    `outputs_json`: further outputs.
    """

    ts: float
    request_id: str
    row: int
    latency_ms: float
    features_json: bytes
    features_f32: bytes | None
    prediction: float
    label: str | None = None
    outputs_json: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class RecorderSettings:
    """How to record.

    `mode`: async (append, answer, deliver later), durable (answer after the commit), off. `dsn` is called for
    each connection, so that credentials rotate. `spool_bytes` bounds the folder; `spool_full` says what
    happens then (in mode durable always refuse: a dropped row is never committed). `flush_seconds`: a row
    waits that long for others at most. `batch_bytes`: the most that one transaction moves. `duty`: the share
    of time that catching up may keep the database busy. `sample`: share of requests whose rows are logged;
    histograms count all. `redact`: names of features that are never written, `feature_names` their order.
    `pooler`: a transaction pooler is in front, so prepared statements are not kept. `store`: where a
    leaving pod puts what it could not deliver; every `import_seconds` an idle writer looks there for what
    other pods of its resource left.
    """

    mode: Literal["async", "durable", "off"] = "async"
    dsn: Callable[[], str]
    spool_dir: Path
    spool_bytes: int = 512 * MIB
    spool_full: Literal["drop", "refuse"] = "drop"
    flush_seconds: float = 0.5
    batch_bytes: int = MIB // 2
    duty: float = 0.75
    sample: float = 1.0
    redact: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    pooler: bool = False
    store: Store | None = None
    import_seconds: float = 300.0
