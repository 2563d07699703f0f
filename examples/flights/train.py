"""Trains on some months and registers the model with its baseline; the registry decides which stage it is in.

    python train.py --months 1-2 --model logistic --register DriftAwareDemoModel

Needs MLFLOW_TRACKING_URI and, where artifacts lie in S3, the AWS_* variables and MLFLOW_S3_ENDPOINT_URL.
"""

import argparse

import flights
import models
from sklearn.metrics import roc_auc_score

import driftlead_drift


def main() -> None:
    """Trains, registers, prints the version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--months", required=True, help="one month or a range, like 1-2")
    parser.add_argument("--model", choices=sorted(models.TRUSTED_TYPES), default="boosted")
    parser.add_argument("--register", default="DriftAwareDemoModel", help="the registered model's name")
    arguments = parser.parse_args()
    table = flights.load(flights.parse_months(arguments.months))
    model = models.new(arguments.model).fit(table[flights.FEATURES], table["late"])
    auc = float(roc_auc_score(table["late"], model.predict_proba(table[flights.FEATURES])[:, 1]))
    version = driftlead_drift.log_model(
        model,
        table[flights.FEATURES],
        registered_model=arguments.register,
        time=table["time"],
        metrics={"roc_auc_train": auc},
        calendar=flights.CALENDAR,
        skops_trusted_types=models.TRUSTED_TYPES[arguments.model],
    )
    print(
        f"{arguments.register} version {version.version}: {arguments.model} on {len(table):,} flights"
        f" of months {arguments.months}, {table['late'].mean():.1%} late, AUC on these {auc:.3f}"
    )


if __name__ == "__main__":
    main()
