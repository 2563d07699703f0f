"""What the retraining Job calls after a verdict of drift: `driftlead-drift retrain retrain:train`."""

import flights
import models

from driftlead_drift.retraining import RetrainContext, Trained


def train(context: RetrainContext) -> Trained:
    """A boosted model of the months MONTHS, to be judged on the later month HOLDOUT: parameters of the Job.

    The demo replays a past year, so it has to say which months are "the last two"; a real function would
    take them from `context.now`. Labels, whether a flight left late, are known the next day.
    """
    recent = flights.load(flights.parse_months(context.parameters.get("MONTHS", "5-6")))
    later = flights.load(flights.parse_months(context.parameters.get("HOLDOUT", "7")))
    return Trained(
        model=models.new("boosted").fit(recent[flights.FEATURES], recent["late"]),
        features=recent[flights.FEATURES],
        time=recent["time"],
        holdout_features=later[flights.FEATURES],
        holdout_target=later["late"],
        metric="roc_auc",
        calendar=flights.CALENDAR,
        skops_trusted_types=models.TRUSTED_TYPES["boosted"],
    )
