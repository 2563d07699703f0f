"""LitServe around a scikit-learn model, with its batching and its fast queue. Settings: MODEL, PORT."""

import os
from typing import Any

import joblib
import litserve
import numpy as np


class Sklearn(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request: dict[str, Any]) -> Any:
        return np.array(request["features"])

    def batch(self, inputs: list[Any]) -> Any:
        return np.stack(inputs)

    def predict(self, batch: Any) -> Any:
        return self.model.predict(batch)

    def unbatch(self, output: Any) -> list[Any]:
        return list(output)

    def encode_response(self, output: Any) -> dict[str, float]:
        return {"prediction": float(output)}


if __name__ == "__main__":
    server = litserve.LitServer(
        Sklearn(max_batch_size=64, batch_timeout=0.001),
        accelerator="cpu",
        workers_per_device=1,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
