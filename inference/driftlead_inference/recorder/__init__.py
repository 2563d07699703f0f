"""The prediction log of a server: rows wait in a spool on disk and reach the database exactly once.

Start with `recorder.Recorder`. `spool` holds the rows in a `folder`, `writer` delivers them, `drops` is the
ledger of rows that did not fit. What is shared with the drift job (format, transaction, segment upload) is
`driftlead_log`.
"""

from driftlead_inference.recorder.recorder import Recorder
from driftlead_inference.recorder.types import RecorderSettings, Row, SpoolFull, SpoolUnusable
from driftlead_log.row_tuples import Identity

__all__ = ["Identity", "Recorder", "RecorderSettings", "Row", "SpoolFull", "SpoolUnusable"]
