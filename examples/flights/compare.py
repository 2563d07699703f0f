"""AUC of several versions of a registered model on the flights of some months: which one is better there?

python compare.py --months 7 1 2 3
"""

import argparse
import os

import flights
import mlflow
from sklearn.metrics import roc_auc_score


def main() -> None:
    """Loads each version from the registry, lets it predict, prints its AUC."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--months", required=True, help="one month or a range, like 7")
    parser.add_argument("--name", default="DriftAwareDemoModel", help="the registered model's name")
    parser.add_argument("versions", nargs="+")
    arguments = parser.parse_args()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    table = flights.load(flights.parse_months(arguments.months))
    for version in arguments.versions:
        model = mlflow.sklearn.load_model(f"models:/{arguments.name}/{version}")
        auc = roc_auc_score(table["late"], model.predict_proba(table[flights.FEATURES])[:, 1])
        print(f"version {version}: AUC {auc:.3f} on {len(table):,} flights of months {arguments.months}")


if __name__ == "__main__":
    main()
