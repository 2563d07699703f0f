"""The protocols in which predictions are asked for, one module each.

To add one: a module with its `Protocol`, and a line in this list. The front ends serve what stands here, and
`/openapi.json` describes it.
"""

from typing import Any

from driftlead_inference.protocols.kserve_v1 import KSERVE_V1
from driftlead_inference.protocols.mlflow import MLFLOW
from driftlead_inference.protocols.open_inference import OPEN_INFERENCE
from driftlead_inference.protocols.predict import PREDICT
from driftlead_inference.protocols.protocol import Protocol

PROTOCOLS: tuple[Protocol[Any], ...] = (PREDICT, KSERVE_V1, OPEN_INFERENCE, MLFLOW)
