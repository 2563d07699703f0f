"""KServe's model server around a scikit-learn model, as its documentation shows for one's own models; what
its `sklearnserver` does, which is on no index. Settings: MODEL, PORT."""

import logging
import os
from typing import Any

import joblib
import numpy as np
from kserve import Model, ModelServer


class Sklearn(Model):  # type: ignore[misc]
    def load(self) -> bool:
        self.model = joblib.load(os.environ["MODEL"])
        self.ready = True
        return True

    def predict(self, payload: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        return {"predictions": self.model.predict(np.array(payload["instances"])).tolist()}


if __name__ == "__main__":
    model = Sklearn("demo")
    model.load()
    server = ModelServer(
        http_port=int(os.environ["PORT"]), workers=1, enable_grpc=False, enable_latency_logging=False
    )
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # it has no setting for that
    server.start([model])
