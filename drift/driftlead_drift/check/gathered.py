"""What a check needs before it can judge, wherever it came from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from driftlead_drift.judging.facts import Run, Window, WindowCounts
from driftlead_drift.report.document import Subject
from driftlead_formats.baseline import Baseline
from driftlead_formats.traffic import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A window in the baseline's bins, and its history, oldest first.

    `traffic`: whose rows they are, None for a file. `first_window`: set where the baseline is of it.
    `not_kept`: features that the log does not hold, which cannot be judged.
    """

    subject: Subject
    baseline: Baseline
    window: WindowCounts
    history: Sequence[Run] = ()
    traffic: Traffic | None = None
    first_window: Window | None = None
    not_kept: Sequence[str] = ()

    def judged(self) -> tuple[Baseline, WindowCounts]:
        """Baseline and window without the features that the log does not hold."""
        if not self.not_kept:
            return self.baseline, self.window
        kept = [i for i, bins in enumerate(self.baseline.features) if bins.name not in self.not_kept]
        blocks = self.baseline.blocks
        if blocks is not None:
            outputs = blocks.counts[len(self.baseline.features) :]
            blocks = replace(blocks, counts=(*(blocks.counts[i] for i in kept), *outputs))
        features = tuple(self.baseline.features[i] for i in kept)
        stretches = self.window.stretches
        if stretches is not None:
            stretches = replace(stretches, features=[stretches.features[i] for i in kept])
        return (
            replace(self.baseline, features=features, blocks=blocks),
            replace(
                self.window,
                features=[self.window.features[i] for i in kept],
                baseline_sha256="",
                stretches=stretches,
            ),
        )
