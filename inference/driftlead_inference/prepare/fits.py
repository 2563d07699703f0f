"""What an estimator says of itself against the signature: what never fits is never the example's fault."""

from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.failures import StartFailed
from driftlead_inference.model.flavours import Loaded
from driftlead_inference.rows.signature import Signature


def predicts(loaded: Loaded) -> None:
    """Refuses an estimator that cannot predict. Raises `StartFailed`."""
    if loaded.estimator is not None and not hasattr(loaded.estimator, "predict"):
        raise StartFailed(
            ExitCode.SMOKE_FAILED,
            f"the model is a {type(loaded.estimator).__name__} without `predict`, so it answers no row; "
            "log an estimator that predicts, or a pipeline that ends in one",
        )


def takes(loaded: Loaded, signature: Signature) -> None:
    """Refuses a signature of another width or of other names than the estimator's. Raises `StartFailed`."""
    if loaded.flavour != "sklearn":
        return
    width, names = len(signature.features), getattr(loaded.estimator, "feature_names_in_", None)
    fitted = getattr(loaded.estimator, "n_features_in_", width)
    if fitted != width:
        raise refused(f"the model was fitted on {fitted} features, its signature names {width}")
    if names is not None and signature.named:
        missing = [str(name) for name in names if str(name) not in set(signature.names)]
        if missing:
            raise refused(f"the model was fitted on {', '.join(missing)}, which its signature does not name")


def refused(sentence: str) -> StartFailed:
    """The refusal, with what to do."""
    return StartFailed(
        ExitCode.SMOKE_FAILED,
        f"{sentence}, so no row is ever answered; log the model with "
        "signature=mlflow.models.infer_signature(X, predictions) of the X that it was fitted on",
    )
