"""A label: what was true of one row that was predicted earlier, as `/feedback` takes it. Pure."""

from datetime import datetime
from typing import Annotated

import msgspec

MOST_ROWS = 2**31 - 1  # what the column `row` holds


class Label(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What was true of one row. `label` is said as `/predict` says a prediction; `row` counts from 0."""

    request_id: str
    label: bool | float | str
    row: Annotated[float, msgspec.Meta(ge=0, le=MOST_ROWS, multiple_of=1)] = (
        0  # 3.0 is what pandas makes of 3
    )
    observed_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    @property
    def number(self) -> float | None:
        """The label as the log's `prediction`; None for text."""
        return None if isinstance(self.label, str) else float(self.label)

    @property
    def text(self) -> str | None:
        """The label as the log's `prediction_label`; None for a number."""
        return self.label if isinstance(self.label, str) else None
